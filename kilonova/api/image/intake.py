"""Takes an image's bytes in: stores, hashes and inspects them block by block, at constant memory. Knows no image record."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from kilonova.api.image.formats import BLOCK, Inspection
from kilonova.api.image.needs import Incoming
from kilonova.errors import BadRequest, TooLarge
from kilonova.model.images import Content

SILENCE_S = 120.0
"""A client that sends nothing for so long is given up."""


async def take_in(stream: AsyncIterator[bytes], incoming: Incoming, announced: int | None, largest: int) -> Content:
    """The whole stream into `incoming`, and what was found in it. One block is written before the next is read.

    `announced` is the size the client gave, if it did. Raises TooLarge above `largest`; BadRequest when the client stops
    in the middle or the content is hostile; and what `incoming` raises.
    """
    if announced is not None and announced > largest:
        raise _too_large(largest)
    intake = await asyncio.to_thread(_Intake, incoming)
    async for block in _blocks(stream):
        if intake.size + len(block) > largest:
            raise _too_large(largest)
        await asyncio.to_thread(intake.take, block)
    if announced is not None and intake.size != announced:
        raise BadRequest(f"The image data ended after {intake.size} bytes; {announced} were announced.")
    return await asyncio.to_thread(intake.finish)


class _Intake:
    """All work on one block, so that it needs one thread once."""

    def __init__(self, incoming: Incoming) -> None:
        self.size = 0
        self._incoming = incoming
        self._inspection = Inspection()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()

    def take(self, block: bytes) -> None:
        self._inspection.feed(block)
        self._incoming.write(block)
        for digest in (self._md5, self._sha256, self._sha512):
            digest.update(block)
        self.size += len(block)

    def finish(self) -> Content:
        found, virtual_size, unbootable = self._inspection.finish()
        return Content(
            size=self.size,
            virtual_size=virtual_size,
            format=found,
            md5=self._md5.hexdigest(),
            sha256=self._sha256.hexdigest(),
            sha512=self._sha512.hexdigest(),
            unbootable=unbootable,
        )


async def _blocks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream in blocks of one size: servers hand out what the socket had, down to a few bytes."""
    parts = bytearray()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                parts += await anext(stream)
        except StopAsyncIteration:
            break
        except TimeoutError:
            raise BadRequest(f"No image data came for {SILENCE_S:.0f} seconds.") from None
        while len(parts) >= BLOCK:
            yield bytes(parts[:BLOCK])
            del parts[:BLOCK]
    if parts:
        yield bytes(parts)


def _too_large(largest: int) -> TooLarge:
    return TooLarge(f"Denying attempt to upload image larger than {largest} bytes.")
