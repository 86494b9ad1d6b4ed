"""The images one host keeps: each fetched once, checked, and thrown out by least recent use when there are too many bytes.

A server does not use the cached file itself but a hard link to it in its own folder: so the file system counts the users, and
throwing an image out can never take it from a guest. The cache does not know what an image contains.
"""

import asyncio
import os
import re
import uuid
from pathlib import Path
from weakref import WeakValueDictionary

from kilonova.build.needs import Progress
from kilonova.drivers.disks.fetch import Fetch
from kilonova.errors import BuildFailed
from kilonova.model.image import BootImage

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class ImageCache:
    """Images below `folder`; at most about `limit_bytes` of them that no server uses."""

    def __init__(self, folder: Path, fetch: Fetch, limit_bytes: int) -> None:
        self._folder = folder
        self._fetch = fetch
        self._limit = limit_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def link(self, image: BootImage, ticket: str, link: Path, progress: Progress) -> None:
        """Make `link` a hard link to the image's checked file, fetching it if it is not here. Raises BuildFailed, Unavailable.

        Builds of the same image wait for one download; when it fails, the next in line tries for itself, with its own ticket.
        """
        if not _SHA256.match(image.sha256):
            raise BuildFailed("The image has no checksum.")
        turn = self._turns.setdefault(image.sha256, asyncio.Lock())
        async with turn:
            cached = self._folder / image.sha256
            if _linked(cached, image, link):
                return
            await self._bring(image, ticket, cached, progress)
            if not _linked(cached, image, link):
                raise BuildFailed("The image vanished from this host's cache.")
        await asyncio.to_thread(self.evict)

    async def _bring(self, image: BootImage, ticket: str, cached: Path, progress: Progress) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = self._folder / f"{image.sha256}.{uuid.uuid4().hex[:8]}.part"
        try:
            await self._fetch.fetch(image, ticket, half, progress)
            half.chmod(0o400)
            half.rename(cached)
        finally:
            half.unlink(missing_ok=True)

    def evict(self) -> None:
        """Throw out unused images, least recently used first, until those left fit the limit. Blocks on the disk for a moment."""
        unused = []
        for file in self._folder.glob("*"):
            try:
                about = file.stat()
            except FileNotFoundError:
                continue  # a download has just ended
            if _SHA256.match(file.name) and about.st_nlink == 1:
                unused.append((about.st_mtime_ns, about.st_size, file))
        total = sum(size for _, size, _ in unused)
        for _, size, file in sorted(unused):
            if total <= self._limit:
                return
            file.unlink(missing_ok=True)
            total -= size

    def clear_halves(self) -> None:
        """Remove what downloads of an earlier process left; only before the first `link`."""
        for half in self._folder.glob("*.part"):
            half.unlink(missing_ok=True)


def _linked(cached: Path, image: BootImage, link: Path) -> bool:
    """False when it is not here, or not whole any more: a file system that ran full or was repaired may have cut it off."""
    try:
        if cached.stat().st_size != image.size:
            cached.unlink()
            return False
        os.link(cached, link)
    except FileNotFoundError:
        return False
    os.utime(cached)  # the time of last use
    return True
