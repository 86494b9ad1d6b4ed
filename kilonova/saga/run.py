"""Carries a saga out: forward, and when a step fails, back. The only place that catches whatever a step raises.

A step that raises has left nothing behind; so what is undone are the finished steps, last first, and before them one that is
`unsure`, and whatever may have been done `by_others`. After a crash the step that was under way is done again (going forward),
and is unsure then, as its first time may have left something; or it is undone too (going back): both are safe because steps are
repeatable.
"""

import asyncio
import logging
import math
import time
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from kilonova.errors import BuildFailed, KilonovaError
from kilonova.saga.journal import Entry, Journal
from kilonova.saga.saga import Saga, Step

log = logging.getLogger(__name__)
Now = TypeVar("Now")

UNDO_TRIES = 6
UNDO_TIME_LIMIT_S = 60.0


class StopBuilding(BuildFailed):
    """The server is being deleted, so its build was stopped."""


class Watch(Protocol):
    """Sees every hop: traces and faults on demand hang here. `before` and `after` may raise, which fails the step."""

    async def before(self, key: str, step: str, record: Any) -> None: ...

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None: ...

    async def undone(self, key: str, step: str, error: BaseException | None) -> None: ...

    def notes(self, key: str) -> bytes:
        """What the journal should keep with this saga, so that a restarted process can go on telling its story."""
        ...


@dataclass(frozen=True)
class Outcome(Generic[Now]):
    """`record` as far as it came; `failed_step` None when all steps are done; `left` names steps whose undo did not work."""

    record: Any
    failed_step: str | None = None
    reason: str = ""
    final: bool = False
    """True when another host would not help: the server is being deleted, or its request is at fault."""
    left: tuple[str, ...] = ()

    @property
    def done(self) -> bool:
        return self.failed_step is None


async def run(
    saga: Saga[Any, Any, Now], entry: Entry, world: Any, journal: Journal, watch: Watch, *, deadline: float = math.inf
) -> Outcome[Now]:
    """From wherever the journal says it stands to its end. The journal's line stays until the caller has kept the report.

    `deadline` (Unix time) bounds going forward; going back has time limits of its own.
    """
    record = msgspec.msgpack.decode(entry.record, type=saga.record_class(min(entry.step, len(saga.steps))))
    if entry.direction == "back":
        # The step under way at the crash may have half happened: its undo comes first.
        return await _go_back(saga, entry.key, record, world, (journal, watch), entry.step + 1, "", entry.reason, False)
    for number in range(entry.step, len(saga.steps)):
        step, finished = saga.steps[number], number
        try:
            record = await _do(step, entry.key, record, world, watch, deadline)
            finished = number + 1
            await watch.after(entry.key, step.name, record, None)
        except asyncio.CancelledError as stop:
            if stop.args != (StopBuilding.__name__,):
                raise  # the process ends; the journal knows where to go on
            error: BaseException = StopBuilding()
        except Exception as failure:
            error = failure
        else:
            if number + 1 < len(saga.steps):  # the last step is done again after a crash: its report was only in memory
                journal.advance(entry.key, number + 1, record, watch.notes(entry.key))
            continue
        reason, final = _reason(error, step)
        journal.turn_back(entry.key, number, reason, watch.notes(entry.key))
        unsure = step.unsure or (entry.taken_up and number == entry.step)
        standing = number + 1 if unsure else finished
        return await _go_back(saga, entry.key, record, world, (journal, watch), standing, step.name, reason, final)
    return Outcome(record)


async def _do(step: Step, key: str, record: Any, world: Any, watch: Watch, deadline: float) -> Any:
    try:
        async with asyncio.timeout(max(0.0, deadline - time.time()) if deadline < math.inf else None):
            await watch.before(key, step.name, record)
            return await step.do(record, world)
    except BaseException as error:
        await watch.after(key, step.name, record, error)
        raise


async def _go_back(  # noqa: PLR0913 - everything an unwinding needs, handed on once
    saga: Saga[Any, Any, Now],
    key: str,
    record: Any,
    world: Any,
    keepers: tuple[Journal, Watch],
    standing: int,
    failed: str,
    reason: str,
    final: bool,
) -> Outcome[Now]:
    """The first `standing` steps are undone, last first; before them those after them that may have been done `by_others`."""
    journal, watch = keepers
    left: list[str] = []
    for number in range(len(saga.steps) - 1, -1, -1):
        step, stands = saga.steps[number], number < standing
        if step.undo is not None and (stands or step.by_others) and not await _undo(step, key, record, world, watch):
            left.append(step.name)
        if stands:
            journal.turn_back(key, max(number - 1, 0), reason, watch.notes(key))
    return Outcome(record, failed or "resumed", reason, final, tuple(left))


async def _undo(step: Step, key: str, record: Any, world: Any, watch: Watch) -> bool:
    """True when it is undone. Tried again a few times: what is in the way is often only busy."""
    assert step.undo is not None
    for attempt in range(UNDO_TRIES):
        try:
            async with asyncio.timeout(UNDO_TIME_LIMIT_S):
                await step.undo(record, world)
        except Exception as error:
            log.warning("undo of %s failed: %s", step.name, error, extra={"action": "undo_failed", "key": key})
            await watch.undone(key, step.name, error)
            await asyncio.sleep(min(0.1 * 2**attempt, 5.0))
        else:
            await watch.undone(key, step.name, None)
            return True
    return False


def _reason(error: BaseException, step: Step) -> tuple[str, bool]:
    """What the owner may read, and whether trying elsewhere is pointless."""
    if isinstance(error, StopBuilding):
        return str(error), True
    if isinstance(error, TimeoutError):
        return f"{step.name.replace('_', ' ')}: it took longer than allowed.", False
    if isinstance(error, KilonovaError):
        return str(error), False
    log.error("step %s failed", step.name, exc_info=error, extra={"action": "step_failed"})
    return f"An unexpected error in step '{step.name.replace('_', ' ')}'.", False
