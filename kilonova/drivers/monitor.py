"""QMP with one QEMU or storage daemon, by the ``qemu.qmp`` library, with limits and our errors. Knows commands, not guests."""

import asyncio
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kilonova.drivers.starting import QMP_SOCKET
from kilonova.errors import Unavailable

if TYPE_CHECKING:
    from qemu.qmp import EventListener, QMPClient

_QUIET = logging.getLogger("kilonova.drivers.qmp")
_COMMAND_S = 10.0


class Monitor:
    """One open QMP connection; QEMU takes one at a time."""

    def __init__(self, client: "QMPClient", shutdowns: "EventListener", socket_fd: int) -> None:
        self._client = client
        self._socket = socket_fd
        self._shutdowns = shutdowns

    @classmethod
    async def connect(cls, folder: Path, timeout_s: float) -> Self:
        """Connect to the socket in a guest's folder and agree on terms. Raises Unavailable."""
        from qemu.qmp import EventListener, QMPClient, QMPError  # 60 ms: paid by the first guest, not by every start of the role

        client = QMPClient()
        client.logger = _QUIET  # it logs a traceback whenever a QEMU ends, which is what QEMUs do
        _QUIET.setLevel(logging.CRITICAL + 1)
        shutdowns = EventListener(("SHUTDOWN",))
        client.register_listener(shutdowns)
        place = -1
        try:
            place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            async with asyncio.timeout(timeout_s):
                await client.connect(f"/proc/self/fd/{place}/{QMP_SOCKET}")  # as in starting.py: paths may be too long
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            await _disconnect(client)
            raise Unavailable("The guest's process does not answer.") from error
        except BaseException:
            await _disconnect(client)
            raise
        finally:
            if place >= 0:
                os.close(place)
        return cls(client, shutdowns, _socket_of(client))

    @property
    def open(self) -> bool:
        """False when the connection has broken."""
        from qemu.qmp import Runstate

        return self._client.runstate == Runstate.RUNNING

    def _send(self, fd: int) -> None:
        """An open file, in the message before the command that names it. The library's own way knows asyncio's sockets only."""
        if not self.open:
            raise Unavailable("The guest's process does not answer.")
        try:
            with socket.socket(fileno=os.dup(self._socket)) as own:
                socket.send_fds(own, [b" "], [fd])
        except OSError as error:
            raise Unavailable("The guest's process does not answer.") from error

    async def command(self, name: str, /, **arguments: object) -> Any:
        """Run one QMP command and return what it returns. Raises Unavailable (also when QEMU refuses it)."""
        from qemu.qmp import QMPError

        try:
            async with asyncio.timeout(_COMMAND_S):
                return await self._client.execute(name, arguments or None)
        except (QMPError, OSError, EOFError, TimeoutError) as error:
            raise Unavailable("The guest's process does not answer.") from error

    async def command_quietly(self, name: str, /, **arguments: object) -> None:
        """Run one, and let it be refused: for what may be done already."""
        with suppress(Unavailable):
            await self.command(name, **arguments)

    async def hand_over(self, fd: int, name: str) -> None:
        """Give QEMU a copy of an open file, which the next commands call `name`. Raises Unavailable."""
        self._send(fd)
        await self.command("getfd", fdname=name)

    async def lend(self, fd: int) -> int:
        """Give QEMU a copy of an open file; it is called ``/dev/fdset/N`` with the number returned. Raises Unavailable."""
        self._send(fd)
        return int((await self.command("add-fd"))["fdset-id"])

    async def status(self, within_s: float = _COMMAND_S) -> str:
        """QEMU's run state: ``running``, ``paused``, ``prelaunch``, ``shutdown``, … Raises Unavailable."""
        try:
            async with asyncio.timeout(within_s):
                return str((await self.command("query-status"))["status"])
        except TimeoutError as error:
            raise Unavailable("The guest's process does not answer.") from error

    async def shutdown_reason(self) -> str:
        """Wait, without limit, until the guest powers off; its reason, e.g. ``guest-shutdown`` or ``guest-panic``."""
        event = await self._shutdowns.get()
        data = event["data"]
        return str(data.get("reason", "")) if isinstance(data, dict) else ""

    async def close(self) -> None:
        """End the connection; the guest goes on."""
        await _disconnect(self._client)


def _socket_of(client: "QMPClient") -> int:
    """The connection's file number, on whatever event loop."""
    writer = client._writer  # the library has no other way to it
    assert writer is not None
    return int(writer.get_extra_info("socket").fileno())


async def _disconnect(client: "QMPClient") -> None:
    """The library raises here whatever broke the connection; that has been dealt with, or does not matter any more."""
    from qemu.qmp import QMPError

    try:
        async with asyncio.timeout(5):
            await client.disconnect()
    except (QMPError, OSError, EOFError, TimeoutError):
        pass
