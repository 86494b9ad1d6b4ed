"""POST /volumes/{id}/action: what is ordered of a volume's node, its flags, and what an admin may put right."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.volume import legacy_attach, views
from kilonova.api.volume.access import admin_only, convert, work_in
from kilonova.api.volume.schemas import Extend, Key, Pairs, ResetStatus, Retype, Revert, SetBootable, SetReadOnly, UploadImage
from kilonova.api.volume.volumes import own_volume
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.lifecycle import volumes as work
from kilonova.model.images import Image
from kilonova.model.volume import Volume, VolumeType
from kilonova.model.volume_rules import ATTACH_STATUSES, RESETTABLE, refuse_not
from kilonova.model.volume_wish import Upload

Value = TypeVar("Value")
Action = Callable[[Call, object], Awaitable[Answer]]
EXTEND_IN_USE = 42
REVERT = 40


async def act(call: Call) -> Answer:
    body = call.json(dict[str, object])
    for name, action in ACTIONS.items():
        if name in body and len(body) == 1:
            return await action(call, body[name])
    raise BadRequest(f"There is no such action: {', '.join(sorted(body))[:80]}")


async def extend(call: Call, said: object) -> Answer:
    size = convert(said, Extend).new_size
    if size <= 0:
        raise BadRequest(f"Invalid input for field/attribute new_size. Value: {size}. It must be greater than 0.")

    def order(books: Books) -> None:
        volume = own_volume(books, call)
        if call.version[1] < EXTEND_IN_USE:
            refuse_not(volume.status, ("available",), "extend")
        work.extend_volume(volume, size, work_in(books, call))

    await call.world.ledger.write(order)
    return Answer(202)


async def set_bootable(call: Call, said: object) -> Answer:
    bootable = convert(said, SetBootable).bootable
    await _change(call, lambda old: structs.replace(old, bootable=bootable))
    return Answer(200)


async def set_read_only(call: Call, said: object) -> Answer:
    read_only = convert(said, SetReadOnly).readonly

    def change(old: Volume) -> Volume:
        refuse_not(old.status, ("available",), "update readonly flag")
        return structs.replace(old, read_only=read_only)

    await _change(call, change)
    return Answer(202)


async def reset_status(call: Call, said: object) -> Answer:
    """The row alone: no byte is touched, and what was under way is not waited for any more."""
    admin_only(call, "volume_extension:volume_admin_actions:reset_status")
    body = convert(said, ResetStatus)
    if body.status is None and body.attach_status is None and body.migration_status is None:
        raise BadRequest("Must specify 'status', 'attach_status', or 'migration_status' for update.")
    if body.status is not None and body.status.lower() not in RESETTABLE:
        raise BadRequest(f"Invalid input for field/attribute status. Value: {body.status[:64]}.")
    if body.attach_status not in (None, *ATTACH_STATUSES) or body.migration_status not in (None, "none"):
        raise BadRequest("Invalid input for field/attribute attach_status or migration_status.")

    def write(books: Books) -> None:
        old = own_volume(books, call)
        if body.attach_status == "detached":
            books.volumes.attachments.forget_volume(old.id)
        if body.status is not None:
            if old.work_id:
                books.orders.volume_done(old.work_id)
            new = structs.replace(old, status=body.status.lower(), work_id=None, wanted_size_gb=None, updated_at=call.world.now())
            books.volumes.volumes.replace(new)

    await call.world.ledger.write(write)
    return Answer(202)


async def force_delete(call: Call, said: object) -> Answer:
    admin_only(call, "volume_extension:volume_admin_actions:force_delete")
    await call.world.ledger.write(lambda books: work.delete_volume(own_volume(books, call), work_in(books, call), force=True))
    return Answer(202)


async def upload(call: Call, said: object) -> Answer:
    """The image is there, queued; the volume's node fills it."""
    body = convert(said, UploadImage)
    if body.visibility == "public":
        admin_only(call, "volume_extension:volume_actions:upload_public")
    wish = Upload(**{name: getattr(body, name) for name in Upload.__struct_fields__})

    def order(books: Books) -> tuple[Volume, Image, Mapping[str, object]]:
        volume = own_volume(books, call)
        image = work.upload_volume(volume, wish, call.who, work_in(books, call))
        kind = books.volumes.types.get(volume.volume_type_id)
        return own_volume(books, call), image, _whole_type(kind)

    volume, image, kind = await call.world.ledger.write(order)
    shown = {
        "id": volume.id,
        "updated_at": views.stamp(volume.updated_at),
        "status": volume.status,
        "display_description": volume.description,
        "size": volume.size_gb,
        "volume_type": kind,
        "image_id": image.id,
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "image_name": image.name,
    }
    if call.version[1] >= 1:
        shown |= {"visibility": image.visibility.value, "protected": image.protected}
    return Answer(202, {"os-volume_upload_image": shown})


