"""Images as old clients still ask Compute for them (up to 2.35; their metadata up to 2.38). Translates; the image book has them.

What is shown, filtered and refused is as in Nova's proxy to Glance: newest first, the caller's own and what is shared with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kilonova.api.call import Answer, Call, Routes
from kilonova.api.compute.asking import MAX_PAGE, body, last, moment, page, whole
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.saying import bookmark, links, next_page, stamp
from kilonova.api.compute.schemas import MetaBody, MetadataBody
from kilonova.api.compute.spoken import until
from kilonova.api.rights import Right, Rights
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.images import (
    NOT_ADDITIONAL,
    Image,
    ImageQuestion,
    ImageStatus,
    Moment,
    Viewer,
    check_deletable,
    check_owner,
)
from kilonova.model.page import Condition, Order, Page
from kilonova.model.quota import UNLIMITED

_STATUS = {ImageStatus.ACTIVE: "ACTIVE", ImageStatus.QUEUED: "SAVING", ImageStatus.SAVING: "SAVING"}
_PROGRESS = {ImageStatus.QUEUED: 25, ImageStatus.SAVING: 50, ImageStatus.ACTIVE: 100}
_PROPERTIES = {"server": "instance_uuid", "type": "image_type"}
_NUMBERS = {"minRam": "min_ram", "minDisk": "min_disk"}
_NEWEST_FIRST = (Order("created_at", descending=True), Order("id", descending=True))


async def _index(call: Call) -> Answer:
    """GET /images"""
    return await _list(call, _mention)


async def _detail(call: Call) -> Answer:
    """GET /images/detail"""
    return await _list(call, _view)


async def _show(call: Call) -> Answer:
    """GET /images/{image_id}"""
    return Answer(200, {"image": _view(call, await call.world.ledger.read(lambda books: _find(call, books)))})


async def _delete(call: Call) -> Answer:
    """DELETE /images/{image_id}: the record first, then the bytes, as the image API does."""
    now = call.world.now()

    def forget(books: Books) -> str:
        image = _find(call, books)
        check_deletable(image, _viewer(call))
        books.images.remove(image.id, now)
        return image.id

    await call.world.images.remove(await call.world.ledger.write(forget))
    return Answer(204)


async def _delete_nothing(call: Call) -> Answer:
    """DELETE /images/, as a client sends it that has an empty id."""
    raise NotFound("Image not found.")


async def _metadata(call: Call) -> Answer:
    """GET /images/{image_id}/metadata"""
    image = await call.world.ledger.read(lambda books: _find(call, books))
    return Answer(200, {"metadata": image.properties})


async def _add_metadata(call: Call) -> Answer:
    """POST /images/{image_id}/metadata"""
    new = body(call, MetadataBody).metadata
    return Answer(200, {"metadata": await _change(call, lambda old: {**old, **new})})


async def _replace_metadata(call: Call) -> Answer:
    """PUT /images/{image_id}/metadata"""
    new = body(call, MetadataBody).metadata
    return Answer(200, {"metadata": await _change(call, lambda old: new)})


async def _metadata_item(call: Call) -> Answer:
    """GET /images/{image_id}/metadata/{key}"""
    image, key = await call.world.ledger.read(lambda books: _find(call, books)), call.path["key"]
    if key not in image.properties:
        raise NotFound("Metadata item was not found")
    return Answer(200, {"meta": {key: image.properties[key]}})


async def _set_metadata_item(call: Call) -> Answer:
    """PUT /images/{image_id}/metadata/{key}"""
    meta = body(call, MetaBody).meta
    if call.path["key"] not in meta:
        raise BadRequest("Request body and URI mismatch")
    await _change(call, lambda old: {**old, **meta})
    return Answer(200, {"meta": meta})


async def _delete_metadata_item(call: Call) -> Answer:
    """DELETE /images/{image_id}/metadata/{key}"""
    key = call.path["key"]

    def without(old: Mapping[str, str]) -> dict[str, str]:
        if key not in old:
            raise NotFound("Metadata item was not found")
        return {name: value for name, value in old.items() if name != key}

    await _change(call, without)
    return Answer(204)


async def _list(call: Call, view: Callable[[Call, Image], Document]) -> Answer:
    question = _question(call)
    found = await call.world.ledger.read(lambda books: books.images.find(question))
    links_of_page = next_page(call, "images", [image.id for image in found], question.page.limit or len(found) + 1)
    return Answer(200, {"images": [view(call, image) for image in found], **links_of_page})


def _question(call: Call) -> ImageQuestion:
    """Nova's filters and, as there, ``property-NAME``; others are ignored. Raises BadRequest."""
    marker, limit = page(call.query)
    where = [Condition("os_hidden", False)]
    properties = {name.removeprefix("property-"): values[-1] for name, values in call.query.items() if name[:9] == "property-"}
    for name, values in call.query.items():
        if name in _PROPERTIES:
            properties[_PROPERTIES[name]] = values[-1].rpartition("/")[2]  # a server may be named by its link
        elif name in _NUMBERS:
            where.append(Condition(_NUMBERS[name], whole(values[-1], name)))
        elif name == "name":
            where.append(Condition("name", values[-1]))
        elif name == "status":
            where.append(Condition("status", values[-1].lower()))
    since = last(call.query, "changes-since")
    moments = () if since is None else (Moment(field="updated_at", comparison="gte", at=int(moment(since, "changes-since"))),)
    wanted = Page(limit=limit or MAX_PAGE, marker=marker, order=_NEWEST_FIRST)  # 0 was never passed on to Glance
    return ImageQuestion(viewer=_viewer(call), page=wanted, where=tuple(where), properties=properties, moments=moments)


