"""``/v3/roles`` and which role brings along which. Who has a role is in `grants.py`."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import RoleCreate, RoleUpdate
from kilonova.api.identity.views import View, base, role_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.identity import Role
from kilonova.model.page import EVERYTHING, Condition, Order


async def list_roles(call: Call) -> Answer:
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = (*read_filters(call, ("name", "id")), Condition("domain_id", call.param("domain_id") or ""))
    return many(
        call, "roles", await call.world.ledger.read(lambda books: books.identity.roles.find(where, page)), role_view, page
    )


async def create_role(call: Call) -> Answer:
    body, extra = read_object(call, "role", RoleCreate)
    record = Role(
        id=new_id(),
        name=body.name,
        domain_id=body.domain_id or "",
        description=body.description or "",
        options=body.options,
        extra=extra,
    )
    return one(call, "role", await call.world.ledger.write(lambda books: books.identity.roles.add(record)), role_view, 201)


async def show_role(call: Call) -> Answer:
    role_id = call.path["role_id"]
    return one(call, "role", await call.world.ledger.read(lambda books: books.identity.roles.get(role_id)), role_view)


async def update_role(call: Call) -> Answer:
    body, extra = read_object(call, "role", RoleUpdate)

    def change(books: Books) -> Role:
        roles = books.identity.roles
        old = roles.get(call.path["role_id"])
        return roles.change(old.id, given(body) | {"extra": merged(old.extra, extra)})

    return one(call, "role", await change_identity(call, change), role_view)


async def delete_role(call: Call) -> Answer:
    await change_identity(call, lambda books: books.identity.roles.remove(call.path["role_id"]))
    return done()


async def list_implied(call: Call) -> Answer:
    """What one role brings along directly."""

    def look(books: Books) -> View:
        roles = books.identity.roles
        prior = roles.get(call.path["role_id"])
        return _inference(call, prior, roles.all_of(roles.implications().get(prior.id, set())))

    here = f"{base(call)}/roles/{call.path['role_id']}/implies"
    return Answer(200, {"role_inference": await call.world.ledger.read(look), "links": {"self": here}})


async def show_implied(call: Call) -> Answer:
    return Answer(200, await call.world.ledger.read(lambda books: _single_inference(call, books)))


async def check_implied(call: Call) -> Answer:
    await call.world.ledger.read(lambda books: _single_inference(call, books))
    return done()


async def imply_role(call: Call) -> Answer:
    def change(books: Books) -> View:
        books.identity.roles.imply(call.path["role_id"], call.path["implied_role_id"])
        return _single_inference(call, books)

    return Answer(201, await change_identity(call, change))


async def stop_implying_role(call: Call) -> Answer:
    role_id, implied_id = call.path["role_id"], call.path["implied_role_id"]
    await change_identity(call, lambda books: books.identity.roles.stop_implying(role_id, implied_id))
    return done()


async def list_inferences(call: Call) -> Answer:
    """``/v3/role_inferences``: every role that brings others along, with them."""

    def look(books: Books) -> list[View]:
        roles = books.identity.roles
        known = {role.id: role for role in roles.find((), EVERYTHING)}
        pairs = roles.implications().items()
        return [_inference(call, known[prior], [known[role_id] for role_id in sorted(implied)]) for prior, implied in pairs]

    found = await call.world.ledger.read(look)
    return Answer(200, {"role_inferences": found, "links": {"self": f"{base(call)}/role_inferences"}})


def _single_inference(call: Call, books: Books) -> View:
    roles = books.identity.roles
    prior, implied = roles.get(call.path["role_id"]), roles.get(call.path["implied_role_id"])
    if implied.id not in roles.implications().get(prior.id, set()):
        raise NotFound(f"{prior.id} does not imply {implied.id}.")
    here = f"{base(call)}/roles/{prior.id}/implies/{implied.id}"
    inference = {"prior_role": _short(call, prior), "implies": _short(call, implied)}
    return {"role_inference": inference, "links": {"self": here}}


def _inference(call: Call, prior: Role, implied: list[Role]) -> View:
    return {"prior_role": _short(call, prior), "implies": [_short(call, role) for role in implied]}


def _short(call: Call, role: Role) -> View:
    return {"id": role.id, "name": role.name, "links": {"self": f"{base(call)}/roles/{role.id}"}}
