"""``/v3/registered_limits`` and ``/v3/limits``: what oslo.limit and admins read and write. Nothing here is enforced."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import done, many, new_id, one
from kilonova.api.identity.bodies import given, read_object
from kilonova.api.identity.catalogue import all_services
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas import Id, Name255, RegionId, Text
from kilonova.api.identity.views import View
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.identity_limits import Limit, RegisteredLimit
from kilonova.model.page import Condition

Amount = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
_ABOUT = ("service_id", "region_id", "resource_name")


class RegisteredLimitCreate(Struct):
    service_id: Id
    resource_name: Name255
    default_limit: Amount
    region_id: RegionId | None = None
    description: Text | None = None


class RegisteredLimitUpdate(Struct):
    service_id: Id | UnsetType = UNSET
    resource_name: Name255 | UnsetType = UNSET
    default_limit: Amount | UnsetType = UNSET
    region_id: RegionId | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET


class LimitCreate(Struct):
    service_id: Id
    resource_name: Name255
    resource_limit: Amount
    project_id: Id | None = None
    domain_id: Id | None = None
    region_id: RegionId | None = None
    description: Text | None = None


class LimitUpdate(Struct):
    resource_limit: Amount | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET


class RegisteredLimitsCreate(Struct):
    registered_limits: Annotated[list[RegisteredLimitCreate], Meta(min_length=1, max_length=1000)]


class LimitsCreate(Struct):
    limits: Annotated[list[LimitCreate], Meta(min_length=1, max_length=1000)]


async def show_model(call: Call) -> Answer:
    """How limits of projects below one another go together: not at all."""
    description = "Limit enforcement and validation does not take project hierarchy into consideration."
    return Answer(200, {"model": {"name": "flat", "description": description}})


async def list_registered_limits(call: Call) -> Answer:
    page, where = read_page(call, ("id",), (), most=None), read_filters(call, _ABOUT)
    found = await call.world.ledger.read(lambda books: books.identity.registered_limits.find(where, page))
    return many(call, "registered_limits", found, _registered_view, page)


async def create_registered_limits(call: Call) -> Answer:
    """Several at once, all of them or none."""
    wanted = [RegisteredLimit(id=new_id(), **_filled(item)) for item in call.json(RegisteredLimitsCreate).registered_limits]

    def add(books: Books) -> list[RegisteredLimit]:
        for record in wanted:
            _must_be_there(books.identity, record)
        return [books.identity.registered_limits.add(record) for record in wanted]

    answer = many(call, "registered_limits", await call.world.ledger.write(add), _registered_view)
    answer.status = 201
    return answer


async def show_registered_limit(call: Call) -> Answer:
    limit_id = call.path["limit_id"]
    found = await call.world.ledger.read(lambda books: books.identity.registered_limits.get(limit_id))
    return one(call, "registered_limit", found, _registered_view)


async def update_registered_limit(call: Call) -> Answer:
    body, _ = read_object(call, "registered_limit", RegisteredLimitUpdate)

    def change(books: Books) -> RegisteredLimit:
        changed = books.identity.registered_limits.change(call.path["limit_id"], given(body))
        _must_be_there(books.identity, changed)
        return changed

    return one(call, "registered_limit", await call.world.ledger.write(change), _registered_view)


async def delete_registered_limit(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.identity.registered_limits.remove(call.path["limit_id"]))
    return done()


async def list_limits(call: Call) -> Answer:
    """Everyone's for an admin, else those of the token's project or domain."""
    page, where = read_page(call, ("id",), (), most=None), read_filters(call, (*_ABOUT, "project_id", "domain_id"))
    if not call.who.is_admin:
        where += (Condition("project_id", call.who.project_id), Condition("domain_id", call.who.domain_id))
    return many(call, "limits", await call.world.ledger.read(lambda books: books.identity.limits.find(where, page)), _view, page)


async def create_limits(call: Call) -> Answer:
    """Several at once, all of them or none."""
    wanted = [Limit(id=new_id(), **_filled(item)) for item in call.json(LimitsCreate).limits]

    def add(books: Books) -> list[Limit]:
        for record in wanted:
            _must_be_there(books.identity, record)
        return [books.identity.limits.add(record) for record in wanted]

    answer = many(call, "limits", await call.world.ledger.write(add), _view)
    answer.status = 201
    return answer


async def show_limit(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.identity.limits.get(call.path["limit_id"]))
    mine = (found.project_id, found.domain_id) == (call.who.project_id, call.who.domain_id)
    if not mine and not call.who.is_admin:
        raise Forbidden()
    return one(call, "limit", found, _view)


async def update_limit(call: Call) -> Answer:
    body, _ = read_object(call, "limit", LimitUpdate)
    changed = await call.world.ledger.write(lambda books: books.identity.limits.change(call.path["limit_id"], given(body)))
    return one(call, "limit", changed, _view)


async def delete_limit(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.identity.limits.remove(call.path["limit_id"]))
    return done()


def _filled(item: RegisteredLimitCreate | LimitCreate) -> dict[str, Any]:
    return {name: "" if value is None else value for name, value in given(item).items()}


def _must_be_there(book: IdentityBook, record: RegisteredLimit | Limit) -> None:
    """What a limit is about and for; Keystone answers 400 for each."""
    if all(service.id != record.service_id for service in all_services(book)):
        raise BadRequest(f"Could not find service: {record.service_id}.")
    try:
        if record.region_id:
            book.regions.get(record.region_id)
        if isinstance(record, Limit):
            if bool(record.project_id) == bool(record.domain_id):
                raise BadRequest("A limit is for a project or for a domain.")
            if record.project_id:
                book.projects.get(record.project_id)
            else:
                book.domains.get(record.domain_id)
    except NotFound as missing:
        raise BadRequest(str(missing)) from None


def _registered_view(record: RegisteredLimit, root: str) -> View:
    return {
        "id": record.id,
        "service_id": record.service_id,
        "region_id": record.region_id or None,
        "resource_name": record.resource_name,
        "default_limit": record.default_limit,
        "description": record.description or None,
        "links": {"self": f"{root}/registered_limits/{record.id}"},
    }


def _view(record: Limit, root: str) -> View:
    return {
        "id": record.id,
        "project_id": record.project_id or None,
        "domain_id": record.domain_id or None,
        "service_id": record.service_id,
        "region_id": record.region_id or None,
        "resource_name": record.resource_name,
        "resource_limit": record.resource_limit,
        "description": record.description or None,
        "links": {"self": f"{root}/limits/{record.id}"},
    }
