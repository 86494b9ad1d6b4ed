"""Images: create, list, show, update, delete; their tags; deactivate and reactivate. Handles records, not data."""

from typing import Any

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.errors import image_body
from kilonova.api.image.access import image_id_of, viewer_of
from kilonova.api.image.discovery import STORE, import_methods
from kilonova.api.image.filters import read_question
from kilonova.api.image.patch import patched, read_patch
from kilonova.api.image.properties import checked_id, checked_tag, with_property, with_tags
from kilonova.api.image.views import image_view, images_view
from kilonova.api.world import Books
from kilonova.errors import Forbidden, NotFound
from kilonova.model.ids import ImageId, new_uuid
from kilonova.model.images import Image, ImageStatus, check_deletable, check_owner


async def create_image(call: Call) -> Answer:
    """POST /v2/images"""
    _no_empty_id(call)
    body = call.json(dict[str, Any])
    viewer, now = viewer_of(call), call.world.now()
    image_id = checked_id(body.pop("id")) if "id" in body else new_uuid()
    image = Image(id=ImageId(image_id), owner=viewer.project_id, created_at=now, updated_at=now)
    for name, value in body.items():
        image = with_property(image, name, value, viewer)

    def add(books: Books) -> None:
        books.images.add(image)

    await call.world.ledger.write(add)
    headers = {
        "Location": f"{call.world.public_url}/image/v2/images/{image.id}",
        "OpenStack-image-import-methods": ",".join(import_methods(call)),
        "OpenStack-image-store-ids": STORE,
    }
    return Answer(201, image_view(image), headers)


async def list_images(call: Call) -> Answer:
    """GET /v2/images"""
    _no_empty_id(call)
    question = read_question(call)
    found = await call.world.ledger.read(lambda books: books.images.find(question))
    return Answer(200, images_view(call, found, question.page.limit))


async def show_image(call: Call) -> Answer:
    """GET /v2/images/{image_id}"""
    image_id, viewer = image_id_of(call), viewer_of(call)
    return Answer(200, image_view(await call.world.ledger.read(lambda books: books.images.get(image_id, viewer))))


async def update_image(call: Call) -> Answer:
    """PATCH /v2/images/{image_id}"""
    changes = read_patch(call)
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def change(books: Books) -> Image:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        image = msgspec.structs.replace(patched(image, changes, viewer), updated_at=now)
        books.images.replace(image)
        return image

    return Answer(200, image_view(await call.world.ledger.write(change)))


async def delete_image(call: Call) -> Answer:
    """DELETE /v2/images/{image_id}: the record first, so that bytes without a record are the worst a crash can leave."""
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def forget(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_deletable(image, viewer)
        books.images.remove(image_id, now)

    await call.world.ledger.write(forget)
    await call.world.images.remove(image_id)
    return Answer(204)


async def delete_no_image(call: Call) -> Answer:
    """DELETE /v2/images/: a client with an empty id."""
    _no_empty_id(call)
    return Answer(405, image_body(405, "Images are deleted one by one.", None, call.request_id), {"Allow": "GET, POST"})


def _no_empty_id(call: Call) -> None:
    """``/v2/images/`` is the image with an empty id and not the list, as in Glance. Raises NotFound."""
    if call.slash:
        raise NotFound("No image found with an empty ID")


async def add_tag(call: Call) -> Answer:
    """PUT /v2/images/{image_id}/tags/{tag}"""
    tag = checked_tag(call.path["tag"])
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def change(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        books.images.replace(msgspec.structs.replace(with_tags(image, (*image.tags, tag)), updated_at=now))

    await call.world.ledger.write(change)
    return Answer(204)


async def remove_tag(call: Call) -> Answer:
    """DELETE /v2/images/{image_id}/tags/{tag}"""
    tag = call.path["tag"]
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def change(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        if tag not in image.tags:
            raise NotFound(f"Image {image_id} has no such tag.")
        left = tuple(kept for kept in image.tags if kept != tag)
        books.images.replace(msgspec.structs.replace(image, tags=left, updated_at=now))

    await call.world.ledger.write(change)
    return Answer(204)


async def deactivate(call: Call) -> Answer:
    """POST /v2/images/{image_id}/actions/deactivate"""
    return await _switch(call, ImageStatus.DEACTIVATED)


async def reactivate(call: Call) -> Answer:
    """POST /v2/images/{image_id}/actions/reactivate"""
    return await _switch(call, ImageStatus.ACTIVE)


async def _switch(call: Call, status: ImageStatus) -> Answer:
    image_id, viewer, now = image_id_of(call), viewer_of(call), call.world.now()

    def change(books: Books) -> None:
        image = books.images.get(image_id, viewer)
        check_owner(image, viewer)
        if image.status not in (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED):
            raise Forbidden(f"Not allowed to {_VERBS[status]} image in status '{image.status.value}'")
        books.images.replace(msgspec.structs.replace(image, status=status, updated_at=now))

    await call.world.ledger.write(change)
    return Answer(204)


_VERBS = {ImageStatus.ACTIVE: "reactivate", ImageStatus.DEACTIVATED: "deactivate"}