async def retype(call: Call, said: object) -> Answer:
    body = convert(said, Retype)
    await call.world.ledger.write(
        lambda books: work.retype_volume(own_volume(books, call), body.new_type, call.who, work_in(books, call))
    )
    return Answer(202)


async def revert(call: Call, said: object) -> Answer:
    if call.version[1] < REVERT:
        raise NotFound(f"API version 3.{call.version[1]} is not supported on this method.")
    snapshot_id = convert(said, Revert).snapshot_id

    def order(books: Books) -> None:
        snapshot = books.volumes.snapshots.get(snapshot_id, call.who)
        work.revert_volume(own_volume(books, call), snapshot, work_in(books, call))

    await call.world.ledger.write(order)
    return Answer(202)


async def show_image_metadata(call: Call, said: object) -> Answer:
    volume = await call.world.ledger.read(lambda books: own_volume(books, call))
    return Answer(200, {"metadata": dict(volume.image_metadata or {})})


async def set_image_metadata(call: Call, said: object) -> Answer:
    more = _of(said, "metadata", Pairs)
    changed = await _change(call, lambda old: structs.replace(old, image_metadata={**(old.image_metadata or {}), **more}))
    return Answer(200, {"metadata": dict(changed.image_metadata or {})})


async def unset_image_metadata(call: Call, said: object) -> Answer:
    key = _of(said, "key", Key)

    def change(old: Volume) -> Volume:
        if key not in (old.image_metadata or {}):
            raise NotFound(f"Metadata item was not found: {key}")
        kept = {name: value for name, value in (old.image_metadata or {}).items() if name != key}
        return structs.replace(old, image_metadata=kept)

    await _change(call, change)
    return Answer(200)


ACTIONS: Mapping[str, Action] = {
    "os-extend": extend,
    "os-set_bootable": set_bootable,
    "os-update_readonly_flag": set_read_only,
    "os-reset_status": reset_status,
    "os-force_delete": force_delete,
    "os-volume_upload_image": upload,
    "os-retype": retype,
    "revert": revert,
    "os-show_image_metadata": show_image_metadata,
    "os-set_image_metadata": set_image_metadata,
    "os-unset_image_metadata": unset_image_metadata,
    **legacy_attach.ACTIONS,
}


async def _change(call: Call, change: Callable[[Volume], Volume]) -> Volume:
    def write(books: Books) -> Volume:
        new = structs.replace(change(own_volume(books, call)), updated_at=call.world.now())
        books.volumes.volumes.replace(new)
        return new

    return await call.world.ledger.write(write)


def _of(said: object, name: str, shape: type[Value]) -> Value:
    if not isinstance(said, dict) or name not in said:
        raise BadRequest(f"Missing required element '{name}' in request body.")
    return convert(said[name], shape)


def _whole_type(kind: VolumeType) -> Mapping[str, object]:
    return {
        "id": kind.id,
        "name": kind.name,
        "description": kind.description,
        "is_public": kind.is_public,
        "qos_specs_id": kind.qos_specs_id,
        "extra_specs": dict(kind.extra_specs),
        "created_at": views.stamp(kind.created_at),
        "updated_at": views.stamp(kind.updated_at),
        "deleted": False,
        "deleted_at": None,
    }
