"""Fetches images from control by HTTP: one GET, streamed to disk at constant memory, with a ticket as the only right.

It does not resume; what was not answered it tries again, within the deadline of who asked.
"""

import asyncio
import http.client
import threading
from pathlib import Path
from urllib.parse import quote, urlsplit

from kilonova.build.needs import Progress
from kilonova.drivers.disks.course import Course
from kilonova.drivers.disks.fetch import CheckedFile
from kilonova.drivers.disks.patience import PATIENCE_S, patiently
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.image import BootImage

_PIECE = 1 << 20


class HttpFetch:
    """Images from ``{control_url}/internal/images/{image_id}``. `quiet_s`: the longest silence that is borne.

    `patience_s`: for so long it is tried again where control does not answer.
    """

    def __init__(self, control_url: str, quiet_s: float = 30.0, patience_s: float = PATIENCE_S) -> None:
        self._url = urlsplit(control_url)
        self._quiet_s, self._patience_s = quiet_s, patience_s

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        """Stream the image into `into`. Raises BuildFailed (refused, wrong bytes) or Unavailable (no answer, broken off)."""
        await patiently(lambda: self._fetch_once(image, ticket, into, progress), self._patience_s)

    async def _fetch_once(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        stop = threading.Event()

        def tell(share: float) -> None:
            loop.call_soon_threadsafe(progress, f"fetching image {image.name}", share)

        try:
            await asyncio.to_thread(self._download, image, ticket, into, Course(tell, stop))
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("The image could not be fetched: the connection to the image service failed.") from error
        finally:
            stop.set()

    def _download(self, image: BootImage, ticket: str, into: Path, course: Course) -> None:
        connection = self._connect()
        try:
            connection.request(
                "GET", f"{self._url.path.rstrip('/')}/internal/images/{quote(image.id)}", headers={"X-Kilonova-Ticket": ticket}
            )
            answer = connection.getresponse()
            if answer.status >= 500:
                raise Unavailable("The image could not be fetched: the image service has a problem.")
            if answer.status != 200:
                raise BuildFailed(f"The image could not be fetched: the image service answered {answer.status}.")
            with CheckedFile(into, image) as file:
                self._stream(answer, file, image, course)
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "127.0.0.1", self._url.port, timeout=self._quiet_s)

    def _stream(self, answer: http.client.HTTPResponse, file: CheckedFile, image: BootImage, course: Course) -> None:
        buffer = memoryview(bytearray(_PIECE))
        while count := answer.readinto(buffer):
            file.write(buffer[:count])
            course.went_on(file.written / max(image.size, 1))
        if answer.length:
            raise Unavailable("The image could not be fetched: the image service broke off.")
