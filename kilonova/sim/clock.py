"""An event loop that does not wait: when everybody sleeps, its clock jumps to the moment the first one wakes.

Pauses, time limits and repeats cost nothing in it and still come in their order. It moves only the loop's own clock, not
`time.time()`. Work in threads is waited for, as long as the loop knows of it: `run_in_executor`, and what says `busy`.
"""

import asyncio
import selectors
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

from kilonova.ledger.ledger import Change, SqliteLedger

Result = TypeVar("Result")


class _Selector(selectors.BaseSelector):
    """Asks the real one, and lets time pass instead of waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.busy = 0
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout is None or timeout <= 0 or self.busy:
            return ready or self._real.select(timeout)
        self.skipped += timeout
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class SkippingLoop(asyncio.SelectorEventLoop):
    """`skipped`: seconds that nobody had to wait for."""

    def __init__(self) -> None:
        self._lazy = _Selector()
        super().__init__(self._lazy)

    @property
    def skipped(self) -> float:
        return self._lazy.skipped

    def time(self) -> float:
        return super().time() + self._lazy.skipped

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A thread works for somebody here: time passes as it really does."""
        self._lazy.busy += 1
        try:
            yield
        finally:
            self._lazy.busy -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Result], *args: Any
    ) -> "asyncio.Future[Result]":
        future: asyncio.Future[Result] = super().run_in_executor(executor, func, *args)
        self._lazy.busy += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: "asyncio.Future[Any]") -> None:
        self._lazy.busy -= 1


class PatientLedger(SqliteLedger):
    """The ledger, for either kind of loop: while its thread writes, time does not jump."""

    async def write(self, change: Change[Result]) -> Result:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, SkippingLoop):
            return await super().write(change)
        with loop.busy():
            return await super().write(change)
