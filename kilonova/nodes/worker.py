"""Sagas under way on one node, at most one at a time for each thing: begun, taken up again after a crash, finished with a word.

What a node is for (its queue, its drivers) it says itself; here is what compute and volume nodes have in common.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kilonova.saga import Entry, Journal, Outcome, Saga, StopBuilding, run
from kilonova.trace.recorder import Recorder, Together

log = logging.getLogger(__name__)

AGAIN_S = 2.0


@dataclass(frozen=True)
class Job:
    """One saga of one thing. `again`: one that fails is begun anew, until it works."""

    saga: Saga[Any, Any, Any]
    key: str
    order: Any
    where: Hashable
    """What it works on: one job at a time."""
    again: bool = False


@dataclass
class _Work:
    job: Job
    task: asyncio.Task[None]


@dataclass
class Worker:
    """`begin` and `take_up` start a job's task; `last_word` gives, once, what the node has to say at a job's end."""

    world: Any
    journal: Journal
    recorder: Recorder
    watch: Together
    last_word: Callable[[Job, Outcome[Any]], Any | None]
    """The report of a job that is over, without its spans; None: there is nothing to say."""
    reported: Callable[[], None]
    """Called when the journal has a new last word."""
    _working: dict[Hashable, _Work] = field(default_factory=dict)
    _ending: set[Hashable] = field(default_factory=set)
    _waiting: dict[Hashable, list[Job]] = field(default_factory=dict)
    """Jobs that wait for their place; what clears the place forgets them."""

    def doing(self, where: Hashable) -> Job | None:
        work = self._working.get(where)
        return None if work is None else work.job

    def places(self) -> tuple[Hashable, ...]:
        return tuple(self._working)

    def begin(self, job: Job, queued: float) -> None:
        """A new job; the journal has it when this returns."""
        self._run(job, self.journal.begin(job.key, job.saga, job.order), queued)

    async def begin_when_free(self, job: Job, queued: float, end: str) -> None:
        """After what is under way there; nothing happens when the same came before, the place is being cleared, or `end` is over.

        `end`: a key of the journal, of what leaves nothing to do here. It may be the very thing that this waits for: a deletion.
        """
        waiting = self._waiting.setdefault(job.where, [])
        waiting.append(job)
        while (work := self._working.get(job.where)) is not None:
            if work.job.key == job.key:
                break
            await asyncio.wait([work.task])
            await asyncio.sleep(0)
        still_wanted = self._waiting.get(job.where) is waiting
        waiting.remove(job)
        if still_wanted and not waiting:
            del self._waiting[job.where]
        if work is None and still_wanted and job.where not in self._ending and not self.journal.is_over(job.key, end):
            self.begin(job, queued)

    async def stop_what_goes_on(self, where: Hashable) -> None:
        """What is under way there is stopped and undone; what waits for the place, or comes until `cleared`, never begins."""
        self._ending.add(where)
        self._waiting.pop(where, None)
        while (work := self._working.get(where)) is not None:
            work.task.cancel(StopBuilding.__name__)
            await asyncio.wait([work.task])
            self.journal.drop(work.job.key)

    def cleared(self, where: Hashable) -> None:
        self._ending.discard(where)

    def is_ending(self, where: Hashable) -> bool:
        return where in self._ending

    def take_up(self, sagas: Mapping[str, Saga[Any, Any, Any]], job_of: Callable[[Saga[Any, Any, Any], str, Any], Job]) -> int:
        """Go on, or back, with what was under way when the last process ended; the number of sagas."""
        entries = self.journal.entries()
        for entry in entries:
            saga = sagas[entry.saga]
            record = msgspec.msgpack.decode(entry.record, type=saga.record_class(entry.step))
            job = job_of(saga, entry.key, record)
            if job.where in self._working:
                self._after(job, entry)
            else:
                self._run(job, entry, 0.0)
        return len(entries)

    async def stop(self) -> None:
        """Leave everything as it stands; the journal knows where to go on."""
        tasks = [work.task for work in self._working.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=10)

    def _run(self, job: Job, entry: Entry, queued: float) -> None:
        self.recorder.taken(job.key, queued, entry.notes)
        task = asyncio.create_task(self._work(job, entry), name=job.key)
        self._working[job.where] = _Work(job, task)
        task.add_done_callback(lambda done: self._over(job, done))

    def _after(self, job: Job, entry: Entry) -> None:
        """Two jobs of one place at a restart: one after the other."""

        def go_on(done: asyncio.Task[None]) -> None:
            if not done.cancelled():
                self._run(job, entry, 0.0)

        self._working[job.where].task.add_done_callback(go_on)

    def _over(self, job: Job, task: asyncio.Task[None]) -> None:
        if (work := self._working.get(job.where)) is not None and work.task is task:
            del self._working[job.where]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a saga ended badly", exc_info=error, extra={"action": "saga_lost", "key": task.get_name()})

    async def _work(self, job: Job, entry: Entry) -> None:
        limit = float("inf") if job.again else job.order.deadline
        outcome = await run(job.saga, entry, self.world, self.journal, self.watch, deadline=limit)
        while job.again and not outcome.done:
            log.warning("%s: %s", job.saga.name, outcome.reason, extra={"action": f"{job.saga.name}_again", "key": entry.key})
            await asyncio.sleep(AGAIN_S)
            anew = Entry(entry.key, job.saga.name, "forward", 0, msgspec.msgpack.encode(outcome.record), "", b"")
            outcome = await run(job.saga, anew, self.world, self.journal, self.watch)
        self._finish(job, outcome)

    def _finish(self, job: Job, outcome: Outcome[Any]) -> None:
        """The last word, with every span, goes into the journal as the saga goes out of it."""
        word = self.last_word(job, outcome)
        if word is not None:
            word = msgspec.structs.replace(word, spans=self.recorder.spans(job.key))
        self.journal.finish(job.key, None if word is None else (job.key, msgspec.msgpack.encode(word)))
        self.recorder.forget(job.key)
        self.reported()
