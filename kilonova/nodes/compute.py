"""A compute node: takes orders out of its hosts' queues and carries them out, one saga at a time for each server.

An order is acknowledged once the journal has it; from there on the journal, not the broker, remembers it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kilonova.build import CARRY_OUT
from kilonova.build.record import Placed
from kilonova.build.report import Report, ServerNotBuilt, TaskFailed
from kilonova.build.wishes import WishNumbers
from kilonova.bus.port import Bus, Delivery, Handlers
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.attach import AttachVolume, ended_attachment
from kilonova.lifecycle.remove import REMOVE, Removal
from kilonova.lifecycle.task import Asked
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.span import Span
from kilonova.model.volume_link import VolumeLink
from kilonova.nodes.hands import ComputeHands, HostHands
from kilonova.nodes.reporter import Reporter
from kilonova.nodes.worker import Job, Worker
from kilonova.saga import Journal, Outcome, Saga
from kilonova.trace.recorder import Recorder, Together

SAGAS: Mapping[str, Saga[Any, Any, Any]] = {
    CARRY_OUT.name: CARRY_OUT,
    REMOVE.name: REMOVE,
    **{action.saga.name: action.saga for action in SERVER_ACTIONS.values()},
}
_SAGA_OF_TASK = {action.saga.takes: action.saga for action in SERVER_ACTIONS.values()}


@dataclass
class ComputeNode:
    """`hosts` are the hosts this process serves: one on a real machine, many when simulated."""

    name: NodeName
    hosts: Mapping[HostName, HostHands]
    bus: Bus
    journal: Journal
    recorder: Recorder
    watch: Together
    network_limit_s: float = 30.0

    def __post_init__(self) -> None:
        self.reporter = Reporter(self.name, self.bus, self.journal)
        number_of_wish = WishNumbers(self.journal).number_of_wish
        self.hands = ComputeHands(
            self.name, self.hosts, self.bus, self.reporter, self._note, number_of_wish, self._has_ended, self.network_limit_s
        )
        self.worker = Worker(self.hands, self.journal, self.recorder, self.watch, self._last_word, self.reporter.wake)

    def handlers(self) -> Handlers:
        """Who handles what out of a host's queue."""
        return {Placed: self.take_build, Removal: self.take_removal, **dict.fromkeys(_SAGA_OF_TASK, self.take_task)}

    async def take_build(self, order: Placed, delivery: Delivery) -> None:
        """Step 6 begins: the order is in the journal, and its saga goes on by itself."""
        job = _job(CARRY_OUT, _key(order, CARRY_OUT), order)
        if order.host not in self.hosts or self.worker.doing(job.where) is not None or self._is_over(order, job.key):
            return  # somebody else's, or it came twice
        if time.time() > order.deadline:
            return  # control has ended it
        self.worker.begin(job, delivery.queue_wait_s)

    async def take_task(self, order: Asked, delivery: Delivery) -> None:
        """A later action on a server: after whatever else goes on for it."""
        saga = _SAGA_OF_TASK[type(order)]
        job = _job(saga, _key(order, saga), order)
        doing = self.worker.doing(job.where)
        goes = doing is not None and doing.saga is REMOVE
        if order.host not in self.hosts or time.time() > order.deadline or self._is_over(order, job.key) or goes:
            return
        await self.worker.begin_when_free(job, delivery.queue_wait_s, _removal(order))

    async def take_removal(self, order: Removal, delivery: Delivery) -> None:
        """Whatever is going on for this server is stopped and undone first."""
        job = _job(REMOVE, _key(order, REMOVE), order)
        doing = self.worker.doing(job.where)
        if order.host not in self.hosts or self.worker.is_ending(job.where) or (doing is not None and doing.saga is REMOVE):
            return
        await self.worker.stop_what_goes_on(job.where)
        self.worker.begin(job, delivery.queue_wait_s)
        self.worker.cleared(job.where)

    def remove_leftover(self, server_id: ServerId, host: HostName, attempt: int) -> None:
        """Control says that this is nobody's any more."""
        order = Removal(
            server_id=server_id, host=host, node=self.name, network_node=NodeName(""), attempt=attempt, reason="leftover"
        )
        job = _job(REMOVE, _key(order, REMOVE), order)
        if self.worker.doing(job.where) is None:
            self.worker.begin(job, 0.0)

    def working_on(self) -> tuple[ServerId, ...]:
        return tuple({where[0]: None for where in self.worker.places() if isinstance(where, tuple)})

    def resume(self) -> int:
        """Go on, or back, with what was under way when the last process ended; the number of sagas."""
        return self.worker.take_up(SAGAS, _job)

    async def stop(self) -> None:
        """Leave everything as it stands; the journal knows where to go on."""
        await self.worker.stop()

    def _note(self, where: tuple[ServerId, HostName], span: Span) -> None:
        """Of what is under way there now; orders that wait, or come again, have no part in it."""
        if (job := self.worker.doing(where)) is not None:
            self.recorder.note(job.key, span)

    def _is_over(self, order: Placed, key: str) -> bool:
        if isinstance(order, AttachVolume) and self._has_ended(order.new_volume):
            return True
        return self.journal.is_over(key, _removal(order))

    def _has_ended(self, link: VolumeLink) -> bool:
        return self.journal.is_over(_ended(link))

    def _last_word(self, job: Job, outcome: Outcome[Any]) -> Report | None:
        """What the steps kept, or why they failed."""
        if (link := ended_attachment(job.order, outcome)) is not None:
            self.journal.drop(_ended(link))
        kept = self.hands.last_word((job.order.server_id, job.order.host))
        if outcome.done:
            return kept
        return _not_built(job.order, outcome) if job.saga is CARRY_OUT else _not_done(job.order, outcome)


def _job(saga: Saga[Any, Any, Any], key: str, order: Any) -> Job:
    return Job(saga, key, order, (order.server_id, order.host), again=saga is REMOVE)


def _key(order: Placed | Removal, saga: Saga[Any, Any, Any]) -> str:
    """One saga's name in the journal."""
    which = f"/{order.task_id}" if isinstance(order, Placed) and order.task_id else ""
    return f"{order.server_id}/{order.attempt}/{saga.name}{which}"


def _removal(order: Placed) -> str:
    """Under which the journal remembers that the server is taken away: nothing that was asked of it is begun after that."""
    return f"{order.server_id}/{order.attempt}/{REMOVE.name}"


def _ended(link: VolumeLink) -> str:
    """Under which the journal remembers that this attachment is over: an order that comes late must not begin it anew."""
    return f"{link.attachment_id}/ended"


def _not_built(order: Placed, outcome: Outcome[Any]) -> ServerNotBuilt:
    return ServerNotBuilt(
        server_id=order.server_id,
        host=order.host,
        attempt=order.attempt,
        at=time.time(),
        failed_step=outcome.failed_step or "",
        reason=outcome.reason,
        final=outcome.final,
        left=outcome.left,
    )


def _not_done(order: Placed, outcome: Outcome[Any]) -> TaskFailed:
    return TaskFailed(
        server_id=order.server_id,
        host=order.host,
        attempt=order.attempt,
        at=time.time(),
        task_id=order.task_id,
        failed_step=outcome.failed_step or "",
        reason=outcome.reason,
        left=outcome.left,
    )