async def _change(call: Call, change: Callable[[Mapping[str, str]], dict[str, str]]) -> dict[str, str]:
    now = call.world.now()

    def change_it(books: Books) -> dict[str, str]:
        image = _find(call, books)
        check_owner(image, _viewer(call))
        items = change(image.properties)
        if NOT_ADDITIONAL & (items.keys() - image.properties.keys()):
            raise BadRequest(f"These are no metadata of an image: {', '.join(sorted(NOT_ADDITIONAL & items.keys()))}.")
        limit = books.quotas.limits(call.who.project_id).metadata_items
        if limit != UNLIMITED and len(items) > max(limit, len(image.properties)):
            raise Forbidden(f"Maximum number of metadata items exceeds {limit}")
        books.images.replace(msgspec.structs.replace(image, properties=items, updated_at=now))
        return items

    return await call.world.ledger.write(change_it)


def _viewer(call: Call) -> Viewer:
    return Viewer(project_id=call.who.project_id, is_admin=call.who.is_admin)


def _find(call: Call, books: Books) -> Image:
    """The image in the path. Raises NotFound."""
    image_id = call.path["image_id"]
    try:
        return books.images.get(image_id[:64], _viewer(call))
    except NotFound:
        raise NotFound("Image not found.") from None


def _mention(call: Call, image: Image) -> Document:
    return {"id": image.id, "name": image.name, "links": _links(call, image)}


def _links(call: Call, image: Image) -> list[dict[str, str]]:
    there = f"{call.world.public_url}/image/images/{image.id}"
    return [*links(call, "images", image.id), {"rel": "alternate", "type": "application/vnd.openstack.image", "href": there}]


def _view(call: Call, image: Image) -> Document:
    view: dict[str, Any] = {
        **_mention(call, image),
        "status": _STATUS.get(image.status, "UNKNOWN"),
        "progress": _PROGRESS.get(image.status, 0),
        "minDisk": image.min_disk,
        "minRam": image.min_ram,
        "metadata": image.properties,
        "created": stamp(image.created_at),
        "updated": stamp(image.updated_at),
        "OS-EXT-IMG-SIZE:size": image.content.size if image.content else None,
    }
    server_id = image.properties.get("instance_uuid")
    if server_id:
        itself, short = links(call, "servers", server_id)[:1], bookmark(call, "servers", server_id)
        view["server"] = {"id": server_id, "links": [*itself, *short]}
    if "auto_disk_config" in image.properties:
        view["OS-DCF:diskConfig"] = "AUTO" if image.properties["auto_disk_config"].lower() in ("true", "1") else "MANUAL"
    return view


index, detail, show = (until(35, handler) for handler in (_index, _detail, _show))
delete, delete_nothing = (until(35, handler) for handler in (_delete, _delete_nothing))
metadata, add_metadata, replace_metadata = (until(38, handler) for handler in (_metadata, _add_metadata, _replace_metadata))
metadata_item, set_metadata_item, delete_metadata_item = (
    until(38, handler) for handler in (_metadata_item, _set_metadata_item, _delete_metadata_item)
)

_IMAGE = "/v2.1/images/{image_id}"
ROUTES: Routes = {
    "/v2.1/images": {"GET": index, "DELETE": delete_nothing},
    "/v2.1/images/detail": {"GET": detail},
    _IMAGE: {"GET": show, "DELETE": delete},
    _IMAGE + "/metadata": {"GET": metadata, "POST": add_metadata, "PUT": replace_metadata},
    _IMAGE + "/metadata/{key}": {"GET": metadata_item, "PUT": set_metadata_item, "DELETE": delete_metadata_item},
}
_READ = (index, detail, show, metadata, metadata_item)
_CHANGE = (delete, delete_nothing, add_metadata, replace_metadata, set_metadata_item, delete_metadata_item)
RIGHTS: Rights = {**dict.fromkeys(_READ, Right.READER), **dict.fromkeys(_CHANGE, Right.MEMBER)}
