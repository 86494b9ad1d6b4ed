"""A compute node: takes orders out of its hosts' queues and carries them out, one saga at a time for each server.

An order is acknowledged once the journal has it; from there on the journal, not the broker, remembers it.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kilonova.build import CARRY_OUT
from kilonova.build.record import Placed
from kilonova.build.report import ServerNotBuilt
from kilonova.bus.port import Bus, Delivery, Handlers
from kilonova.lifecycle.remove import REMOVE, Removal
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.nodes.hands import ComputeHands, HostHands
from kilonova.nodes.reporter import Reporter
from kilonova.saga import Entry, Journal, Outcome, Saga, StopBuilding, run
from kilonova.trace.recorder import Recorder, Together

log = logging.getLogger(__name__)

REMOVE_AGAIN_S = 2.0
SAGAS: Mapping[str, Saga[Any, Any, Any]] = {CARRY_OUT.name: CARRY_OUT, REMOVE.name: REMOVE}


@dataclass
class _Work:
    """What is being done for one server."""

    saga: str
    attempt: int
    task: asyncio.Task[None]
    stopping: bool = False


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
    _working: dict[tuple[ServerId, HostName], _Work] = field(default_factory=dict)
    """Two hosts of one node may have to do with one server: one takes back what failed there, the next one builds."""

    def __post_init__(self) -> None:
        self.reporter = Reporter(self.name, self.bus, self.journal)
        self.hands = ComputeHands(self.name, self.hosts, self.bus, self.reporter, self.recorder, self.network_limit_s)

    def handlers(self) -> Handlers:
        """Who handles what out of a host's queue."""
        return {Placed: self.take_build, Removal: self.take_removal}

    async def take_build(self, order: Placed, delivery: Delivery) -> None:
        """Step 6 begins: the order is in the journal, and its saga goes on by itself."""
        working = self._working.get((order.server_id, order.host))
        if order.host not in self.hosts or working is not None or self._is_over(order):
            return  # somebody else's, or it came twice
        if time.time() > order.deadline:
            return  # control has ended it
        self._start(CARRY_OUT, order, delivery.queue_wait_s)

    async def take_removal(self, order: Removal, delivery: Delivery) -> None:
        """Whatever is going on for this server is stopped and undone first."""
        if order.host not in self.hosts:
            return
        working = self._working.get((order.server_id, order.host))
        if working is not None and (working.saga == REMOVE.name or working.stopping):
            return
        if working is not None:
            working.stopping = True
            working.task.cancel(StopBuilding.__name__)
            await asyncio.wait([working.task])
            self.journal.drop(f"{order.server_id}/{working.attempt}/build")
        self._start(REMOVE, order, delivery.queue_wait_s)

    def remove_leftover(self, server_id: ServerId, host: HostName, attempt: int) -> None:
        """Control says that this is nobody's any more."""
        if (server_id, host) not in self._working:
            order = Removal(
                server_id=server_id, host=host, node=self.name, network_node=NodeName(""), attempt=attempt, reason="leftover"
            )
            self._start(REMOVE, order, 0.0)

    def working_on(self) -> tuple[ServerId, ...]:
        return tuple({server_id: None for server_id, _ in self._working})

    def resume(self) -> int:
        """Go on, or back, with what was under way when the last process ended; the number of sagas."""
        entries = self.journal.entries()
        for entry in entries:
            saga = SAGAS[entry.saga]
            record = msgspec.msgpack.decode(entry.record, type=saga.record_class(entry.step))
            self._begin(saga, entry, record, 0.0)
        return len(entries)

    async def stop(self) -> None:
        """Leave everything as it stands; the journal knows where to go on."""
        tasks = [work.task for work in self._working.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    def _start(self, saga: Saga[Any, Any, Any], order: Any, queued: float) -> None:
        self._begin(saga, self.journal.begin(_key(order), saga, order), order, queued)

    def _begin(self, saga: Saga[Any, Any, Any], entry: Entry, order: Any, queued: float) -> None:
        self.recorder.taken(entry.key, queued, entry.notes)
        work = self._build(entry, order) if saga is CARRY_OUT else self._remove(entry)
        task = asyncio.create_task(work, name=entry.key)
        where = (order.server_id, order.host)
        self._working[where] = _Work(saga.name, order.attempt, task)
        task.add_done_callback(lambda done: self._over(where, done))

    def _over(self, where: tuple[ServerId, HostName], task: asyncio.Task[None]) -> None:
        self._working.pop(where, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a saga ended badly", exc_info=error, extra={"action": "saga_lost", "key": task.get_name()})

    async def _build(self, entry: Entry, order: Placed) -> None:
        self.hands.begin(order.server_id, entry.key)
        outcome = await run(CARRY_OUT, entry, self.hands, self.journal, self.watch, deadline=order.deadline)
        if not outcome.done:
            self.hands.keep(_not_built(order, outcome))
        self._finish(entry.key, (order.server_id, order.host))
        self.hands.over(order.server_id, entry.key)

    async def _remove(self, entry: Entry) -> None:
        """Until it is done: whoever owned the server has let go of it."""
        while True:
            outcome = await run(REMOVE, entry, self.hands, self.journal, self.watch)
            if outcome.done:
                break
            log.warning("removal: %s", outcome.reason, extra={"action": "remove_again", "key": entry.key})
            await asyncio.sleep(REMOVE_AGAIN_S)
            entry = Entry(entry.key, REMOVE.name, "forward", 0, msgspec.msgpack.encode(outcome.record), "", b"")
        self._finish(entry.key, (outcome.record.server_id, outcome.record.host))

    def _is_over(self, order: Placed) -> bool:
        return self.journal.is_over(_key(order), f"{order.server_id}/{order.attempt}/remove")

    def _finish(self, key: str, where: tuple[ServerId, HostName]) -> None:
        """The last word, with every span, goes into the journal as the saga goes out of it."""
        word = self.hands.last_word(where)
        if word is not None:
            word = msgspec.structs.replace(word, spans=self.recorder.spans(key))
        self.journal.finish(key, None if word is None else (key, msgspec.msgpack.encode(word)))
        self.recorder.forget(key)
        self.reporter.wake()


def _key(order: Placed | Removal) -> str:
    """One saga's name in the journal."""
    return f"{order.server_id}/{order.attempt}/{'build' if isinstance(order, Placed) else 'remove'}"


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
