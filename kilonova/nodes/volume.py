"""A volume node: carries out work on volumes, one saga at a time for each, and serves volumes to servers.

Work is acknowledged once the journal has it; what is served is remembered where the volumes are.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from kilonova.build.export import ExportGiven, ExportNotWanted, ExportWanted, end_service, serve_volume
from kilonova.bus.port import Bus, Delivery, Handlers
from kilonova.lifecycle.volume_needs import VolumeStore
from kilonova.lifecycle.volume_sagas import WORKS
from kilonova.lifecycle.volume_work import VolumeOrder, VolumeReports, VolumeWorkDone
from kilonova.model.ids import NodeName
from kilonova.nodes.attempts import Attempts
from kilonova.nodes.reporter import Reporter
from kilonova.nodes.worker import Job, Worker
from kilonova.saga import Journal, Outcome, Saga
from kilonova.saga.faults import Faults
from kilonova.trace.recorder import Recorder, Together

_SAGAS = {saga.name: saga for saga in WORKS.values()}
_FAILED_KEPT = 1000


class VolumeReporter(Reporter):
    """Last words on volumes; there are no hints."""

    def _batch(self, bodies: list[bytes]) -> Struct | None:
        words = tuple(msgspec.msgpack.decode(body, type=VolumeWorkDone) for body in bodies)
        return VolumeReports(node=self._node, reports=words) if words else None


@dataclass
class VolumeNode:
    """A VolumeNodeWorld: its `store` is what the steps act on."""

    name: NodeName
    store: VolumeStore
    bus: Bus
    journal: Journal
    recorder: Recorder
    watch: Together
    faults: Faults
    wishes: Attempts = field(default_factory=Attempts)
    """By attachment: the number of the newest wish that it be served, and that it be not."""

    def __post_init__(self) -> None:
        self.reporter = VolumeReporter(self.name, self.bus, self.journal)
        self.worker = Worker(self, self.journal, self.recorder, self.watch, self._last_word, self.reporter.wake)
        self._failed: dict[str, str] = {}
        """Volumes that were not made, with the reason, newest last: who waits for one is told."""

    def handlers(self) -> Handlers:
        """Who handles what out of the node's queue."""
        return {VolumeOrder: self.take_order, ExportWanted: self.take_wanted, ExportNotWanted: self.take_not_wanted}

    async def take_order(self, order: VolumeOrder, delivery: Delivery) -> None:
        """Work on a volume: after whatever else goes on for it. A deletion ends that first."""
        job = _job(WORKS[order.work], f"{order.volume_id}/{order.work}/{order.work_id}", order)
        over = (job.key,) if order.work == "delete" else (job.key, _gone(order))
        if order.node != self.name or time.time() > order.deadline or self.journal.is_over(*over):
            return  # somebody else's, or control has ended it, or it came twice, or after the volume's deletion
        if order.work != "delete":
            await self.worker.begin_when_free(job, delivery.queue_wait_s, _gone(order))
        elif (doing := self.worker.doing(job.where)) is None or doing.key != job.key:
            await self.worker.stop_what_goes_on(job.where)
            self.worker.begin(job, delivery.queue_wait_s)
            self.worker.cleared(job.where)

    async def take_wanted(self, wanted: ExportWanted, delivery: Delivery) -> None:
        """Served, or not yet: its making may lie behind this in the queue, or be under way."""
        began = time.perf_counter()
        await self.faults.at("volume.serve_volume.before")
        given = await self._serve(wanted)
        await self.faults.at("volume.serve_volume.after")
        await delivery.answer(msgspec.structs.replace(given, queued=delivery.queue_wait_s, work=time.perf_counter() - began))

    async def take_not_wanted(self, message: ExportNotWanted, delivery: Delivery) -> None:
        await self.faults.at("volume.end_service.before")
        given = await self._end(message)
        await self.faults.at("volume.end_service.after")
        await delivery.answer(given)

    def working_on(self) -> tuple[str, ...]:
        return tuple(str(where) for where in self.worker.places())

    def resume(self) -> int:
        """Go on, or back, with what was under way when the last process ended; the number of sagas."""
        return self.worker.take_up(_SAGAS, _job)

    async def stop(self) -> None:
        """Leave everything as it stands; the journal knows where to go on."""
        await self.worker.stop()

    async def _end(self, message: ExportNotWanted) -> ExportGiven:
        if message.number < self.wishes.wanted(message.attachment_id):
            return ExportGiven()  # it came late: the attachment is wanted again
        self.wishes.note_over(message.attachment_id, message.number)
        return await end_service(message, self.store)

    async def _serve(self, wanted: ExportWanted) -> ExportGiven:
        if wanted.number < self.wishes.over(wanted.attachment_id):
            return ExportGiven(refused="Nobody waits for this volume any more.")
        self.wishes.note_wanted(wanted.attachment_id, wanted.number)
        if self.journal.is_under_way(_making(wanted.volume_id)):
            return ExportGiven(not_yet=True)  # whole as it may be, its making can still fail, and take it away
        if await self.store.has(wanted.volume_id):
            self.journal.settle()  # without power its making must not begin again
            return await serve_volume(wanted, self.store)
        if (reason := self._failed.get(wanted.volume_id)) is not None:
            return ExportGiven(refused=f"The volume could not be made: {reason}")
        return ExportGiven(not_yet=True)

    def _last_word(self, job: Job, outcome: Outcome[Any]) -> VolumeWorkDone:
        order: VolumeOrder = job.order
        if order.work == "delete" and outcome.done:
            self.journal.drop(_gone(order))
        if order.work == "create" and not outcome.done:
            self._failed[order.volume_id] = outcome.reason
            if len(self._failed) > _FAILED_KEPT:
                del self._failed[next(iter(self._failed))]
        return VolumeWorkDone(
            work_id=order.work_id,
            work=order.work,
            volume_id=order.volume_id,
            node=self.name,
            at=time.time(),
            failed="" if outcome.done else outcome.reason or "It was not done.",
            failed_step=outcome.failed_step or "",
        )


def _job(saga: Saga[Any, Any, Any], key: str, order: VolumeOrder) -> Job:
    return Job(saga, key, order, order.volume_id)


def _making(volume_id: str) -> str:
    """What the key of its making begins with, in the journal."""
    return f"{volume_id}/create/"


def _gone(order: VolumeOrder) -> str:
    """Under which the journal remembers that there will be no such volume any more."""
    return f"{order.volume_id}/gone"
