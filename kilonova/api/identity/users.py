"""``/v3/users``: who may ask for a token; projects, groups. How a user changes its own password
stands in `own_password.py`. Passwords are hashed before a transaction is opened."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one, only_self_or_admin, own_domain
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import UserCreate, UserUpdate
from kilonova.api.identity.views import group_view, project_view, user_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest
from kilonova.model.identity import Group, Project, User
from kilonova.model.page import EVERYTHING, Condition, Order


async def list_users(call: Call) -> Answer:
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = read_filters(call, ("name", "id", "domain_id", "default_project_id"), ("enabled",))
    found = await call.world.ledger.read(lambda books: books.identity.users.find(where, page))
    return many(call, "users", found, user_view, page)


async def create_user(call: Call) -> Answer:
    body, extra = read_object(call, "user", UserCreate)
    record = User(
        id=new_id(),
        name=body.name,
        domain_id=body.domain_id or own_domain(call),
        description=body.description or "",
        email=body.email or "",
        enabled=body.enabled,
        default_project_id=body.default_project_id or "",
        password_hash=await call.world.passwords.hash(body.password) if body.password else "",
        options=body.options,
        extra=extra,
    )
    return one(call, "user", await call.world.ledger.write(lambda books: books.identity.users.add(record)), user_view, 201)


async def show_user(call: Call) -> Answer:
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)
    return one(call, "user", await call.world.ledger.read(lambda books: books.identity.users.get(user_id)), user_view)


async def update_user(call: Call) -> Answer:
    body, extra = read_object(call, "user", UserUpdate)
    fields = given(body)
    if "password" in fields:
        password = fields.pop("password")
        fields["password_hash"] = await call.world.passwords.hash(password) if password else ""
    if "password_hash" in fields or fields.get("enabled") is False:
        fields["tokens_from"] = call.world.now()

    def change(books: Books) -> User:
        users = books.identity.users
        old = users.get(call.path["user_id"])
        if fields.get("domain_id", old.domain_id) != old.domain_id:
            raise BadRequest("Cannot change Domain ID.")
        if "password_hash" in fields:
            books.identity.passwords.remember(old.id, call.world.password_rules)
        if "password_hash" in fields or fields.get("enabled"):
            books.identity.passwords.forget_failures(old.id)
        return users.change(old.id, fields | {"extra": merged(old.extra, extra)})

    return one(call, "user", await change_identity(call, change), user_view)


async def delete_user(call: Call) -> Answer:
    await change_identity(call, lambda books: books.identity.users.remove(call.path["user_id"]))
    return done()


async def list_user_projects(call: Call) -> Answer:
    """The projects in which the user has any role."""
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)
    where = read_filters(call, ("name", "domain_id"), ("enabled",))

    def look(books: Books) -> list[Project]:
        books.identity.users.get(user_id)
        ids = tuple(books.identity.assignments.targets(user_id, "project"))
        return books.identity.projects.find((Condition("id", ids, "in"), *where), EVERYTHING)

    return many(call, "projects", await call.world.ledger.read(look), project_view)


async def list_user_groups(call: Call) -> Answer:
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)

    def look(books: Books) -> list[Group]:
        books.identity.users.get(user_id)
        return books.identity.groups.of_user(user_id)

    return many(call, "groups", await call.world.ledger.read(look), group_view)
