"""/volumes: make, list, show, change, delete."""

from typing import Any

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.paging import read_flag
from kilonova.api.volume import views
from kilonova.api.volume.access import given, read, work_in
from kilonova.api.volume.listing import Filters, everybodys, keys, read_listing, show_page, wants_count
from kilonova.api.volume.schemas import VolumeChange, VolumeCreate
from kilonova.api.volume.views import ShownVolume
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.lifecycle.volume_create import create_volume
from kilonova.lifecycle.volumes import delete_volume
from kilonova.model.volume import Volume, VolumeListing
from kilonova.model.volume_wish import NewVolume

FILTERS = Filters(
    texts=keys("name", "status", "availability_zone", "volume_type_id", display_name="name"),
    flags=keys("bootable"),
    numbers={"size": "size_gb"},
    for_admins=keys("id", "project_id", "user_id", "snapshot_id", "source_volid", tenant_id="project_id"),
)
SORT_KEYS = keys(
    *("id", "name", "status", "created_at", "updated_at", "availability_zone", "bootable"),
    *("volume_type_id", "project_id", "user_id"),
    **{"display_name": "name", "size": "size_gb", "host": "node"},
)


async def list_volumes(call: Call) -> Answer:
    wanted = read_listing(call, FILTERS, SORT_KEYS)
    found, count = await call.world.ledger.read(lambda books: _find(books, call, wanted))
    return show_page(call, "volumes", [views.volume_summary(call, one) for one in found], wanted.page, count)


async def list_details(call: Call) -> Answer:
    wanted = read_listing(call, FILTERS, SORT_KEYS)

    def look(books: Books) -> tuple[list[ShownVolume], int | None]:
        found, count = _find(books, call, wanted)
        return views.look_up(books, found, call.world.now()), count

    found, count = await call.world.ledger.read(look)
    return show_page(call, "volumes", [views.volume(call, one) for one in found], wanted.page, count)


async def summary(call: Call) -> Answer:
    project = None if everybodys(call) else call.who.project_id
    count, size, told = await call.world.ledger.read(lambda books: books.volumes.volumes.summary(project))
    shown: dict[str, Any] = {"total_count": count, "total_size": size}
    if call.version[1] >= 36:
        shown["metadata"] = told
    return Answer(200, {"volume-summary": shown})


async def create(call: Call) -> Answer:
    body = read(call, "volume", VolumeCreate)
    if body.consistencygroup_id or body.group_id:
        raise NotFound("There are no volume groups in this cloud.")
    if body.backup_id:
        raise NotFound(f"Backup {body.backup_id} could not be found.")
    wish = NewVolume(
        size_gb=body.size,
        name=body.name if body.name is not None else body.display_name,
        description=body.description if body.description is not None else body.display_description,
        volume_type=body.volume_type,
        availability_zone=body.availability_zone,
        metadata=body.metadata or {},
        image_id=body.image_ref or body.image_id,
        snapshot_id=body.snapshot_id,
        source_volid=body.source_volid,
    )
    if body.size is None and not (wish.snapshot_id or wish.source_volid):
        raise BadRequest("Invalid input received: Volume size 'None' must be an integer and greater than 0")

    def make(books: Books) -> ShownVolume:
        made = create_volume(wish, call.who, work_in(books, call))
        return views.look_up(books, [made], call.world.now())[0]

    return Answer(202, {"volume": views.volume(call, await call.world.ledger.write(make), whole=False)})


async def show(call: Call) -> Answer:
    shown = await call.world.ledger.read(lambda books: shown_volume(books, call))
    return Answer(200, {"volume": views.volume(call, shown)})


async def update(call: Call) -> Answer:
    body = given(read(call, "volume", VolumeChange))
    if not body:
        raise BadRequest("Invalid input for field/attribute volume. At least one of name, description and metadata is needed.")
    changes = {name.removeprefix("display_"): value for name, value in body.items()}

    def change(books: Books) -> ShownVolume:
        old = own_volume(books, call)
        new = structs.replace(old, **changes, updated_at=call.world.now())
        books.volumes.volumes.replace(new, told="metadata" in changes)
        return views.look_up(books, [new], call.world.now())[0]

    return Answer(200, {"volume": views.volume(call, await call.world.ledger.write(change), whole=False)})


async def delete(call: Call) -> Answer:
    cascade = bool(read_flag(call, "cascade"))
    force = bool(read_flag(call, "force")) and call.version[1] >= 23 and call.who.is_admin
    await call.world.ledger.write(
        lambda books: delete_volume(own_volume(books, call), work_in(books, call), cascade=cascade, force=force)
    )
    return Answer(202)


async def show_encryption(call: Call) -> Answer:
    """No volume is encrypted here."""
    await call.world.ledger.read(lambda books: own_volume(books, call))
    return Answer(200, {"encryption_key_id": None})


def own_volume(books: Books, call: Call) -> Volume:
    """The volume of the path. Raises NotFound."""
    return books.volumes.volumes.get(call.path["volume_id"], call.who)


def shown_volume(books: Books, call: Call) -> ShownVolume:
    return views.look_up(books, [own_volume(books, call)], call.world.now())[0]


def _find(books: Books, call: Call, wanted: VolumeListing) -> tuple[list[Volume], int | None]:
    book = books.volumes.volumes
    return list(book.find(wanted)), book.count(wanted) if wants_count(call) else None
