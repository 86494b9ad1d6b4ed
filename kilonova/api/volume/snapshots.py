"""/snapshots: make, list, show, change, delete, and their actions."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, structs

from kilonova.api.call import Answer, Call
from kilonova.api.volume import views
from kilonova.api.volume.access import admin_only, convert, given, read, work_in
from kilonova.api.volume.listing import Filters, keys, read_listing, show_page, wants_count
from kilonova.api.volume.schemas import ResetStatus, SnapshotChange, SnapshotCreate
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.lifecycle.volumes import create_snapshot, delete_snapshot
from kilonova.model.volume import Snapshot, VolumeListing
from kilonova.model.volume_rules import SNAPSHOT_RESETTABLE
from kilonova.model.volume_wish import NewSnapshot

FILTERS = Filters(
    texts=keys("name", "status", "volume_id", display_name="name"),
    numbers={"size": "size_gb", "volume_size": "size_gb"},
    for_admins=keys("id", "project_id", "user_id", tenant_id="project_id"),
)
SORT_KEYS = keys(
    "id", "name", "status", "volume_id", "created_at", "updated_at", "project_id", "user_id",
    display_name="name", size="size_gb", volume_size="size_gb",
)  # fmt: skip
FORCE_IS_THE_RULE = 66
"""Since this minor version a volume in use can be snapshotted without being told to."""
NEXT_STATUS = {"creating": ("creating", "available", "error"), "deleting": ("deleting", "error_deleting")}


class Progress(Struct, kw_only=True):
    status: str
    progress: str | None = None


async def list_snapshots(call: Call) -> Answer:
    return await _list(call, detail=False)


async def list_details(call: Call) -> Answer:
    return await _list(call, detail=True)


async def create(call: Call) -> Answer:
    body = read(call, "snapshot", SnapshotCreate)
    force = bool(body.force)
    if call.version[1] >= FORCE_IS_THE_RULE:
        if body.force is False:
            raise BadRequest("Invalid value 'False' for force: since 3.66 a volume in use can always be snapshotted.")
        force = True
    if body.volume_id is None:
        raise NotFound("Volume None could not be found.")
    wish = NewSnapshot(
        volume_id=body.volume_id,
        name=body.name if body.name is not None else body.display_name,
        description=body.description if body.description is not None else body.display_description,
        metadata=body.metadata or {},
        force=force,
    )
    made = await call.world.ledger.write(lambda books: create_snapshot(wish, call.who, work_in(books, call)))
    return Answer(202, {"snapshot": views.snapshot(call, made, detail=False)})


async def show(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _own(books, call))
    return Answer(200, {"snapshot": views.snapshot(call, found, detail=True)})


async def update(call: Call) -> Answer:
    body = given(read(call, "snapshot", SnapshotChange))
    if not body:
        raise BadRequest("Invalid input for field/attribute snapshot. At least one of name and description is needed.")
    changes = {name.removeprefix("display_"): value for name, value in body.items()}
    changed = await _change(call, lambda old: structs.replace(old, **changes))
    return Answer(200, {"snapshot": views.snapshot(call, changed, detail=False)})


async def delete(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: delete_snapshot(_own(books, call), work_in(books, call)))
    return Answer(202)


async def act(call: Call) -> Answer:
    body = call.json(dict[str, object])
    for name, action in ACTIONS.items():
        if name in body and len(body) == 1:
            return await action(call, body[name])
    raise BadRequest(f"There is no such action: {', '.join(sorted(body))[:80]}")


async def _reset_status(call: Call, said: object) -> Answer:
    admin_only(call, "snapshot_extension:snapshot_admin_actions:reset_status")
    status = convert(said, ResetStatus).status
    if status not in SNAPSHOT_RESETTABLE:
        raise BadRequest(f"Invalid input for field/attribute status. Value: {str(status)[:64]}.")
    await _change(call, lambda old: structs.replace(old, status=status, work_id=None))
    return Answer(202)


async def _update_status(call: Call, said: object) -> Answer:
    """What a driver would say of its progress."""
    body = convert(said, Progress)
    if body.progress is not None and not (body.progress.endswith("%") and body.progress[:-1].isdecimal()):
        raise BadRequest("progress must be an integer percentage")

    def change(old: Snapshot) -> Snapshot:
        if body.status not in NEXT_STATUS.get(old.status, ()):
            raise BadRequest(f"Snapshot status {old.status} is not allowed to become {body.status[:64]}.")
        return structs.replace(old, status=body.status, progress=body.progress or old.progress)

    await _change(call, change)
    return Answer(202)


async def _force_delete(call: Call, said: object) -> Answer:
    admin_only(call, "volume_extension:snapshot_admin_actions:force_delete")
    await call.world.ledger.write(lambda books: delete_snapshot(_own(books, call), work_in(books, call), force=True))
    return Answer(202)


ACTIONS: Mapping[str, Callable[[Call, object], Awaitable[Answer]]] = {
    "os-reset_status": _reset_status,
    "os-update_snapshot_status": _update_status,
    "os-force_delete": _force_delete,
}


async def _list(call: Call, *, detail: bool) -> Answer:
    wanted = read_listing(call, FILTERS, SORT_KEYS)
    found, count = await call.world.ledger.read(lambda books: _find(books, call, wanted))
    return show_page(call, "snapshots", [views.snapshot(call, one, detail=detail) for one in found], wanted.page, count)


def _find(books: Books, call: Call, wanted: VolumeListing) -> tuple[list[Snapshot], int | None]:
    book = books.volumes.snapshots
    return list(book.find(wanted)), book.count(wanted) if wants_count(call) else None


async def _change(call: Call, change: Callable[[Snapshot], Snapshot]) -> Snapshot:
    def write(books: Books) -> Snapshot:
        new = structs.replace(change(_own(books, call)), updated_at=call.world.now())
        books.volumes.snapshots.replace(new)
        return new

    return await call.world.ledger.write(write)


def _own(books: Books, call: Call) -> Snapshot:
    return books.volumes.snapshots.get(call.path["snapshot_id"], call.who)
