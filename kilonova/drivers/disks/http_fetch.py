"""Fetches images from control by HTTP: one GET, streamed to disk at constant memory, with a ticket as the only right.

It does not resume and does not retry: the build that asked does, with the deadline it has.
"""

import asyncio
import http.client
import threading
from pathlib import Path
from urllib.parse import quote, urlsplit

from kilonova.build.needs import Progress
from kilonova.drivers.disks.course import Course
from kilonova.drivers.disks.fetch import CheckedFile
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.image import BootImage

_PIECE = 1 << 20


class HttpFetch:
    """Images from ``{control_url}/internal/images/{image_id}``. `quiet_s`: the longest silence that is borne."""

    def __init__(self, control_url: str, quiet_s: float = 30.0) -> None:
        self._url = urlsplit(control_url)
        self._quiet_s = quiet_s

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        """Stream the image into `into`. Raises BuildFailed (refused, wrong bytes) or Unavailable (no answer, broken off)."""
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
