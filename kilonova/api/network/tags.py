"""…/tags of everything that has them. Who may tag a thing is who may change it."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.network.needs import NetworkBook
from kilonova.api.network.schemas import read_whole
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.caller import Caller
from kilonova.model.network_rights import refuse_stranger
from kilonova.model.network_wish import Tags

MOST = 50
Finder = Callable[[NetworkBook, str, Caller], Any]


class TagList(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    tags: Tags


class TagHandlers:
    """The six handlers for the tags of one noun; `find` raises NotFound when the caller does not see the thing."""

    def __init__(self, parameter: str, find: Finder) -> None:
        self._parameter = parameter
        self._find = find

    async def show_all(self, call: Call) -> Answer:
        tags = await call.world.ledger.read(lambda books: self._tags(books, call))
        return Answer(200, {"tags": tags})

    async def replace_all(self, call: Call) -> Answer:
        wanted = sorted(set(read_whole(call, TagList).tags))
        await self._change(call, lambda _: wanted)
        return Answer(200, {"tags": wanted})

    async def delete_all(self, call: Call) -> Answer:
        await self._change(call, lambda _: [])
        return Answer(204)

    async def show_one(self, call: Call) -> Answer:
        tags = await call.world.ledger.read(lambda books: self._tags(books, call))
        _refuse_missing(tags, call.path["tag"])
        return Answer(204)

    async def add_one(self, call: Call) -> Answer:
        tag = call.path["tag"]
        if len(tag) > 255 or "\0" in tag:
            raise BadRequest(f"Invalid input for operation: '{tag[:64]}…' exceeds maximum length of 255.", kind="InvalidInput")
        await self._change(call, lambda tags: sorted({*tags, tag}))
        return Answer(201)

    async def delete_one(self, call: Call) -> Answer:
        tag = call.path["tag"]

        def without(tags: Sequence[str]) -> Sequence[str]:
            _refuse_missing(tags, tag)
            return [one for one in tags if one != tag]

        await self._change(call, without)
        return Answer(204)

    def _tags(self, books: Books, call: Call) -> Sequence[str]:
        thing = self._find(books.networks, call.path[self._parameter], call.who)
        return books.networks.tags.of(thing.id)

    async def _change(self, call: Call, change: Callable[[Sequence[str]], Sequence[str]]) -> None:
        def rewrite(books: Books) -> None:
            thing = self._find(books.networks, call.path[self._parameter], call.who)
            refuse_stranger(thing.project_id, call.who)
            tags = change(books.networks.tags.of(thing.id))
            if len(tags) > MOST:
                raise BadRequest(f"Invalid input for operation: there are more than {MOST} tags.", kind="InvalidInput")
            books.networks.tags.replace(thing.id, tags)

        await call.world.ledger.write(rewrite)


def _refuse_missing(tags: Sequence[str], tag: str) -> None:
    if tag not in tags:
        raise NotFound(f"Tag {tag[:255]} could not be found.", kind="TagNotFound")


NETWORK_TAGS = TagHandlers("network_id", lambda book, one, caller: book.networks.get(one, caller))
SUBNET_TAGS = TagHandlers("subnet_id", lambda book, one, caller: book.subnets.get(one, caller))
PORT_TAGS = TagHandlers("port_id", lambda book, one, caller: book.ports.get(one, caller))
GROUP_TAGS = TagHandlers("security_group_id", lambda book, one, caller: book.groups.get(one, caller))
ROUTER_TAGS = TagHandlers("router_id", lambda book, one, caller: book.routers.get(one, caller))
FLOATING_IP_TAGS = TagHandlers("floatingip_id", lambda book, one, caller: book.floating_ips.get(one, caller))
SUBNETPOOL_TAGS = TagHandlers("subnetpool_id", lambda book, one, caller: book.subnetpools.get(one, caller))
ALL_TAGS = (NETWORK_TAGS, SUBNET_TAGS, PORT_TAGS, GROUP_TAGS, ROUTER_TAGS, FLOATING_IP_TAGS, SUBNETPOOL_TAGS)


def readers() -> list[Handler]:
    return [handler for tags in ALL_TAGS for handler in (tags.show_all, tags.show_one)]


def writers() -> list[Handler]:
    return [handler for tags in ALL_TAGS for handler in (tags.replace_all, tags.delete_all, tags.add_one, tags.delete_one)]
