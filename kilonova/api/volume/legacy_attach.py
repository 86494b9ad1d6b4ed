"""The volume actions with which attachments were kept before there were attachments: rows only, no guest is told.

A volume that a server has is let go by the Compute API alone. How to reach the bytes is told to compute nodes only.
"""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.volume.access import admin_only, convert
from kilonova.api.volume.schemas import Attach, Detach
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound, Unsupported
from kilonova.model.ids import new_uuid
from kilonova.model.volume import Attachment, Volume
from kilonova.model.volume_rules import refuse_not, settled


async def attach(call: Call, said: object) -> Answer:
    """``in-use`` at once: whoever calls this has attached it himself."""
    body = convert(said, Attach)
    if (body.instance_uuid is None) == (body.host_name is None):
        raise BadRequest("Invalid request to attach volume to an instance and a host simultaneously, or to neither.")

    def write(books: Books) -> None:
        volume = _own(books, call)
        theirs = books.volumes.attachments.of_volume(volume.id)
        refuse_not(volume.status, ("available", "attaching"), "be attached")
        if theirs:
            raise BadRequest(f"Invalid volume: Volume {volume.id} is attached already.")
        now = call.world.now()
        made = Attachment(
            id=new_uuid(),
            volume_id=volume.id,
            project_id=volume.project_id,
            state="attached",
            created_at=now,
            server_id=body.instance_uuid,
            device=body.mountpoint,
            mode=body.mode,
            host_name=body.host_name,
            attached_at=now,
        )
        if volume.read_only and body.mode == "rw":
            raise BadRequest(f"Invalid volume: Volume {volume.id} is read-only and cannot be attached in mode rw.")
        books.volumes.attachments.add(made)
        settle(books, volume, now)

    await call.world.ledger.write(write)
    return Answer(202)


async def detach(call: Call, said: object) -> Answer:
    wanted = convert(said or {}, Detach).attachment_id

    def write(books: Books) -> None:
        volume = _own(books, call)
        theirs = [one for one in books.volumes.attachments.of_volume(volume.id) if wanted in (None, one.id)]
        if wanted is not None and not theirs:
            raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {wanted}.")
        for one in theirs:
            refuse_servers(one)
            books.volumes.attachments.remove(one.id)
        settle(books, volume, call.world.now(), anyway=True)

    await call.world.ledger.write(write)
    return Answer(202)


async def force_detach(call: Call, said: object) -> Answer:
    admin_only(call, "volume_extension:volume_admin_actions:force_detach")
    return await detach(call, {"attachment_id": _attachment_id(said)})


async def reserve(call: Call, said: object) -> Answer:
    return await _turn(call, ("available",), "attaching", "be reserved")


async def unreserve(call: Call, said: object) -> Answer:
    return await _turn(call, ("attaching",), None, "be unreserved")


async def begin_detaching(call: Call, said: object) -> Answer:
    return await _turn(call, ("in-use",), "detaching", "begin detaching")


async def roll_detaching(call: Call, said: object) -> Answer:
    return await _turn(call, ("detaching",), None, "roll back detaching")


async def connect(call: Call, said: object) -> Answer:
    """Whoever reads a volume's bytes over the network is a compute node of this cloud."""
    await call.world.ledger.read(lambda books: _own(books, call))
    raise Unsupported("Connections are given to this cloud's compute nodes only: attach the volume with the Compute API.")


ACTIONS: Mapping[str, Callable[[Call, object], Awaitable[Answer]]] = {
    "os-attach": attach,
    "os-detach": detach,
    "os-force_detach": force_detach,
    "os-reserve": reserve,
    "os-unreserve": unreserve,
    "os-begin_detaching": begin_detaching,
    "os-roll_detaching": roll_detaching,
    "os-initialize_connection": connect,
    "os-terminate_connection": connect,
}


def refuse_servers(attachment: Attachment) -> None:
    """Raises Conflict for what a server's order keeps."""
    if attachment.made_by_server:
        raise Conflict(f"Detach volume from instance {attachment.server_id} using the Compute API")


def settle(books: Books, volume: Volume, now: float, *, anyway: bool = False) -> None:
    """The volume's status follows its attachments; while something else is done to it, only when `anyway`."""
    if volume.work_id is None and (anyway or volume.status in ("available", "reserved", "attaching", "detaching", "in-use")):
        status = settled(books.volumes.attachments.of_volume(volume.id))
        books.volumes.volumes.replace(structs.replace(volume, status=status, updated_at=now))


async def _turn(call: Call, allowed: tuple[str, ...], status: str | None, what: str) -> Answer:
    """`status` None: what its attachments say."""

    def write(books: Books) -> None:
        volume = _own(books, call)
        refuse_not(volume.status, allowed, what)
        theirs = books.volumes.attachments.of_volume(volume.id)
        for one in theirs:
            refuse_servers(one)
        turned = structs.replace(volume, status=status or settled(theirs), updated_at=call.world.now())
        books.volumes.volumes.replace(turned)

    await call.world.ledger.write(write)
    return Answer(202)


def _own(books: Books, call: Call) -> Volume:
    return books.volumes.volumes.get(call.path["volume_id"], call.who)


def _attachment_id(said: object) -> object:
    return said.get("attachment_id") if isinstance(said, dict) else None
