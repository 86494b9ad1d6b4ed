"""What the image cache needs from a fetch, and a file that checks itself while it is written.

It knows no transport; ``http_fetch.py`` does.
"""

import errno
import hashlib
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from kilonova.build.needs import Progress
from kilonova.errors import BuildFailed
from kilonova.model.image import BootImage


class Fetch(Protocol):
    """Brings one image to this host."""

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        """Write the image into the new file `into`, through `CheckedFile`, in constant memory.

        `ticket` proves the right to it. Raises BuildFailed, or Unavailable when trying again may help; then `into` is not there.
        """
        ...


class Send(Protocol):
    """Takes a snapshot to where images are."""

    async def send(self, image_id: str, ticket: str, path: Path, progress: Progress) -> None:
        """The file becomes the image's data. `ticket` proves the right to it. Raises BuildFailed, Unavailable."""
        ...


class CheckedFile:
    """A file for one image: as a context manager it raises BuildFailed at its end unless size and SHA-256 are the image's.

    However it fails, the file is removed: also by a thread that is still at work when nobody waits for it any more.
    """

    def __init__(self, path: Path, image: BootImage) -> None:
        self._path = path
        self._image = image
        self._hash = hashlib.sha256()
        self.written = 0

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise BuildFailed(_why(error)) from error
        return self

    def write(self, piece: bytes | memoryview) -> None:
        """Append `piece`. Raises BuildFailed when there is more than the image has, or no room for it."""
        self.written += len(piece)
        if self.written > self._image.size:
            raise BuildFailed("The image is larger than it should be.")
        self._hash.update(piece)
        left = memoryview(piece)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]  # a disk that has just become full takes a part, without an error
        except OSError as error:
            raise BuildFailed(_why(error)) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        wrong = self._complaint()
        if kind is not None or wrong:
            self._path.unlink(missing_ok=True)
        if kind is None and wrong:
            raise BuildFailed(wrong)

    def _complaint(self) -> str | None:
        if self.written != self._image.size:
            return "The image arrived incomplete."
        if self._hash.hexdigest() != self._image.sha256:
            return "The image's checksum is wrong."
        return None


def _why(error: OSError) -> str:
    """Trying it again here would not help; another host may have room."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The host has no room left for the image."
    return "The host could not keep the image."
