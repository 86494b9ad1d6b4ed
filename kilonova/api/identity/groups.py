"""``/v3/groups``: users who get roles together, and who is in which. Knows no roles."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one, own_domain
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import GroupCreate, GroupUpdate
from kilonova.api.identity.views import group_view, user_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.identity import Group
from kilonova.model.page import Order


async def list_groups(call: Call) -> Answer:
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = read_filters(call, ("name", "id", "domain_id"))
    return many(
        call, "groups", await call.world.ledger.read(lambda books: books.identity.groups.find(where, page)), group_view, page
    )


async def create_group(call: Call) -> Answer:
    body, extra = read_object(call, "group", GroupCreate)
    record = Group(
        id=new_id(),
        name=body.name,
        domain_id=body.domain_id or own_domain(call),
        description=body.description or "",
        extra=extra,
    )
    return one(call, "group", await call.world.ledger.write(lambda books: books.identity.groups.add(record)), group_view, 201)


async def show_group(call: Call) -> Answer:
    group_id = call.path["group_id"]
    return one(call, "group", await call.world.ledger.read(lambda books: books.identity.groups.get(group_id)), group_view)


async def update_group(call: Call) -> Answer:
    body, extra = read_object(call, "group", GroupUpdate)
    fields = given(body)

    def change(books: Books) -> Group:
        groups = books.identity.groups
        old = groups.get(call.path["group_id"])
        if fields.get("domain_id", old.domain_id) != old.domain_id:
            raise BadRequest("Cannot change Domain ID.")
        return groups.change(old.id, fields | {"extra": merged(old.extra, extra)})

    return one(call, "group", await change_identity(call, change), group_view)


async def delete_group(call: Call) -> Answer:
    await change_identity(call, lambda books: books.identity.groups.remove(call.path["group_id"]))
    return done()


async def list_members(call: Call) -> Answer:
    group_id = call.path["group_id"]
    return many(call, "users", await call.world.ledger.read(lambda books: books.identity.groups.members(group_id)), user_view)


async def add_member(call: Call) -> Answer:
    group_id, user_id = call.path["group_id"], call.path["user_id"]
    await change_identity(call, lambda books: books.identity.groups.add_member(group_id, user_id))
    return done()


async def check_member(call: Call) -> Answer:
    group_id, user_id = call.path["group_id"], call.path["user_id"]
    if not await call.world.ledger.read(lambda books: books.identity.groups.has_member(group_id, user_id)):
        raise NotFound(f"User '{user_id[:64]}' not found in group '{group_id[:64]}'.")
    return done()


async def remove_member(call: Call) -> Answer:
    group_id, user_id = call.path["group_id"], call.path["user_id"]
    await change_identity(call, lambda books: books.identity.groups.remove_member(group_id, user_id))
    return done()
