"""What is claimed: by one server, and by a project."""

from collections import Counter
from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.placement.asking import BAD_VALUE, only
from kilonova.api.placement.looking import providers
from kilonova.api.world import Books
from kilonova.errors import BadRequest
from kilonova.model.placement import Allocation, Provider

CONSUMER_TYPE = "INSTANCE"
"""Only servers claim anything here."""


async def of_consumer(call: Call) -> Answer:
    """GET /allocations/{consumer}; a consumer nobody knows has claimed nothing."""

    def look(books: Books) -> tuple[dict[str, Provider], list[Allocation]]:
        found = list(books.allocations.find(consumer=call.path["consumer"]))
        return ({one.name: one for one in providers(call, books)} if found else {}), found

    hosts, found = await call.world.ledger.read(look)
    by_provider = {
        hosts[allocation.host].id: {"generation": hosts[allocation.host].generation, "resources": allocation.resources}
        for allocation in found
    }
    return Answer(200, {"allocations": by_provider, **(_whose(call, found[0]) if found else {})})


def _whose(call: Call, allocation: Allocation) -> dict[str, Any]:
    minor = call.version[1]
    owner = {"project_id": allocation.project_id, "user_id": allocation.user_id} if minor >= 12 else {}
    generation = {"consumer_generation": 1} if minor >= 28 else {}
    return {**owner, **generation, **({"consumer_type": CONSUMER_TYPE} if minor >= 38 else {})}


async def usages(call: Call) -> Answer:
    """GET /usages?project_id=, since 1.9; by type of consumer since 1.38."""
    by_type = call.version >= (1, 38)
    only(call, ("project_id", "user_id", "consumer_type") if by_type else ("project_id", "user_id"))
    project_id, kind = call.param("project_id"), call.param("consumer_type")
    if not project_id:
        raise BadRequest("Invalid query string parameters: 'project_id' is a required property", BAD_VALUE)
    user_id = call.param("user_id")
    found = await call.world.ledger.read(lambda books: books.allocations.find(project_id=project_id, user_id=user_id))
    used: Counter[str] = Counter()
    for allocation in found:
        used.update(allocation.resources)
    if not by_type:
        return Answer(200, {"usages": dict(used)})
    name = "all" if kind == "all" else CONSUMER_TYPE
    there = bool(found) and kind in (None, "all", CONSUMER_TYPE)
    return Answer(200, {"usages": {name: {"consumer_count": len({one.consumer for one in found}), **used}} if there else {}})
