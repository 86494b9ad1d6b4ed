"""A loop whose time is only a number, and the world's clocks and chances in terms of it and of one seed.

Nothing in it waits, listens or has threads: who sleeps is woken when the moment has come, in the same order each time.
"""

import asyncio
import heapq
import os
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from itertools import count
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


class _Call(asyncio.TimerHandle):
    """What is to be called, and when; lighter than its kind, of which every turn makes some."""

    __slots__ = ()

    def __init__(self, when: float, callback: Callable[..., object], args: Sequence[Any], context: Context | None) -> None:
        self._when, self._callback, self._args = when, callback, args
        self._context = copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True
        self._callback, self._args = _nothing, ()


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` begins at `begins_s`. After `most_turns` turns RunsWild is raised, so that no simulation goes on for ever."""

    def __init__(self, begins_s: float = 0.0, most_turns: int = 50_000_000) -> None:
        super().__init__()
        self.turns, self._most_turns = 0, most_turns
        self._now = begins_s
        self._stopping: bool
        self._closed: bool
        self._ready: deque[asyncio.Handle]
        self._timers: list[tuple[float, int, _Call]] = []
        self._numbers = count()

    def time(self) -> float:
        return self._now

    def more_turns(self, turns: int) -> None:
        """So many from now on."""
        self._most_turns = self.turns + turns

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        call = _Call(0.0, callback, args, context)
        self._ready.append(call)
        return call

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Of those for one moment, who came first is called first."""
        if self._closed:
            raise RuntimeError("Event loop is closed")
        call = _Call(when, callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), call))
        return call

    def _run_once(self) -> None:
        """One turn: what is ready, and the timers whose moment has come; if there is nothing else, the next one's comes now."""
        timers, ready = self._timers, self._ready
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        self._pass_time(timers[0][0] if timers else None)
        end = self._now + TICK_S
        while timers and timers[0][0] < end:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            call = ready.popleft()
            if not call._cancelled:
                self._call(call)

    def _call(self, call: Any) -> None:
        try:
            call._context.run(call._callback, *call._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as every loop does: the others go on
            self.call_exception_handler({"message": "A callback failed.", "exception": error})

    def _pass_time(self, next_at: float | None) -> None:
        """Raises RunsWild when nothing is left to wait for."""
        self.turns += 1
        rests = not self._ready and not self._stopping
        if self.turns > self._most_turns or (rests and next_at is None):
            raise RunsWild("everybody waits for something that never comes" if rests else "it does not come to an end")
        self._now += TICK_S
        if rests and next_at is not None and next_at > self._now:
            self._now = next_at

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

    def _write_to_self(self) -> None:
        """There are no other threads that would have to wake it."""


def _nothing() -> None:
    """What a call that was cancelled does."""


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
