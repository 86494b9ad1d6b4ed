"""…/metadata of volumes and of snapshots: the same seven operations."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import structs

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.volume.access import read
from kilonova.api.volume.schemas import Pairs
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.volume import Snapshot, Volume

Thing = TypeVar("Thing", Volume, Snapshot)
Pair = Mapping[str, str]


class MetadataHandlers:
    """The handlers for one noun. `find` raises NotFound when the caller does not see the thing."""

    def __init__(self, find: Callable[[Books, Call], Any], keep: Callable[[Books, Any], None]) -> None:
        self._find, self._keep = find, keep

    async def show_all(self, call: Call) -> Answer:
        found = await call.world.ledger.read(lambda books: self._find(books, call).metadata)
        return Answer(200, {"metadata": dict(found)})

    async def add(self, call: Call) -> Answer:
        """What is there and is not named stays."""
        more = read(call, "metadata", Pairs)
        return Answer(200, {"metadata": await self._change(call, lambda old: {**old, **more})})

    async def replace(self, call: Call) -> Answer:
        pairs = read(call, "metadata", Pairs)
        return Answer(200, {"metadata": await self._change(call, lambda _: pairs)})

    async def show_one(self, call: Call) -> Answer:
        found = await call.world.ledger.read(lambda books: self._find(books, call).metadata)
        key = call.path["key"]
        if key not in found:
            raise _missing(key)
        return Answer(200, {"meta": {key: found[key]}})

    async def set_one(self, call: Call) -> Answer:
        pair, key = read(call, "meta", Pairs), call.path["key"]
        if len(pair) > 1:
            raise BadRequest("Request body contains too many items")
        if key not in pair:
            raise BadRequest("Request body and URI mismatch")
        await self._change(call, lambda old: {**old, **pair})
        return Answer(200, {"meta": pair})

    async def delete_one(self, call: Call) -> Answer:
        key = call.path["key"]

        def without(old: Pair) -> Pair:
            if key not in old:
                raise _missing(key)
            return {name: value for name, value in old.items() if name != key}

        await self._change(call, without)
        return Answer(200)

    async def _change(self, call: Call, change: Callable[[Pair], Pair]) -> Pair:
        def write(books: Books) -> Pair:
            old = self._find(books, call)
            new = structs.replace(old, metadata=change(old.metadata), updated_at=call.world.now())
            self._keep(books, new)
            return dict(new.metadata)

        return await call.world.ledger.write(write)

    def readers(self) -> tuple[Handler, ...]:
        return self.show_all, self.show_one


def _missing(key: str) -> NotFound:
    return NotFound(f"Metadata item was not found: {key[:255]}")


OF_VOLUMES = MetadataHandlers(
    lambda books, call: books.volumes.volumes.get(call.path["volume_id"], call.who),
    lambda books, changed: books.volumes.volumes.replace(changed, told=True),
)
OF_SNAPSHOTS = MetadataHandlers(
    lambda books, call: books.volumes.snapshots.get(call.path["snapshot_id"], call.who),
    lambda books, changed: books.volumes.snapshots.replace(changed, told=True),
)
