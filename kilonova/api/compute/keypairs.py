"""Key pairs: a user's public keys, to be put into guests."""

import asyncio

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, page, query, shown, text
from kilonova.api.compute.changes import v2_02
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_92 import MADE_UNTIL
from kilonova.api.compute.query_names import KEYPAIR_PARAMETERS
from kilonova.api.compute.saying import long_stamp, next_page
from kilonova.api.compute.schemas import KeypairFields, KeypairToMake, NewKeypair
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, QuotaExceeded
from kilonova.model.keypair import Keypair
from kilonova.model.quota import UNLIMITED

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-@.")


async def index(call: Call) -> Answer:
    asked = query(call, Asked.KEYPAIR_QUERY, KEYPAIR_PARAMETERS)
    user = _user(call, last(asked, "user_id"))
    marker, limit = page(asked)
    found = await call.world.ledger.read(lambda books: books.keypairs.find(user, marker, limit))
    more = next_page(call, "keypairs", [pair.name for pair in found], limit) if call.version >= (2, 35) else {}
    return Answer(200, {"keypairs": [{"keypair": _brief(call, pair)} for pair in found], **more})


async def show(call: Call) -> Answer:
    user = _asked_user(call)
    pair = await call.world.ledger.read(lambda books: books.keypairs.get(user, call.path["name"]))
    document = {
        **_brief(call, pair),
        "user_id": pair.user_id,
        "id": pair.id,
        "created_at": long_stamp(pair.created_at),
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return Answer(200, {"keypair": document})


async def create(call: Call) -> Answer:
    fields = body(call, NewKeypair if call.version > MADE_UNTIL else KeypairToMake, Asked.KEYPAIR_CREATE).keypair
    name = text(fields.name, "name")
    if not SAFE.issuperset(name):
        raise BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
    user = _user(call, fields.user_id if fields.user_id is not UNSET else None)
    public_key, private_key, fingerprint = await _key(call, fields)
    new = Keypair(
        id=0,
        user_id=user,
        name=name,
        type=fields.type,
        public_key=public_key,
        fingerprint=fingerprint,
        created_at=call.world.now(),
    )
    pair = await call.world.ledger.write(lambda books: _keep(books, call.who.project_id, new))
    document = {**_brief(call, pair), "user_id": pair.user_id}
    if private_key is not None:
        document["private_key"] = private_key
    return Answer(v2_02.CREATED[call.version >= (2, 2)], {"keypair": document})


async def delete(call: Call) -> Answer:
    user = _asked_user(call)
    await call.world.ledger.write(lambda books: books.keypairs.delete(user, call.path["name"]))
    return Answer(v2_02.DELETED[call.version >= (2, 2)])


async def _key(call: Call, fields: KeypairFields) -> tuple[str, str | None, str]:
    """(public key, private key if it was made here, fingerprint)"""
    # Loaded when the first key comes: certificates alone are a tenth of what control loads before it can answer anybody.
    from kilonova.api.compute.public_keys import make_ssh_pair, make_x509_pair, ssh_fingerprint, x509_fingerprint

    fingerprint = ssh_fingerprint if fields.type == "ssh" else x509_fingerprint
    given: str | None = fields.public_key
    if given is not None:
        return given, None, fingerprint(given)
    if fields.type == "ssh":
        public, private = await asyncio.to_thread(make_ssh_pair)
    else:
        public, private = await asyncio.to_thread(make_x509_pair, call.who.user_name)
    return public, private, fingerprint(public)


def _keep(books: Books, project_id: str, new: Keypair) -> Keypair:
    limit = books.quotas.limits(project_id).key_pairs
    if limit != UNLIMITED and books.keypairs.count(new.user_id) >= limit:
        raise QuotaExceeded("Quota exceeded, too many key pairs.")
    return books.keypairs.create(new)


def _asked_user(call: Call) -> str:
    return _user(call, last(query(call, Asked.KEYPAIR_QUERY, KEYPAIR_PARAMETERS), "user_id"))


def _user(call: Call, asked: str | None) -> str:
    if asked is None or asked == call.who.user_id:
        return call.who.user_id
    if not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-keypairs to be performed for another user.")
    return asked


def _brief(call: Call, pair: Keypair) -> Document:
    document: Document = {"name": pair.name, "type": pair.type, "public_key": pair.public_key, "fingerprint": pair.fingerprint}
    return shown(call, Shown.KEYPAIR, document, pair)
