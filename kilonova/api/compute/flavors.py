"""Flavors: list, show, make, describe, delete; and who may use the private ones."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, free_text, last, only, page, pattern, query, shown, text, truth, whole
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_102 import FACTOR_UNTIL
from kilonova.api.compute.query_names import FLAVOR_PARAMETERS
from kilonova.api.compute.saying import links, next_page
from kilonova.api.compute.schemas import (
    AccessTenant,
    FlavorFields,
    FlavorFieldsWithFactor,
    FlavorUpdate,
    NewFlavor,
    NewFlavorWithFactor,
)
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.model.flavor import Flavor
from kilonova.model.flavor_filter import FlavorFilter, FlavorSortKey
from kilonova.model.ids import FlavorId, new_uuid

LONGEST_DESCRIPTION = 65535
SORT_KEYS: Mapping[str, FlavorSortKey] = {
    **{key: key for key in get_args(FlavorSortKey)},
    "flavorid": "id",
    "memory_mb": "ram_mb",
    "root_gb": "disk_gb",
    "ephemeral_gb": "ephemeral_gb",
    "swap": "swap_mb",
    "updated_at": "created_at",
}
_ID = re.compile(r"[a-zA-Z0-9._-]([a-zA-Z0-9. _-]*[a-zA-Z0-9._-])?")


async def index(call: Call) -> Answer:
    return await _list(call, _brief)


async def detail(call: Call) -> Answer:
    return await _list(call, _detailed)


async def show(call: Call) -> Answer:
    only(call)
    flavor = await call.world.ledger.read(lambda books: find(call, books))
    return Answer(200, {"flavor": _detailed(call, flavor)})


async def create(call: Call) -> Answer:
    new = _new(body(call, NewFlavor if call.version > FACTOR_UNTIL else NewFlavorWithFactor, Asked.FLAVOR_CREATE).flavor)
    now = call.world.now()
    flavor = await call.world.ledger.write(lambda books: books.flavors.create(new, now))
    return Answer(200, {"flavor": _detailed(call, flavor)})


async def update(call: Call) -> Answer:
    """Only the description: a flavor that servers were made with does not change."""
    description = free_text(body(call, FlavorUpdate).flavor.description, "description", LONGEST_DESCRIPTION)

    def describe(books: Books) -> Flavor:
        books.flavors.describe(find(call, books).id, description)
        return find(call, books)

    return Answer(200, {"flavor": _detailed(call, await call.world.ledger.write(describe))})


async def delete(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.flavors.delete(call.path["flavor_id"]))
    return Answer(202)


async def access(call: Call) -> Answer:
    """The projects that may use a private flavor."""
    only(call)

    def look(books: Books) -> Document:
        flavor = find(call, books)
        if flavor.is_public:
            raise NotFound("Access list not available for public flavors.")
        return _access(books, flavor.id)

    return Answer(200, await call.world.ledger.read(look))


async def act(call: Call) -> Answer:
    asked = body(call, dict[str, Any])
    name = next(iter(asked)) if len(asked) == 1 else ""
    if name not in ACTIONS:
        raise BadRequest(f"There is no such action: {name[:80]}")
    try:
        tenant = msgspec.convert(asked[name], AccessTenant).tenant
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None
    return await ACTIONS[name](call, tenant)


async def give_access(call: Call, project_id: str) -> Answer:
    def give(books: Books) -> Document:
        flavor = find(call, books)
        if flavor.is_public:
            raise Conflict("Can not add access to a public flavor.")
        books.flavors.give_access(flavor.id, project_id)
        return _access(books, flavor.id)

    return Answer(200, await call.world.ledger.write(give))


async def take_access(call: Call, project_id: str) -> Answer:
    def take(books: Books) -> Document:
        flavor = find(call, books)
        books.flavors.take_access(flavor.id, project_id)
        return _access(books, flavor.id)

    return Answer(200, await call.world.ledger.write(take))


ACTIONS: Mapping[str, Callable[[Call, str], Awaitable[Answer]]] = {
    "addTenantAccess": give_access,
    "removeTenantAccess": take_access,
}


def find(call: Call, books: Books) -> Flavor:
    """The flavor of the path."""
    return books.flavors.get(call.path["flavor_id"], call.who)


async def _list(call: Call, view: Callable[[Call, Flavor], Document]) -> Answer:
    wanted = _wanted(call)
    found = await call.world.ledger.read(lambda books: books.flavors.find(wanted))
    more = next_page(call, "flavors", [flavor.id for flavor in found], wanted.limit)
    return Answer(200, {"flavors": [view(call, flavor) for flavor in found], **more})


def _wanted(call: Call) -> FlavorFilter:
    asked = query(call, Asked.FLAVOR_QUERY, FLAVOR_PARAMETERS)
    marker, limit = page(asked)
    least_disk, least_ram = last(asked, "minDisk"), last(asked, "minRam")
    key = last(asked, "sort_key") or "flavorid"
    direction = last(asked, "sort_dir") or "asc"
    if key not in SORT_KEYS or direction not in ("asc", "desc"):
        raise BadRequest(f"Invalid input for query parameters sort_key or sort_dir. Value: {key[:80]} {direction[:80]}.")
    return FlavorFilter(
        name=pattern(last(asked, "name"), "name"),
        is_public=_kind(call, last(asked, "is_public")),
        accessible_to=None if call.who.is_admin else call.who.project_id,
        min_disk_gb=None if least_disk is None else whole(least_disk, "minDisk"),
        min_ram_mb=None if least_ram is None else whole(least_ram, "minRam"),
        sort_key=SORT_KEYS[key],
        descending=direction == "desc",
        marker=marker,
        limit=limit,
    )


def _kind(call: Call, asked: str | None) -> bool | None:
    """Admins may ask for public, private or both and get public ones unasked; everybody else sees what they may use."""
    if not call.who.is_admin:
        return None
    if asked is None:
        return True
    return None if asked.lower() == "none" else truth(asked, "is_public")


def _new(fields: FlavorFields) -> Flavor:
    given = None if fields.id is None else str(fields.id)
    if given in (None, "auto"):
        given = new_uuid()
    elif len(given) > 255 or _ID.fullmatch(given) is None:
        raise BadRequest("Invalid input for field/attribute id. It may hold letters, digits, and '. _-' inside.")
    try:
        rxtx_factor = float(fields.rxtx_factor) if isinstance(fields, FlavorFieldsWithFactor) else 1.0
    except ValueError:
        rxtx_factor = 0.0
    if not 0.0 < rxtx_factor < 3.4e38:
        raise BadRequest("Invalid input for field/attribute rxtx_factor. It must be a number above 0.")
    return Flavor(
        id=FlavorId(given),
        name=text(fields.name, "name"),
        vcpus=whole(fields.vcpus, "vcpus", 1),
        ram_mb=whole(fields.ram, "ram", 1),
        disk_gb=whole(fields.disk, "disk"),
        ephemeral_gb=whole(fields.ephemeral, "OS-FLV-EXT-DATA:ephemeral"),
        swap_mb=whole(fields.swap or 0, "swap"),
        rxtx_factor=rxtx_factor,
        is_public=truth(fields.is_public, "os-flavor-access:is_public"),
        description=free_text(fields.description, "description", LONGEST_DESCRIPTION),
    )


def _access(books: Books, flavor_id: str) -> Document:
    return {"flavor_access": [{"flavor_id": flavor_id, "tenant_id": project} for project in books.flavors.projects(flavor_id)]}


def _brief(call: Call, flavor: Flavor) -> Document:
    document: Document = {
        "id": flavor.id,
        "name": flavor.name,
        "links": links(call, "flavors", flavor.id),
        "description": flavor.description,
    }
    return shown(call, Shown.FLAVOR_BRIEF, document, flavor)


def _detailed(call: Call, flavor: Flavor) -> Document:
    document: Document = {
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram_mb,
        "disk": flavor.disk_gb,
        "swap": flavor.swap_mb,
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": flavor.is_public,
        "links": links(call, "flavors", flavor.id),
        "description": flavor.description,
        "extra_specs": flavor.extra_specs,
    }
    return shown(call, Shown.FLAVOR, document, flavor)
