"""The bytes of an image: upload, stage, download. A record says `active` only after its bytes are safely on the disk."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.errors import image_body
from kilonova.api.image.access import EVERYBODY, check_owner, image_id_of, viewer_of
from kilonova.api.image.intake import take_in
from kilonova.api.image.needs import Incoming
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, Forbidden, Gone, NotFound, UnsupportedMediaType
from kilonova.model.ids import new_uuid
from kilonova.model.images import Content, Image, ImageStatus

OCTETS = "application/octet-stream"
CHECK_EVERY = 64 << 20
"""Bytes of an upload after which we look whether its image is still there."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def upload(call: Call) -> Answer:
    """PUT /v2/images/{image_id}/file"""
    await _receive(call, ImageStatus.SAVING, ImageStatus.ACTIVE)
    return Answer(204)


async def stage(call: Call) -> Answer:
    """PUT /v2/images/{image_id}/stage: as an upload, but the image waits for an import."""
    await _receive(call, ImageStatus.UPLOADING, ImageStatus.UPLOADING)
    return Answer(204)


async def download(call: Call) -> Answer:
    """GET /v2/images/{image_id}/file, whole or one range."""
    image_id, viewer = image_id_of(call), viewer_of(call)
    image = await call.world.ledger.read(lambda books: books.images.get(image_id, viewer))
    if image.status is ImageStatus.DEACTIVATED and not viewer.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if image.content is None or image.status not in (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED):
        return Answer(204)
    size = await call.world.images.size(image_id)
    wanted = _wanted_range(call.headers.get("range"), size)
    if wanted is None:
        headers = {"Content-Range": f"bytes */{size}"}
        return Answer(416, image_body(416, "The range is not in the image.", None, call.request_id), headers)
    start, length = wanted
    headers = {"Content-Length": str(length), "Accept-Ranges": "bytes"}
    whole = length == size
    if whole:
        headers["Content-MD5"] = image.content.md5
    else:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    stream = call.world.images.read(image_id, start, length)
    return Answer(200 if whole else 206, headers=headers, content_type=OCTETS, stream=stream)


def _wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, length); all of it for what is no single byte range; None when it cannot be satisfied."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end - start + 1) if start <= end else None


async def _receive(call: Call, meanwhile: ImageStatus, after: ImageStatus) -> None:
    """Begin, take the bytes in, end; whatever goes wrong, the image is queued again and no bytes are left."""
    if call.headers.get("content-type", "").partition(";")[0].strip() != OCTETS:
        raise UnsupportedMediaType(f"The content type of image data is {OCTETS}.")
    image_id, world, name = image_id_of(call), call.world, new_uuid()
    await world.ledger.write(_begin(call, image_id, name, meanwhile))
    incoming: Incoming | None = None
    done = False
    try:
        incoming = await world.images.receive(name)
        content = await take_in(_while_wanted(call, image_id, name), incoming, call.content_length, world.images.largest)
        await world.ledger.read(lambda books: _claimed(books, image_id, name))
        await asyncio.to_thread(incoming.keep, image_id)
        await world.ledger.write(_end(call, image_id, name, content, after))
        done = True
    finally:
        try:
            if not done and await world.ledger.write(_give_up(image_id, name)):
                await world.images.remove(image_id)
        finally:
            if incoming is not None:
                await asyncio.to_thread(incoming.close)


async def _while_wanted(call: Call, image_id: str, upload_name: str) -> AsyncIterator[bytes]:
    """The body, until the image is gone: a deleted image's gigabytes need not come to their end. Raises Gone."""
    passed = 0
    async for part in call.stream_body():
        passed += len(part)
        if passed >= CHECK_EVERY:
            passed = 0
            await call.world.ledger.read(lambda books: _claimed(books, image_id, upload_name))
        yield part


def _begin(call: Call, image_id: str, upload_name: str, status: ImageStatus) -> Callable[[Books], None]:
    viewer, now = viewer_of(call), call.world.now()

    def begin(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        if image.status is not ImageStatus.QUEUED:
            raise Conflict(f"Image status transition from {image.status.value} to {status.value} is not allowed.")
        if status is ImageStatus.SAVING and (image.disk_format is None or image.container_format is None):
            raise BadRequest("Properties disk_format and container_format must be set prior to saving data.")
        books.images.replace(msgspec.structs.replace(image, status=status, upload=upload_name, updated_at=now))

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


def _end(call: Call, image_id: str, upload_name: str, content: Content, status: ImageStatus) -> Callable[[Books], None]:
    now = call.world.now()

    def end(books: Books) -> None:
        image = _claimed(books, image_id, upload_name)
        books.images.replace(msgspec.structs.replace(image, status=status, content=content, upload=None, updated_at=now))

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
