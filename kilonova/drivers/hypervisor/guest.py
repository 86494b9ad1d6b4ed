"""One guest: its process and its QMP connection, how it is asked and made to end, and how it ended.

It is made around a process that runs already (``launch.py`` starts it); which guests there are is ``qemu.py``'s business.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Self

from msgspec.structs import replace

from kilonova.drivers.hypervisor.memory import GuestMemory, write_down
from kilonova.drivers.monitor import Monitor
from kilonova.drivers.process import Process
from kilonova.errors import Unavailable
from kilonova.model.guest import Guest, PowerState

_log = logging.getLogger(__name__)

_ASK_AGAIN_S = 3.0
_LOOK_EVERY_S = 5.0
_ANSWER_S = 10.0
_GLANCE_S = 2.0
"""One guest that hangs must not make its whole host seem silent to whoever asks what is on it."""
_REACH_S = 5.0
_QUIT_S = 5.0
_DIE_S = 10.0
_POWER: dict[str, PowerState] = {
    "running": "running",
    "shutdown": "shutdown",
    "suspended": "suspended",
    "guest-panicked": "crashed",
    "internal-error": "crashed",
}


class QemuGuest:
    """A guest with a process."""

    def __init__(self, folder: Path, memory: GuestMemory, process: Process) -> None:
        self.memory = memory
        self._folder = folder
        self._process = process
        self._monitor: Monitor | None = None
        self._wanted = False
        self._life: asyncio.Task[None] | None = None

    async def connect(self, timeout_s: float) -> None:
        """Connect its QMP. Raises Unavailable when it does not answer in time."""
        self._monitor = await Monitor.connect(self._folder, timeout_s)

    def follow(self, on_end: Callable[[Self, bool], None]) -> None:
        """From now on note how it ends, and then call `on_end` with the guest and whether that end was asked for."""
        self._life = asyncio.create_task(self._follow(on_end), name=f"guest {self.memory.server_id}")

    def as_guest(self) -> Guest:
        """It, in the words of the story."""
        memory = self.memory
        return Guest(server_id=memory.server_id, pid=memory.pid, accelerator=memory.accelerator, started_at=memory.started_at)

    async def power(self) -> PowerState:
        """Its state now; a guest that does not answer but has a process counts as running."""
        if self.memory.ended is not None:
            return self.memory.ended
        try:
            return _POWER.get(await self._status(_GLANCE_S), "paused")
        except Unavailable:
            return self.memory.ended or "running"

    async def go(self) -> None:
        """Let a guest that was started but is still held take its first step. Raises Unavailable."""
        if self._monitor is not None and await self._status() == "prelaunch":
            await self._monitor.command("cont")

    @property
    def monitor(self) -> Monitor:
        """Its QMP connection. Raises Unavailable when there is none."""
        if self._monitor is None:
            raise Unavailable("The guest's process does not answer.")
        return self._monitor

    async def tell(self, command: str) -> None:
        """``stop``, ``cont`` or ``inject-nmi``: done when this returns. Raises Unavailable."""
        if self._monitor is None:
            raise Unavailable("The guest's process does not answer.")
        await self._monitor.command(command)

    async def shut_down(self, timeout_s: float) -> None:
        """Ask by ACPI, and again (the request is lost while firmware or kernel still boot) until `timeout_s`; then end it."""
        self._wanted = True
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0 and self._monitor is not None:
            try:
                await self._monitor.command("system_powerdown")
            except Unavailable:
                break
            if await self._process.wait(min(_ASK_AGAIN_S, left)):
                break
        self._note("shutdown")
        await self._quit()
        await self._lived()

    async def end(self) -> None:
        """End it at once, and note that it was wanted. Raises Unavailable when the kernel cannot end it."""
        self._note("shutdown")
        await self.kill()

    async def kill(self) -> None:
        """End it at once. Raises Unavailable when the kernel cannot end it (its disk does not answer)."""
        self._wanted = True
        self._process.kill()
        if not await self._process.wait(_DIE_S):
            raise Unavailable("The guest's process cannot be ended at the moment.")
        await self._lived()
        await self.let_go()

    async def let_go(self) -> None:
        """Stop watching it; the guest goes on."""
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait([self._life])
        if self._monitor is not None:
            await self._monitor.close()
        self._process.let_go()

    async def ended_within(self, timeout_s: float) -> bool:
        """Whether its process ends in that time."""
        return await self._process.wait(timeout_s)

    async def _follow(self, on_end: Callable[[Self, bool], None]) -> None:
        while not self._process.ended.is_set():
            reason = await self._powered_off()
            if reason is not None:
                self._note("crashed" if "panic" in reason else "shutdown")
                await self._quit()
                break
            if not await self._process.wait(_LOOK_EVERY_S):
                await self._reach_again()
        await self._process.ended.wait()
        self._note("crashed")  # unless noted otherwise before
        if self._monitor is not None:
            await self._monitor.close()
        on_end(self, self._wanted)

    async def _reach_again(self) -> None:
        """A process that stood still, or whose connection broke, may answer by now: its guest's end must not go unheard."""
        before = self._monitor
        if before is not None and before.open:
            return
        try:
            self._monitor = await Monitor.connect(self._folder, _REACH_S)
        except Unavailable:
            self._monitor = None
            if before is not None:
                _log.warning("the process of %s does not answer", self.memory.server_id, extra={"action": "guest_silent"})
        if before is not None:
            await before.close()

    async def _powered_off(self) -> str | None:
        """Wait until the guest powers itself off, and say why; None when its process ended instead, or cannot be heard."""
        monitor = self._monitor
        if monitor is None:
            return None
        off = asyncio.create_task(monitor.shutdown_reason())
        gone = asyncio.create_task(self._process.ended.wait())
        try:
            # While nobody was connected the event went unheard, but QEMU holds a guest that is off.
            if await self._status() == "shutdown":
                return "guest-shutdown"
            while monitor.open and not off.done() and not gone.done():
                await asyncio.wait({off, gone}, return_when=asyncio.FIRST_COMPLETED, timeout=_LOOK_EVERY_S)
            return off.result() if off.done() else None
        except Unavailable:
            return None
        finally:
            off.cancel()
            gone.cancel()

    async def _quit(self) -> None:
        """End a QEMU whose guest is off, or must be: by request, else by force."""
        if self._monitor is not None and not self._process.ended.is_set():
            try:
                await self._monitor.command("quit")
            except Unavailable:
                pass  # it may be gone before it answers
        if not await self._process.wait(_QUIT_S if self._monitor else 0):
            self._process.kill()
            await self._process.wait(_DIE_S)

    async def _lived(self) -> None:
        if self._life is not None:
            await asyncio.wait([self._life], timeout=_QUIT_S)

    async def _status(self, within_s: float = _ANSWER_S) -> str:
        if self._monitor is None:
            raise Unavailable("The guest's process does not answer.")
        return await self._monitor.status(within_s)

    def _note(self, ended: PowerState) -> None:
        """Write down how it ended; the first note counts."""
        if self.memory.ended is None:
            self.memory = replace(self.memory, ended=ended)
            if self._folder.exists():
                write_down(self._folder, self.memory)
