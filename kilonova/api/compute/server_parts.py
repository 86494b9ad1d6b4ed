"""The parts of a server with paths of their own: addresses, metadata, tags."""

from collections.abc import Callable
from urllib.parse import quote

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, only
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.saying import links
from kilonova.api.compute.schemas import MetaBody, MetadataBody, TagsBody
from kilonova.api.compute.server_view import by_network
from kilonova.api.compute.servers import find
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.quota import UNLIMITED

MOST_TAGS = 50
LONGEST_TAG = 60


async def addresses(call: Call) -> Answer:
    only(call)
    return Answer(200, {"addresses": await _addresses(call)})


async def addresses_of_network(call: Call) -> Answer:
    only(call)
    name = call.path["network_name"]
    networks = await _addresses(call)
    if name not in networks:
        raise NotFound(f"Network not found: {name[:80]}")
    return Answer(200, {name: networks[name]})


async def _addresses(call: Call) -> Document:
    def look(books: Books) -> Document:
        server = find(call, books)
        return by_network(books.servers.addresses([server.id]).get(server.id, ()), with_mac=False)

    return await call.world.ledger.read(look)


async def metadata(call: Call) -> Answer:
    only(call)
    return Answer(200, {"metadata": await _metadata(call)})


async def replace_metadata(call: Call) -> Answer:
    new = body(call, MetadataBody).metadata
    return Answer(200, {"metadata": await _change_metadata(call, lambda old: new)})


async def add_metadata(call: Call) -> Answer:
    new = body(call, MetadataBody).metadata
    return Answer(200, {"metadata": await _change_metadata(call, lambda old: {**old, **new})})


async def metadata_item(call: Call) -> Answer:
    only(call)
    key = call.path["key"]
    items = await _metadata(call)
    if key not in items:
        raise NotFound("Metadata item was not found")
    return Answer(200, {"meta": {key: items[key]}})


async def set_metadata_item(call: Call) -> Answer:
    meta = body(call, MetaBody).meta
    if call.path["key"] not in meta:
        raise BadRequest("Request body and URI mismatch")
    await _change_metadata(call, lambda old: {**old, **meta})
    return Answer(200, {"meta": meta})


async def delete_metadata_item(call: Call) -> Answer:
    key = call.path["key"]

    def without(old: dict[str, str]) -> dict[str, str]:
        if key not in old:
            raise NotFound("Metadata item was not found")
        return {name: value for name, value in old.items() if name != key}

    await _change_metadata(call, without)
    return Answer(204)


async def _metadata(call: Call) -> dict[str, str]:
    return await call.world.ledger.read(lambda books: find(call, books).metadata)


async def _change_metadata(call: Call, change: Callable[[dict[str, str]], dict[str, str]]) -> dict[str, str]:
    now = call.world.now()

    def change_it(books: Books) -> dict[str, str]:
        server = find(call, books)
        items = change(server.metadata)
        limit = books.quotas.limits(server.project_id).metadata_items
        if limit != UNLIMITED and len(items) > max(limit, len(server.metadata)):
            raise Forbidden(f"Maximum number of metadata items exceeds {limit}")
        books.servers.set_metadata(server.id, items, now)
        return items

    return await call.world.ledger.write(change_it)


async def tags(call: Call) -> Answer:
    only(call)
    return Answer(200, {"tags": await call.world.ledger.read(lambda books: find(call, books).tags)})


async def replace_tags(call: Call) -> Answer:
    new = tuple(dict.fromkeys(body(call, TagsBody).tags))
    return Answer(200, {"tags": await _change_tags(call, lambda old: new)})


async def delete_tags(call: Call) -> Answer:
    await _change_tags(call, lambda old: ())
    return Answer(204)


async def tag(call: Call) -> Answer:
    """204 when the server has it."""
    only(call)
    if call.path["tag"] not in await call.world.ledger.read(lambda books: find(call, books).tags):
        raise NotFound(f"Server has no tag '{call.path['tag'][:80]}'")
    return Answer(204)


async def add_tag(call: Call) -> Answer:
    """201 when it is new, 204 when it was there."""
    new = call.path["tag"]
    if not 1 <= len(new) <= LONGEST_TAG or "," in new or "/" in new:
        raise BadRequest(f"Invalid tag: it must have 1 to {LONGEST_TAG} characters, without ',' and '/'.")
    was_there = False

    def with_it(old: tuple[str, ...]) -> tuple[str, ...]:
        nonlocal was_there
        was_there = new in old
        if not was_there and len(old) >= MOST_TAGS:
            raise BadRequest(f"The number of tags exceeded the per-server limit {MOST_TAGS}")
        return old if was_there else (*old, new)

    await _change_tags(call, with_it)
    if was_there:
        return Answer(204)
    where = links(call, "servers", call.path["server_id"])[0]["href"]
    return Answer(201, None, {"Location": f"{where}/tags/{quote(new)}"})


async def delete_tag(call: Call) -> Answer:
    gone = call.path["tag"]

    def without(old: tuple[str, ...]) -> tuple[str, ...]:
        if gone not in old:
            raise NotFound(f"Server has no tag '{gone[:80]}'")
        return tuple(name for name in old if name != gone)

    await _change_tags(call, without)
    return Answer(204)


async def _change_tags(call: Call, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> tuple[str, ...]:
    now = call.world.now()

    def change_it(books: Books) -> tuple[str, ...]:
        server = find(call, books)
        new = change(tuple(server.tags))
        books.servers.set_tags(server.id, new, now)
        return new

    return await call.world.ledger.write(change_it)
