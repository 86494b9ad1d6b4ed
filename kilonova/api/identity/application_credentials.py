"""``/v3/users/{id}/application_credentials``: made, shown, listed, removed; never changed. Their secret is told once."""

import secrets

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, new_id, only_self_or_admin
from kilonova.api.identity.bodies import read_object
from kilonova.api.identity.delegation import expiry, may_delegate, only_self, own_roles
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas_credentials import AccessRuleRef, AppCredentialCreate
from kilonova.api.identity.views import View, base
from kilonova.api.identity.views_credentials import app_credential_view
from kilonova.api.paging import links_object, read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.identity_credentials import AccessRule, AppCredential
from kilonova.model.page import Condition, Order


async def create_app_credential(call: Call) -> Answer:
    """Only the user itself, with a token for the project; without `roles`, all the token has."""
    user_id = call.path["user_id"]
    only_self(call, user_id)
    may_delegate(call)
    body, _ = read_object(call, "application_credential", AppCredentialCreate)
    if not call.who.project_id:
        raise Forbidden("An application credential is made with a token that is scoped to a project.")
    expires_at = expiry(call, body.expires_at)
    secret = body.secret or secrets.token_urlsafe(64)
    hashed = await call.world.passwords.hash(secret)

    def add(books: Books) -> View:
        book = books.identity
        rules = [_rule(book, user_id, ref) for ref in body.access_rules or []]
        record = book.app_credentials.add(
            AppCredential(
                id=new_id(),
                user_id=user_id,
                project_id=call.who.project_id,
                name=body.name,
                secret_hash=hashed,
                description=body.description or "",
                expires_at=expires_at,
                role_ids=own_roles(call, book, body.roles) if body.roles else tuple(role for role, _ in call.who.role_ids),
                unrestricted=body.unrestricted,
                access_rule_ids=tuple(dict.fromkeys(rule.id for rule in rules)),
            )
        )
        return _view(call, book, record)

    view = await call.world.ledger.write(add)
    return Answer(201, {"application_credential": view | {"secret": secret}})


async def list_app_credentials(call: Call) -> Answer:
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = (*read_filters(call, ("name",)), Condition("user_id", user_id))

    def look(books: Books) -> list[View]:
        books.identity.users.get(user_id)
        return [_view(call, books.identity, record) for record in books.identity.app_credentials.find(where, page)]

    found = await call.world.ledger.read(look)
    return Answer(200, {"application_credentials": found, "links": links_object(call, page, [str(item["id"]) for item in found])})


async def show_app_credential(call: Call) -> Answer:
    only_self_or_admin(call, call.path["user_id"])
    view = await call.world.ledger.read(lambda books: _view(call, books.identity, _own(call, books.identity)))
    return Answer(200, {"application_credential": view})


async def delete_app_credential(call: Call) -> Answer:
    """Its tokens lose their force; its access rules stay."""
    only_self_or_admin(call, call.path["user_id"])
    may_delegate(call)
    await change_identity(call, lambda books: books.identity.app_credentials.remove(_own(call, books.identity).id))
    return done()


def _own(call: Call, book: IdentityBook) -> AppCredential:
    """Raises NotFound also when it is another user's."""
    credential_id = call.path["credential_id"]
    found = book.app_credentials.get(credential_id)
    if found.user_id != call.path["user_id"]:
        raise NotFound(f"Could not find application credential: {credential_id[:64]}.")
    return found


def _rule(book: IdentityBook, user_id: str, ref: AccessRuleRef) -> AccessRule:
    if ref.id:
        known = book.access_rules.get(ref.id)
        if known.user_id != user_id:
            raise NotFound(f"Could not find access rule: {ref.id[:64]}.")
        return known
    if not (ref.service and ref.method and ref.path):
        raise BadRequest("An access rule needs a service, a method and a path, or an id.")
    return book.access_rules.same_or_new(
        AccessRule(id=new_id(), user_id=user_id, service=ref.service, method=ref.method, path=ref.path)
    )


def _view(call: Call, book: IdentityBook, record: AppCredential) -> View:
    roles, rules = book.roles.all_of(record.role_ids), book.access_rules.all_of(record.access_rule_ids)
    return app_credential_view(record, roles, rules, base(call))
