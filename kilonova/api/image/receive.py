"""An image gets its bytes, wherever they come from: claim the record, take them in, keep them, say so. All of it or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from kilonova.api.call import Call
from kilonova.api.image.access import EVERYBODY
from kilonova.api.image.intake import take_in
from kilonova.api.image.needs import Incoming
from kilonova.api.world import ApiWorld, Books
from kilonova.errors import BadRequest, Gone, NotFound, UnsupportedMediaType
from kilonova.model.ids import new_uuid
from kilonova.model.images import Content, Image, ImageStatus

OCTETS = "application/octet-stream"
CHECK_EVERY = 64 << 20
"""Bytes of an upload after which we look whether its image is still there."""

Begin = Callable[[Books], Image]
"""In a transaction: the image as it shall stand while its bytes come. Raises what forbids it."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes on their way to an image, which has the status `after` when they are there."""

    image_id: str
    begin: Begin
    after: ImageStatus
    stream: AsyncIterator[bytes]
    announced: int | None = None
    """Their number, if it was said."""


def check_octets(call: Call) -> None:
    """Raises UnsupportedMediaType. Bodies of any other type were read as JSON before any handler saw them."""
    if call.headers.get("content-type", "").partition(";")[0].strip() != OCTETS:
        raise UnsupportedMediaType(f"The content type of image data is {OCTETS}.")


async def receive(world: ApiWorld, delivery: Delivery) -> None:
    """Begin, take the bytes in, end; whatever goes wrong, the image is queued again and no bytes are left."""
    await take(world, delivery, await claim(world, delivery))


async def claim(world: ApiWorld, delivery: Delivery) -> str:
    """The record waits for these bytes and no others; the name they come under, for `take`."""
    name = new_uuid()
    await world.ledger.write(_begin(world, delivery, name))
    return name


async def take(world: ApiWorld, delivery: Delivery, name: str) -> None:
    """The bytes of an image that is claimed."""
    image_id = delivery.image_id
    incoming: Incoming | None = None
    done = False
    try:
        incoming = await world.images.receive(name)
        stream = _while_wanted(world, delivery, name)
        try:
            async with asyncio.timeout(world.images.within_s) as limit:
                content = await take_in(stream, incoming, delivery.announced, world.images.largest)
        except TimeoutError:
            if not limit.expired():
                raise
            raise BadRequest(f"The image data did not come within {world.images.within_s:.0f} seconds.") from None
        await world.ledger.read(lambda books: _claimed(books, image_id, name))
        await asyncio.to_thread(incoming.keep, image_id)
        await world.ledger.write(_end(world, delivery, name, content))
        done = True
    finally:
        try:
            if not done and await world.ledger.write(_give_up(image_id, name)):
                await world.images.remove(image_id)
        finally:
            if incoming is not None:
                await asyncio.to_thread(incoming.close)


async def _while_wanted(world: ApiWorld, delivery: Delivery, upload_name: str) -> AsyncIterator[bytes]:
    """The bytes, until the image is gone: a deleted image's gigabytes need not come to their end. Raises Gone."""
    passed = 0
    async for part in delivery.stream:
        passed += len(part)
        if passed >= CHECK_EVERY:
            passed = 0
            await world.ledger.read(lambda books: _claimed(books, delivery.image_id, upload_name))
        yield part


def _begin(world: ApiWorld, delivery: Delivery, upload_name: str) -> Callable[[Books], None]:
    now = world.now()

    def begin(books: Books) -> None:
        books.images.replace(msgspec.structs.replace(delivery.begin(books), upload=upload_name, updated_at=now))

    return begin


def _claimed(books: Books, image_id: str, upload_name: str) -> Image:
    """The image, if it still waits for this upload. Raises Gone."""
    try:
        image = books.images.get(image_id, EVERYBODY)
    except NotFound:
        raise Gone(f"Image {image_id} was deleted during the upload; its data is discarded.") from None
    if image.upload != upload_name:
        raise Gone(f"Image {image_id} no longer waits for this upload; its data is discarded.")
    return image


def _end(world: ApiWorld, delivery: Delivery, upload_name: str, content: Content) -> Callable[[Books], None]:
    now = world.now()

    def end(books: Books) -> None:
        image = _claimed(books, delivery.image_id, upload_name)
        there = {"status": delivery.after, "content": content, "upload": None, "wanted_until": None}
        books.images.replace(msgspec.structs.replace(image, updated_at=now, **there))

    return end


def _give_up(image_id: str, upload_name: str) -> Callable[[Books], bool]:
    """True when no record claims the bytes any more. False: the image got them after all, or another upload's."""

    def give_up(books: Books) -> bool:
        try:
            image = books.images.get(image_id, EVERYBODY)
        except NotFound:
            return True
        if image.upload != upload_name:
            return False
        books.images.replace(msgspec.structs.replace(image, status=ImageStatus.QUEUED, upload=None))
        return True

    return give_up
