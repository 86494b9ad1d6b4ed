"""One life of a role: everything it does can be cut off for ever, or stopped for a while, between any two awaits.

A task belongs to the process whose context it was started in. In a loop with `gated` as its task factory it passes a gate at each
resumption; in any other loop a process is only a name.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any

from kilonova.sim.virtual import SKEW_S

NEVER = 1 << 62


class Process:
    """`on_strike` is called when it has been resumed `strike_at` times, right before it would be once more."""

    def __init__(self, name: str, skew_s: float = 0.0) -> None:
        self.name = name
        self.dead = self.frozen = False
        self.resumed = 0
        self.strike_at = NEVER
        self.on_strike: Callable[[Process], None] = _nothing
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)
        self.context.run(SKEW_S.set, skew_s)
        self._waiting: list[asyncio.Future[None]] = []
        self._callers: list[asyncio.Future[Any]] = []
        self._graves: list[Coroutine[Any, Any, Any]] = []

    def freeze(self) -> None:
        """Nothing of it goes on until `thaw`."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def kill(self) -> None:
        """Nothing of it ever goes on. Who has called it from outside loses the connection."""
        self.dead = True
        self.thaw()
        callers, self._callers = self._callers, []
        for future in callers:
            if not future.done():
                future.set_exception(ConnectionResetError("The connection was lost."))

    async def serve(self, work: Coroutine[Any, Any, Any], within_s: float) -> Any:
        """Have it do something for somebody outside. Raises ConnectionError when it is dead or dies, TimeoutError."""
        if self.dead:
            work.close()
            raise ConnectionRefusedError("Nobody listens.")
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._callers.append(heard)
        task = asyncio.get_running_loop().create_task(work, context=self.context.copy())
        task.add_done_callback(lambda done: _tell(done, heard))
        try:
            async with asyncio.timeout(within_s):
                return await heard
        finally:
            if heard in self._callers:
                self._callers.remove(heard)

    def bury(self) -> None:
        """At the very end: what was never to go on is closed, whatever it says to that."""
        for coroutine in self._graves:
            try:
                coroutine.close()
            except BaseException:  # noqa: BLE001 - the last words of the dead are heard by nobody
                pass
        self._graves.clear()

    def wait_here(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Future[None]":
        """What a task gets instead of being resumed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future._asyncio_future_blocking = True
        if self.dead:
            self._graves.append(coroutine)
        else:
            self._waiting.append(future)
        return future

    def keep(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """It must not even be collected, for then it would tidy up."""
        self._graves.append(coroutine)


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class Gate(Coroutine[Any, Any, Any]):
    """A task's coroutine behind its process's gate."""

    __slots__ = ("_coroutine", "_error", "_process")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], process: Process) -> None:
        self._coroutine, self._process = coroutine, process
        self._error: BaseException | None = None

    def send(self, value: Any) -> Any:
        process = self._process
        process.resumed += 1
        if process.resumed >= process.strike_at:
            process.strike_at = NEVER
            process.on_strike(process)
        if process.dead or process.frozen:
            return process.wait_here(self._coroutine)
        if self._error is not None:
            error, self._error = self._error, None
            return self._coroutine.throw(error)
        return self._coroutine.send(value)

    def throw(self, error: Any, value: Any = None, trace: Any = None) -> Any:
        process = self._process
        process.resumed += 1
        if process.dead:
            process.keep(self._coroutine)
            raise error
        if process.frozen:
            self._error = error
            return process.wait_here(self._coroutine)
        return self._coroutine.throw(error)

    def close(self) -> None:
        if self._process.dead:
            self._process.keep(self._coroutine)
        else:
            self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("only a task goes through a gate")


def gated(loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None) -> "asyncio.Task[Any]":
    """A task factory."""
    process = PROCESS.get() if context is None else context.get(PROCESS)
    return asyncio.Task(coroutine if process is None else Gate(coroutine, process), loop=loop, context=context)


def _tell(done: "asyncio.Task[Any]", heard: "asyncio.Future[Any]") -> None:
    if done.cancelled() or heard.done():
        if not heard.done():
            heard.set_exception(ConnectionResetError("The connection was lost."))
        return
    error = done.exception()
    if error is not None:
        heard.set_exception(error)
    else:
        heard.set_result(done.result())


def _nothing(process: Process) -> None:
    """Nobody strikes."""
