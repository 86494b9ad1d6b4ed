"""/attachments, since 3.27: kept rows. Servers' attachments are shown too, and ended by the Compute API only."""

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.volume import views
from kilonova.api.volume.access import read
from kilonova.api.volume.legacy_attach import refuse_servers, settle
from kilonova.api.volume.listing import everybodys, keys, read_offset, read_pages, show_page
from kilonova.api.volume.schemas import AttachmentCreate
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound, Unsupported
from kilonova.model.ids import new_uuid
from kilonova.model.page import Condition
from kilonova.model.volume import Attachment
from kilonova.model.volume_rules import refuse_not

FILTERS = {"volume_id": "volume_id", "instance_id": "server_id", "status": "state", "attach_status": "state"}
SORT_KEYS = keys("id", "created_at", "volume_id", status="state", instance_id="server_id")
COMPLETE = 44
_NO_CONNECTOR = "Connections are given to this cloud's compute nodes only: attach the volume with the Compute API."


async def list_attachments(call: Call) -> Answer:
    return await _list(call, detail=False)


async def list_details(call: Call) -> Answer:
    return await _list(call, detail=True)


async def create(call: Call) -> Answer:
    """The volume is ``reserved``."""
    body = read(call, "attachment", AttachmentCreate)
    if body.connector:
        raise Unsupported(_NO_CONNECTOR)

    def write(books: Books) -> Attachment:
        volume = books.volumes.volumes.get(body.volume_uuid, call.who)
        refuse_not(volume.status, ("available",), "reserve")
        now = call.world.now()
        made = Attachment(
            id=new_uuid(),
            volume_id=volume.id,
            project_id=volume.project_id,
            state="reserved",
            created_at=now,
            server_id=body.instance_uuid,
            mode=body.mode or "rw",
        )
        books.volumes.attachments.add(made)
        settle(books, volume, now)
        return made

    return Answer(200, {"attachment": views.attachment(await call.world.ledger.write(write))})


async def show(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _own(books, call))
    return Answer(200, {"attachment": views.attachment(found)})


async def update(call: Call) -> Answer:
    """A connector would be answered with the way to the bytes."""
    await call.world.ledger.read(lambda books: _own(books, call))
    raise Unsupported(_NO_CONNECTOR)


async def delete(call: Call) -> Answer:
    """What is left of the volume's attachments."""

    def write(books: Books) -> list[Attachment]:
        gone = _own(books, call)
        refuse_servers(gone)
        books.volumes.attachments.remove(gone.id)
        settle(books, books.volumes.volumes.get(gone.volume_id), call.world.now())
        return list(books.volumes.attachments.of_volume(gone.volume_id))

    left = await call.world.ledger.write(write)
    return Answer(200, {"attachments": [views.attachment(one) for one in left]})


async def act(call: Call) -> Answer:
    """os-complete, since 3.44: whoever reserved it has attached it."""
    body = call.json(dict[str, object])
    if list(body) != ["os-complete"]:
        raise BadRequest(f"There is no such action: {', '.join(sorted(body))[:80]}")
    if call.version[1] < COMPLETE:
        raise NotFound(f"API version 3.{call.version[1]} is not supported on this method.")

    def write(books: Books) -> None:
        old = _own(books, call)
        refuse_servers(old)
        if old.state not in ("reserved", "attaching"):
            raise Conflict(f"Invalid volume: attachment {old.id} is {old.state} and cannot be completed.")
        now = call.world.now()
        books.volumes.attachments.replace(structs.replace(old, state="attached", attached_at=now))
        settle(books, books.volumes.volumes.get(old.volume_id), now)

    await call.world.ledger.write(write)
    return Answer(204)


async def _list(call: Call, *, detail: bool) -> Answer:
    page = read_pages(call, SORT_KEYS)
    where = [Condition(field, values[-1]) for name, field in FILTERS.items() if (values := call.query.get(name))]
    project = None if everybodys(call) else call.who.project_id
    found = await call.world.ledger.read(lambda books: books.volumes.attachments.find(where, page, read_offset(call), project))
    whole = [views.attachment(one) for one in found]
    return show_page(call, "attachments", whole if detail else [_short(one) for one in whole], page)


def _short(view: views.View) -> views.View:
    return {name: view[name] for name in ("id", "status", "instance", "volume_id")}


def _own(books: Books, call: Call) -> Attachment:
    return books.volumes.attachments.get(call.path["attachment_id"], call.who)
