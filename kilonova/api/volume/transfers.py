"""Volumes given to another project: /os-volume-transfer, and /volume-transfers since 3.55. Who knows the key may take it."""

import hashlib
import hmac
import secrets

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.volume import views
from kilonova.api.volume.access import read
from kilonova.api.volume.listing import everybodys, keys, read_pages, show_page
from kilonova.api.volume.schemas import Accept, TransferCreate
from kilonova.api.world import Books
from kilonova.errors import BadRequest
from kilonova.model.ids import new_uuid
from kilonova.model.page import Condition
from kilonova.model.volume import Transfer, Volume
from kilonova.model.volume_rules import refuse_not

SORT_KEYS = keys("id", "name", "created_at", "volume_id", display_name="name")
FILTERS = keys("name", "volume_id", display_name="name")
OLD_PATH = "/os-volume-transfer"


async def list_transfers(call: Call) -> Answer:
    return await _list(call, detail=False)


async def list_details(call: Call) -> Answer:
    return await _list(call, detail=True)


async def create(call: Call) -> Answer:
    body = read(call, "transfer", TransferCreate)
    key, salt = secrets.token_hex(8), secrets.token_hex(8)

    def write(books: Books) -> Transfer:
        volume = books.volumes.volumes.get(body.volume_id, call.who)
        if books.volumes.attachments.of_volume(volume.id):
            raise BadRequest("Invalid volume: Volume must not be attached.")
        refuse_not(volume.status, ("available",), "be transferred")
        if body.no_snapshots and books.volumes.snapshots.of_volume(volume.id):
            raise BadRequest("Invalid volume: Volume has dependent snapshots, and they go with it.")
        made = Transfer(
            id=new_uuid(),
            volume_id=volume.id,
            source_project_id=volume.project_id,
            key_salt=salt,
            key_hash=_hash(salt, key),
            created_at=call.world.now(),
            name=body.name,
            with_snapshots=not body.no_snapshots,
            previous_status=volume.status,
        )
        books.volumes.transfers.add(made)
        _status(books, volume, "awaiting-transfer", call)
        return made

    made = await call.world.ledger.write(write)
    return Answer(202, {"transfer": {**_view(call, made, detail=True), "auth_key": key}})


async def show(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _own(books, call))
    return Answer(200, {"transfer": _view(call, found, detail=True)})


async def delete(call: Call) -> Answer:
    def write(books: Books) -> None:
        gone = _own(books, call)
        books.volumes.transfers.remove(gone.id)
        volume = books.volumes.volumes.get(gone.volume_id)
        if volume.status == "awaiting-transfer":
            _status(books, volume, gone.previous_status, call)

    await call.world.ledger.write(write)
    return Answer(202)


async def accept(call: Call) -> Answer:
    """The volume and its snapshots become the caller's project's, within its quota."""
    key = read(call, "accept", Accept).auth_key

    def write(books: Books) -> Transfer:
        taken = books.volumes.transfers.get(call.path["transfer_id"])
        if not hmac.compare_digest(_hash(taken.key_salt, key), taken.key_hash):
            raise BadRequest("Invalid auth key: Attempt to transfer with invalid auth key.")
        _hand_over(books, books.volumes.volumes.get(taken.volume_id), call)
        books.volumes.transfers.remove(taken.id)
        return taken

    taken = await call.world.ledger.write(write)
    return Answer(202, {"transfer": _view(call, taken, detail=False)})


def _hand_over(books: Books, volume: Volume, call: Call) -> None:
    book, who, now = books.volumes, call.who, call.world.now()
    refuse_not(volume.status, ("awaiting-transfer",), "be transferred")
    kind = book.types.get(volume.volume_type_id, who)
    snapshots = book.snapshots.of_volume(volume.id)
    size = volume.size_gb + sum(one.size_gb for one in snapshots)
    if who.project_id != volume.project_id:
        book.quotas.make_room(who.project_id, kind.name, volumes=1, snapshots=len(snapshots), gigabytes=size)
    new_owner = {"project_id": who.project_id, "user_id": who.user_id, "updated_at": now}
    book.volumes.replace(structs.replace(volume, status="available", **new_owner))
    for one in snapshots:
        book.snapshots.replace(structs.replace(one, **new_owner))


async def _list(call: Call, *, detail: bool) -> Answer:
    page = read_pages(call, SORT_KEYS)
    where = [Condition(field, values[-1]) for name, field in FILTERS.items() if (values := call.query.get(name))]
    project = None if everybodys(call) else call.who.project_id
    found = await call.world.ledger.read(lambda books: books.volumes.transfers.find(where, page, project))
    return show_page(call, "transfers", [_view(call, one, detail=detail) for one in found], page)


def _view(call: Call, one: Transfer, *, detail: bool) -> views.View:
    return views.transfer(call, one, detail=detail, new_path=OLD_PATH not in call.url_path)


def _own(books: Books, call: Call) -> Transfer:
    return books.volumes.transfers.get(call.path["transfer_id"], call.who)


def _status(books: Books, volume: Volume, status: str, call: Call) -> None:
    books.volumes.volumes.replace(structs.replace(volume, status=status, updated_at=call.world.now()))


def _hash(salt: str, key: str) -> str:
    return hmac.new(salt.encode(), key.encode(), hashlib.sha256).hexdigest()
