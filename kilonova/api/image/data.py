"""The bytes of an image: upload, stage, download. A record says `active` only after its bytes are safely on the disk."""

import re

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.errors import image_body
from kilonova.api.image.access import image_id_of, viewer_of
from kilonova.api.image.discovery import check_store
from kilonova.api.image.receive import OCTETS, Begin, Delivery, check_octets, receive
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, Forbidden
from kilonova.model.images import Image, ImageStatus, check_owner

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
    check_octets(call)
    check_store(call.headers.get("x-image-meta-store"))
    image_id = image_id_of(call)
    begin = _begin(call, image_id, meanwhile)
    stream = call.stream_body()
    await receive(
        call.world,
        Delivery(image_id=image_id, begin=begin, after=after, stream=stream, announced=call.content_length),
    )


def _begin(call: Call, image_id: str, status: ImageStatus) -> Begin:
    viewer = viewer_of(call)

    def begin(books: Books) -> Image:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        if image.status is not ImageStatus.QUEUED:
            raise Conflict(f"Image status transition from {image.status.value} to {status.value} is not allowed.")
        if status is ImageStatus.SAVING and (image.disk_format is None or image.container_format is None):
            raise BadRequest("Properties disk_format and container_format must be set prior to saving data.")
        return msgspec.structs.replace(image, status=status)

    return begin
