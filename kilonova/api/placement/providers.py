"""Resource providers: the hosts, what they have, what is used of it, and by whom."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.placement.asking import filter_of, only, uuid_of
from kilonova.api.placement.looking import provider, providers
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.placement import Allocation, Inventory, Provider

_SINCE = {"name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18}
_LINKS = (("inventories", 0), ("usages", 0), ("aggregates", 1), ("traits", 6), ("allocations", 11))


async def index(call: Call) -> Answer:
    """GET /resource_providers"""
    only(call, (name for name, minor in _SINCE.items() if call.version[1] >= minor))
    name, wanted = call.param("name"), filter_of(call)
    one = call.param("uuid")
    one = None if one is None else uuid_of(one, "uuid")

    def fits(candidate: Provider) -> bool:
        named = name in (None, candidate.name) and one in (None, candidate.id)
        return named and wanted.fits(candidate) and candidate.has_room(wanted.resources)

    found = await call.world.ledger.read(lambda books: providers(call, books))
    return Answer(200, {"resource_providers": [_view(call, candidate) for candidate in found if fits(candidate)]})


async def show(call: Call) -> Answer:
    """GET /resource_providers/{uuid}"""
    return Answer(200, _view(call, await _one(call)))


async def inventories(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/inventories"""
    one = await _one(call)
    views = {name: _inventory(inventory) for name, inventory in one.inventories.items()}
    return Answer(200, {"resource_provider_generation": one.generation, "inventories": views})


async def inventory(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/inventories/{resource_class}"""
    one, name = await _one(call), call.path["resource_class"]
    if name not in one.inventories:
        raise NotFound(f"No inventory of class {name[:64]} for {one.id}")
    return Answer(200, {"resource_provider_generation": one.generation, **_inventory(one.inventories[name])})


async def usages(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/usages"""
    one = await _one(call)
    used = {name: inventory.used for name, inventory in one.inventories.items()}
    return Answer(200, {"resource_provider_generation": one.generation, "usages": used})


async def aggregates(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/aggregates, since 1.1"""
    one = await _one(call)
    generation = {"resource_provider_generation": one.generation} if call.version >= (1, 19) else {}
    return Answer(200, {"aggregates": sorted(one.aggregates), **generation})


async def traits(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/traits, since 1.6"""
    one = await _one(call)
    return Answer(200, {"traits": sorted(one.traits), "resource_provider_generation": one.generation})


async def allocations(call: Call) -> Answer:
    """GET /resource_providers/{uuid}/allocations"""

    def look(books: Books) -> tuple[Provider, list[Allocation]]:
        one = provider(call, books)
        return one, list(books.allocations.find(host=one.name))

    one, found = await call.world.ledger.read(look)
    generation = {"consumer_generation": 1} if call.version >= (1, 28) else {}
    by_consumer = {allocation.consumer: {"resources": allocation.resources, **generation} for allocation in found}
    return Answer(200, {"allocations": by_consumer, "resource_provider_generation": one.generation})


async def _one(call: Call) -> Provider:
    return await call.world.ledger.read(lambda books: provider(call, books))


def _view(call: Call, one: Provider) -> dict[str, Any]:
    here = f"/placement/resource_providers/{one.id}"
    links = [{"rel": "self", "href": here}]
    links += [{"rel": name, "href": f"{here}/{name}"} for name, minor in _LINKS if call.version[1] >= minor]
    tree = {"parent_provider_uuid": None, "root_provider_uuid": one.id} if call.version >= (1, 14) else {}
    return {"uuid": one.id, "name": one.name, "generation": one.generation, "links": links, **tree}


def _inventory(inventory: Inventory) -> dict[str, Any]:
    return {
        "total": inventory.total,
        "reserved": 0,
        "min_unit": 1,
        "max_unit": inventory.capacity,
        "step_size": 1,
        "allocation_ratio": inventory.ratio,
    }
