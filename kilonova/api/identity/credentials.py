"""``/v3/credentials`` and ``/v3/users/{id}/credentials/OS-EC2``: secrets users keep for other programs. None signs in here.

An EC2 credential's id follows from its access key, as in Keystone, so that one can be found by the other.
"""

import hashlib
import json
import secrets
from typing import Any

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one, only_self_or_admin
from kilonova.api.identity.bodies import given, read_object
from kilonova.api.identity.delegation import may_delegate
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas_credentials import CredentialCreate, CredentialUpdate, Ec2Create
from kilonova.api.identity.views import base
from kilonova.api.identity.views_credentials import credential_view, ec2_view
from kilonova.api.paging import links_object, read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.identity_credentials import Credential
from kilonova.model.page import EVERYTHING, Condition

EC2 = "ec2"


async def list_credentials(call: Call) -> Answer:
    """Everyone's for an admin, else one's own."""
    page = read_page(call, ("id",), (), most=None)
    where = read_filters(call, ("user_id", "type"))
    if not call.who.is_admin:
        where += (Condition("user_id", call.who.user_id),)
    found = await call.world.ledger.read(lambda books: books.identity.credentials.find(where, page))
    return many(call, "credentials", found, credential_view, page)


async def create_credential(call: Call) -> Answer:
    body, _ = read_object(call, "credential", CredentialCreate)
    may_delegate(call)
    user_id = body.user_id or call.who.user_id
    only_self_or_admin(call, user_id)
    if body.type.lower() == EC2 and not body.project_id:
        raise BadRequest("Expecting to find project_id in credential of type ec2.")
    credential_id = _ec2_id(_keys(body.blob)["access"]) if body.type.lower() == EC2 else new_id()
    record = Credential(id=credential_id, user_id=user_id, type=body.type, blob=body.blob, project_id=body.project_id or "")
    added = await call.world.ledger.write(lambda books: _add(books.identity, record))
    return one(call, "credential", added, credential_view, 201)


async def show_credential(call: Call) -> Answer:
    return one(call, "credential", await call.world.ledger.read(lambda books: _seen(call, books.identity)), credential_view)


async def update_credential(call: Call) -> Answer:
    """Only the secret itself can change; whose it is, and of what type, cannot."""
    body, _ = read_object(call, "credential", CredentialUpdate)
    may_delegate(call)
    fields = given(body)

    def change(books: Books) -> Credential:
        old = _seen(call, books.identity)
        for name in ("user_id", "type", "project_id"):
            if fields.get(name, getattr(old, name)) != getattr(old, name):
                raise BadRequest(f"Update of `{name}` is not allowed.")
        if old.type.lower() == EC2 and "blob" in fields:
            _keys(fields["blob"])
        return books.identity.credentials.change(old.id, fields)

    return one(call, "credential", await call.world.ledger.write(change), credential_view)


async def delete_credential(call: Call) -> Answer:
    may_delegate(call)
    await change_identity(call, lambda books: books.identity.credentials.remove(_seen(call, books.identity).id))
    return done()


async def list_ec2(call: Call) -> Answer:
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)

    def look(books: Books) -> list[Credential]:
        books.identity.users.get(user_id)
        return books.identity.credentials.find((Condition("user_id", user_id), Condition("type", EC2)), EVERYTHING)

    found = [ec2_view(record, base(call)) for record in await call.world.ledger.read(look)]
    return Answer(200, {"credentials": found, "links": links_object(call, EVERYTHING, ())})


async def create_ec2(call: Call) -> Answer:
    """New keys for the user in a project where it has a role."""
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)
    may_delegate(call)
    project_id = call.json(Ec2Create).tenant_id
    keys = {"access": new_id(), "secret": secrets.token_hex(16), "trust_id": None}
    record = Credential(id=_ec2_id(keys["access"] or ""), user_id=user_id, type=EC2, blob=json.dumps(keys), project_id=project_id)

    def add(books: Books) -> Credential:
        books.identity.users.get(user_id)
        books.identity.projects.get(project_id)
        if project_id not in books.identity.assignments.targets(user_id, "project"):
            raise Forbidden()
        return _add(books.identity, record)

    return one(call, "credential", await call.world.ledger.write(add), ec2_view, 201)


async def show_ec2(call: Call) -> Answer:
    only_self_or_admin(call, call.path["user_id"])
    return one(call, "credential", await call.world.ledger.read(lambda books: _ec2(call, books.identity)), ec2_view)


async def delete_ec2(call: Call) -> Answer:
    only_self_or_admin(call, call.path["user_id"])
    may_delegate(call)
    await change_identity(call, lambda books: books.identity.credentials.remove(_ec2(call, books.identity).id))
    return done()


def _add(book: IdentityBook, record: Credential) -> Credential:
    book.users.get(record.user_id)
    if record.project_id:
        book.projects.get(record.project_id)
    return book.credentials.add(record)


def _seen(call: Call, book: IdentityBook) -> Credential:
    """Raises Forbidden for another user's."""
    found = book.credentials.get(call.path["credential_id"])
    only_self_or_admin(call, found.user_id)
    return found


def _ec2(call: Call, book: IdentityBook) -> Credential:
    found = book.credentials.get(_ec2_id(call.path["access"]))
    if found.user_id != call.path["user_id"] or found.type.lower() != EC2:
        raise NotFound(f"Could not find credential: {call.path['access'][:64]}.")
    return found


def _ec2_id(access: str) -> str:
    return hashlib.sha256(access.encode()).hexdigest()


def _keys(blob: str) -> dict[str, Any]:
    """An EC2 secret: a JSON object with an access key. Raises BadRequest."""
    try:
        keys = msgspec.json.decode(blob, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise BadRequest("Invalid blob in credential.") from None
    if not isinstance(keys.get("access"), str):
        raise BadRequest("Expecting to find access in the blob of an ec2 credential.")
    return keys
