"""A process held by its pidfd, so that no signal ever goes to another process that got the same number.

It does not start processes. It works for children of this process and for those an earlier one left.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

IsIt = Callable[[list[bytes]], bool]
"""Tells by a command line whether it is the process that is meant."""


class Process:
    """One process, watched until it ends. Make it inside a running event loop."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.ended = asyncio.Event()
        self.code: int | None = None
        """How a child of ours ended, as a shell counts it; negative for a signal."""
        self._pidfd = pidfd
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pidfd, self._on_end)

    def kill(self) -> None:
        """SIGKILL; nothing happens when it has ended already."""
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass

    async def wait(self, timeout_s: float) -> bool:
        """Wait for its end; False when it still runs after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.ended.wait()
        except TimeoutError:
            return False
        return True

    def let_go(self) -> None:
        """Stop watching; the process goes on."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _on_end(self) -> None:
        try:
            end = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
            if end is not None:
                self.code = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
        except ChildProcessError:
            pass  # an earlier process of this role started it, so it is not ours to bury
        self.let_go()
        self.ended.set()


def hold(pid: int) -> Process:
    """A child of ours, dead or alive, as long as it was not waited for."""
    return Process(pid, os.pidfd_open(pid))


def open_again(pid: int, ticks: int, is_it: IsIt) -> Process | None:
    """The process written down as `pid`, if it is still that one: same start time, and the words of its command line fit."""
    try:
        pidfd = os.pidfd_open(pid)  # first held, then looked at: what we look at cannot be exchanged any more
    except (ProcessLookupError, ValueError):
        return None
    if ticks == start_ticks(pid) and is_it(command_line(pid)):
        return Process(pid, pidfd)
    os.close(pidfd)
    return None


def find(is_it: IsIt) -> tuple[int, int] | None:
    """(pid, start ticks) of a process like this that nobody wrote down, by looking through all of them. Slow: ms."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_it(command_line(int(entry.name))):
            ticks = start_ticks(int(entry.name))
            if ticks is not None:
                return int(entry.name), ticks
    return None


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is no such process or it is a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in ("Z", "X") else int(fields[18])


def command_line(pid: int) -> list[bytes]:
    """Its words; none when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
