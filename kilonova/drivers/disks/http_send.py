"""Sends a snapshot to control by HTTP: one PUT from a file at constant memory, with a ticket as the only right.

What was not answered is sent again: that is safe, also when only the answer was lost.
"""

import asyncio
import http.client
import os
import threading
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from kilonova.build.needs import Progress
from kilonova.drivers.disks.course import Course
from kilonova.drivers.disks.patience import PATIENCE_S, patiently
from kilonova.errors import BuildFailed, Unavailable

_PIECE = 1 << 20
_FINISH_S = 300.0
"""After the last byte control still has to get them onto its disk."""


class HttpSend:
    """Images to ``{control_url}/internal/images/{image_id}``. `quiet_s`: the longest silence that is borne while sending.

    `patience_s`: for so long it is tried again where control does not answer.
    """

    def __init__(
        self, control_url: str, quiet_s: float = 30.0, finish_s: float = _FINISH_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._url = urlsplit(control_url)
        self._quiet_s, self._finish_s, self._patience_s = quiet_s, finish_s, patience_s

    async def send(self, image_id: str, ticket: str, path: Path, progress: Progress) -> None:
        """The file becomes the image's data. Raises BuildFailed (refused) or Unavailable (no answer, broken off)."""
        await patiently(lambda: self._send_once(image_id, ticket, path, progress), self._patience_s)

    async def _send_once(self, image_id: str, ticket: str, path: Path, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        stop = threading.Event()

        def tell(share: float) -> None:
            loop.call_soon_threadsafe(progress, "storing the snapshot", share)

        try:
            await asyncio.to_thread(self._upload, image_id, ticket, path, Course(tell, stop))
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("The snapshot could not be stored: the connection to the image service failed.") from error
        finally:
            stop.set()

    def _upload(self, image_id: str, ticket: str, path: Path, course: Course) -> None:
        connection = self._connect()
        try:
            with path.open("rb") as file:
                self._say_what_comes(connection, image_id, ticket, os.fstat(file.fileno()).st_size)
                broken = self._stream(connection, file, course)
            if connection.sock is not None:
                connection.sock.settimeout(self._finish_s)
            status = self._status(connection, broken)
        finally:
            connection.close()
        if status >= 500:
            raise Unavailable("The snapshot could not be stored: the image service has a problem.")
        if status not in (200, 204):
            raise BuildFailed(f"The snapshot could not be stored: the image service answered {status}.")

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "127.0.0.1", self._url.port, timeout=self._quiet_s)

    def _say_what_comes(self, connection: http.client.HTTPConnection, image_id: str, ticket: str, size: int) -> None:
        connection.putrequest("PUT", f"{self._url.path.rstrip('/')}/internal/images/{quote(image_id)}")
        connection.putheader("X-Kilonova-Ticket", ticket)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()

    def _stream(self, connection: http.client.HTTPConnection, file: BinaryIO, course: Course) -> OSError | None:
        """None, or why the other side wanted no more: it may have said so before it closed."""
        size, sent = max(os.fstat(file.fileno()).st_size, 1), 0
        while piece := file.read(_PIECE):
            try:
                connection.send(piece)
            except (BrokenPipeError, ConnectionResetError) as broken:
                return broken
            sent += len(piece)
            course.went_on(sent / size)
        return None

    def _status(self, connection: http.client.HTTPConnection, broken: OSError | None) -> int:
        try:
            with connection.getresponse() as answer:
                return answer.status
        except (OSError, http.client.HTTPException):
            if broken is not None:
                raise broken from None
            raise
