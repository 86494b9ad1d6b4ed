"""A loop whose time is only a number, and the world's clocks and chances in terms of it and of one seed.

Nothing in it waits, listens or has threads: who sleeps is woken when the moment has come, in the same order each time.
"""

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, TypeVar

from sqlalchemy.sql import selectable

Result = TypeVar("Result")

EPOCH = 1_800_000_000.0
"""Unix time at the beginning of every simulation."""
TICK_S = 1e-5
"""What one turn of the loop takes."""
SKEW_S: ContextVar[float] = ContextVar("SKEW_S", default=0.0)
"""How far the clock of whoever asks is ahead."""


class RunsWild(RuntimeError):
    """The loop turns and turns, and nobody comes to an end."""


class _Timers:
    """Stands where a loop asks the kernel what has happened: nothing ever has, but the next timer's moment comes."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        self._loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` begins at `begins_s`. After `most_turns` turns RunsWild is raised, so that no simulation goes on for ever."""

    def __init__(self, begins_s: float = 0.0, most_turns: int = 50_000_000) -> None:
        super().__init__()
        self.turns, self._most_turns = 0, most_turns
        self._now = begins_s
        self._scheduled: list[asyncio.TimerHandle]
        self._stopping: bool
        self._clock_resolution = TICK_S
        self._selector = _Timers(self)

    def time(self) -> float:
        return self._now

    def more_turns(self, turns: int) -> None:
        """So many from now on."""
        self._most_turns = self.turns + turns

    def pass_time(self, timeout: float | None) -> None:
        """One turn: to the next timer, if nothing else is to be done. Raises RunsWild when nothing is left to wait for."""
        self.turns += 1
        if self.turns > self._most_turns or (timeout is None and not self._stopping):
            raise RunsWild("everybody waits for something that never comes" if timeout is None else "it does not come to an end")
        self._now += TICK_S
        if timeout:
            self._now = max(self._now, self._scheduled[0].when())

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Result], *args: Any
    ) -> "asyncio.Future[Result]":
        """Done here and at once; who waits hears of it in the next turn."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            self.call_soon(_settle, future, func(*args), None)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to who waits
            self.call_soon(_settle, future, None, error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There are no other threads that would have to wake it."""


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


@contextmanager
def made_up(loop: VirtualLoop, chance: random.Random) -> Iterator[None]:
    """For all of this process, time is the loop's (with `SKEW_S` on the wall clock), and ids and secrets come from `chance`."""

    def wall() -> float:
        return EPOCH + loop.time() + SKEW_S.get()

    def some_bytes(size: int) -> bytes:
        return chance.randbytes(size)

    def some_uuid() -> uuid.UUID:
        return uuid.UUID(int=chance.getrandbits(128), version=4)

    instead: list[tuple[Any, str, Any]] = [
        (time, "time", wall),
        (time, "monotonic", loop.time),
        (time, "perf_counter", loop.time),
        (os, "urandom", some_bytes),
        (random, "_urandom", some_bytes),  # what `secrets` draws from
        (uuid, "uuid4", some_uuid),
        # Names of subqueries, made up only when a statement is new to the process: what follows must not depend on that.
        (selectable, "os", SimpleNamespace(urandom=os.urandom)),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in instead]
    state = random.getstate()
    random.seed(chance.getrandbits(64))
    try:
        for module, name, other in instead:
            setattr(module, name, other)
        yield
    finally:
        for module, name, real in before:
            setattr(module, name, real)
        random.setstate(state)
