"""``/v3/OS-TRUST/trusts``: one user lets another act for it, in one project with some of its roles. None is passed on further."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id
from kilonova.api.identity.bodies import read_object
from kilonova.api.identity.delegation import expiry, may_delegate, only_self
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas_credentials import RoleRef, TrustCreate
from kilonova.api.identity.views import View, base, role_view
from kilonova.api.identity.views_credentials import trust_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound, Unsupported
from kilonova.model.identity import Role
from kilonova.model.identity_credentials import Trust
from kilonova.model.page import Condition


async def create_trust(call: Call) -> Answer:
    """Only the trustor itself, for roles it has in that project."""
    body, _ = read_object(call, "trust", TrustCreate)
    only_self(call, body.trustor_user_id)
    may_delegate(call)
    if body.allow_redelegation:
        raise Unsupported("Trusts that can be passed on are not available in this cloud.")
    if not body.project_id or not body.roles:
        raise Forbidden("At least one role in a project should be specified.")
    project_id, expires_at = body.project_id, expiry(call, body.expires_at)

    def add(books: Books) -> View:
        book = books.identity
        book.users.get(body.trustee_user_id)
        record = Trust(
            id=new_id(),
            trustor_id=body.trustor_user_id,
            trustee_id=body.trustee_user_id,
            project_id=project_id,
            impersonation=body.impersonation,
            role_ids=_roles(book, body.trustor_user_id, project_id, body.roles),
            expires_at=expires_at,
            uses_left=body.remaining_uses,
        )
        return _whole(call, book, book.trusts.add(record))

    return Answer(201, {"trust": await call.world.ledger.write(add)})


async def list_trusts(call: Call) -> Answer:
    """All for an admin; another asks for those it gave, or those it was given."""
    renamed = {"trustor_user_id": "trustor_id", "trustee_user_id": "trustee_id"}
    where = [Condition(renamed[c.field], c.value) for c in read_filters(call, tuple(renamed)) if c.how == "is"]
    if not call.who.is_admin and not any(condition.value == call.who.user_id for condition in where):
        raise Forbidden()
    page = read_page(call, ("id",), (), most=None)
    return many(call, "trusts", await call.world.ledger.read(lambda books: books.identity.trusts.find(where, page)), trust_view)


async def show_trust(call: Call) -> Answer:
    view = await call.world.ledger.read(lambda books: _whole(call, books.identity, _seen(call, books.identity)))
    return Answer(200, {"trust": view})


async def delete_trust(call: Call) -> Answer:
    """Its tokens lose their force."""
    may_delegate(call)

    def change(books: Books) -> None:
        found = books.identity.trusts.get(call.path["trust_id"])
        if found.trustor_id != call.who.user_id and not call.who.is_admin:
            raise Forbidden()
        books.identity.trusts.remove(found.id)

    await change_identity(call, change)
    return done()


async def list_trust_roles(call: Call) -> Answer:
    def look(books: Books) -> list[Role]:
        return books.identity.roles.all_of(_seen(call, books.identity).role_ids)

    return many(call, "roles", await call.world.ledger.read(look), role_view)


async def show_trust_role(call: Call) -> Answer:
    role_id = call.path["role_id"]

    def look(books: Books) -> Role:
        if role_id not in _seen(call, books.identity).role_ids:
            raise NotFound(f"Could not find role: {role_id[:64]}.")
        return books.identity.roles.get(role_id)

    return Answer(200, {"role": role_view(await call.world.ledger.read(look), base(call))})


def _seen(call: Call, book: IdentityBook) -> Trust:
    """Raises Forbidden to who is neither side of it."""
    found = book.trusts.get(call.path["trust_id"])
    if call.who.user_id not in (found.trustor_id, found.trustee_id) and not call.who.is_admin:
        raise Forbidden()
    return found


def _roles(book: IdentityBook, trustor_id: str, project_id: str, wanted: list[RoleRef]) -> tuple[str, ...]:
    """Raises NotFound when the trustor does not have one of them there."""
    has = book.assignments.effective(trustor_id, "project", project_id)
    found: dict[str, None] = {}
    for ref in wanted:
        if not ref.id and not ref.name:
            raise BadRequest("A role needs an id or a name.")
        role = next((role for role in has if (role.id == ref.id if ref.id else role.name == ref.name)), None)
        if role is None:
            raise NotFound(f"Could not find role assignment with role: {(ref.id or ref.name or '')[:64]}, in this project.")
        found[role.id] = None
    return tuple(found)


def _whole(call: Call, book: IdentityBook, record: Trust) -> View:
    roles = [role_view(role, base(call)) for role in book.roles.all_of(record.role_ids)]
    return trust_view(record, base(call)) | {"roles": roles}
