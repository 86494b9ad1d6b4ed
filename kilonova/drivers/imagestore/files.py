"""Keeps image data as files in one folder; whole and on the disk, or not at all. Knows nothing of formats, owners or states.

    ROOT/data/ab/abcd…              the data of image abcd…
    ROOT/incoming/UPLOAD.part       what an upload has received so far
    ROOT/incoming/UPLOAD.lock       held by the process that receives it: a lock nobody holds marks what a dead one left

The folder may be shared by several control processes, as long as its file system knows flock.
"""

import asyncio
import errno
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from kilonova.errors import KilonovaError, NotFound, TooLarge, Unavailable

CHUNK = 256 * 1024
LARGEST = 1 << 40
"""1 TiB, what Glance allows unless told otherwise."""
_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FileStore:
    """See `kilonova.api.image.needs.ImageStore`. Makes its folders when first used."""

    def __init__(self, root: Path, largest: int = LARGEST, within_s: float = 86400.0) -> None:
        self._data = root / "data"
        self._incoming = root / "incoming"
        self._largest, self._within_s = largest, within_s

    @property
    def within_s(self) -> float:
        return self._within_s

    @property
    def largest(self) -> int:
        return self._largest

    async def receive(self, upload: str) -> "IncomingFile":
        return await asyncio.to_thread(self._receive, upload)

    async def path(self, image_id: str) -> Path:
        path = self._path(image_id)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound("The image has no data.")
        return path

    async def size(self, image_id: str) -> int:
        path = await self.path(image_id)
        return (await asyncio.to_thread(path.stat)).st_size

    async def read(self, image_id: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        path = await self.path(image_id)
        file = await asyncio.to_thread(path.open, "rb")
        try:
            await asyncio.to_thread(file.seek, start)
            left = length
            while left is None or left > 0:
                piece = await asyncio.to_thread(file.read, CHUNK if left is None else min(CHUNK, left))
                if not piece:
                    return
                if left is not None:
                    left -= len(piece)
                yield piece
        finally:
            file.close()

    async def remove(self, image_id: str) -> None:
        await asyncio.to_thread(self._path(image_id).unlink, missing_ok=True)

    async def inventory(self) -> set[str]:
        return await asyncio.to_thread(lambda: {path.name for path in self._data.glob("??/*")})

    async def live_uploads(self) -> set[str]:
        return await asyncio.to_thread(self._live_uploads)

    def _path(self, image_id: str) -> Path:
        return self._data / _safe(image_id)[:2] / image_id

    def _receive(self, upload: str) -> "IncomingFile":
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            return IncomingFile(self._incoming / _safe(upload), self._path)
        except OSError as failure:
            raise _told(failure) from failure

    def _live_uploads(self) -> set[str]:
        live: set[str] = set()
        for lock in self._incoming.glob("*.lock"):
            try:
                file = lock.open("rb")
            except FileNotFoundError:
                continue  # it ended just now
            with file:
                if _take(file):
                    lock.with_suffix(".part").unlink(missing_ok=True)
                    lock.unlink(missing_ok=True)
                else:
                    live.add(lock.stem)
        return live


class IncomingFile:
    """See `kilonova.api.image.needs.Incoming`. `path_of` says where an image's data belongs."""

    def __init__(self, name: Path, path_of: Callable[[str], Path]) -> None:
        self._path_of = path_of
        self._lock_path = name.with_suffix(".lock")
        self._part_path = name.with_suffix(".part")
        self._lock = self._lock_path.open("xb")
        if not _take(self._lock) or os.fstat(self._lock.fileno()).st_nlink == 0:
            self._lock.close()  # someone who tidied up was faster; a new upload has a new name
            raise Unavailable("The upload could not be started. Please try again.")
        try:
            self._part = self._part_path.open("xb", buffering=0)
        except OSError:
            self._lock_path.unlink(missing_ok=True)
            self._lock.close()
            raise

    def write(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[self._part.write(view) or 0 :]
        except OSError as failure:
            raise _told(failure) from failure

    def keep(self, image_id: str) -> None:
        target = self._path_of(image_id)
        try:
            os.fsync(self._part.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            self._part_path.replace(target)
            _sync_folder(target.parent)
            _sync_folder(target.parent.parent)
        except OSError as failure:
            raise _told(failure) from failure

    def close(self) -> None:
        self._part.close()
        self._part_path.unlink(missing_ok=True)
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()


def _safe(name: str) -> str:
    """Ids become file names: nothing else may pass."""
    if not _NAME.fullmatch(name):
        raise NotFound("The image has no data.")
    return name


def _take(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """A new name is safe only when its folder is."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _told(failure: OSError) -> KilonovaError:
    """What the image's owner may read; the log of the process has the rest."""
    if failure.errno in _FULL:
        return TooLarge("There is not enough room in the image store for this image.")
    return Unavailable("The image store could not be written.")
