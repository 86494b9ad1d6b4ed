"""What happens to volumes and snapshots after they are made, on control: each function is one change of status and one order.

All raise NotFound, BadRequest when the status forbids it, TooLarge when the quota is used up.
"""

from typing import Any

from msgspec import structs

from kilonova.errors import BadRequest, Conflict
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_create import choose_node
from kilonova.lifecycle.volume_work import VolumeOrder, Work
from kilonova.model.caller import Caller
from kilonova.model.ids import ImageId, NodeName, new_uuid
from kilonova.model.images import Image, Visibility
from kilonova.model.volume import Snapshot, Volume
from kilonova.model.volume_rules import (
    BIGGEST,
    SNAPSHOT_DELETABLE,
    refuse_not,
    refuse_not_snapshot,
    refuse_undeletable,
)
from kilonova.model.volume_wish import NewSnapshot, Upload


def delete_volume(volume: Volume, world: VolumeWorld, *, cascade: bool = False, force: bool = False) -> None:
    """``deleting`` until its node has said so; without a node there are no bytes, and it is gone at once.

    `force`: whatever its status; attachments are forgotten. `cascade`: its snapshots go first.
    """
    book = world.books.volumes
    snapshots = book.snapshots.of_volume(volume.id)
    if not force:
        refuse_undeletable(volume, book.attachments.of_volume(volume.id), len(snapshots), cascade)
    if snapshots and not cascade:
        raise BadRequest(f"Invalid volume: Volume {volume.id} still has {len(snapshots)} dependent snapshots.")
    for snapshot in snapshots:
        if not force:
            refuse_not_snapshot(snapshot, SNAPSHOT_DELETABLE, "be deleted with its volume")
    if volume.work_id is not None:
        world.books.orders.volume_done(volume.work_id)  # whatever it was: it would only bring bytes back
    book.transfers.forget_volume(volume.id)
    book.attachments.forget_volume(volume.id)
    if volume.node is None:
        for snapshot in snapshots:
            book.snapshots.remove(snapshot.id)
        book.volumes.remove(volume.id)
        return
    going = structs.replace(volume, status="deleting", previous_status=None, work_id=None, updated_at=world.now)
    book.volumes.replace(going)
    if not snapshots:
        order_deletion(going, world)
    for snapshot in snapshots:
        _begin_snapshot(snapshot, volume, "deleting", "delete_snapshot", world)


def order_deletion(volume: Volume, world: VolumeWorld) -> None:
    """Its snapshots are gone, or there were none."""
    _begin(volume, "deleting", "delete", world)


def extend_volume(volume: Volume, size_gb: int, world: VolumeWorld) -> None:
    """A guest that uses it may go on."""
    refuse_not(volume.status, ("available", "in-use"), "extend")
    if not volume.size_gb < size_gb <= BIGGEST:
        raise BadRequest(
            f"Invalid input received: New size for extend must be greater than current size."
            f" (current: {volume.size_gb}, extended: {size_gb})."
        )
    book = world.books.volumes
    book.quotas.refuse_too_big(volume.project_id, size_gb)
    kind = book.types.get(volume.volume_type_id)
    book.quotas.make_room(volume.project_id, kind.name, gigabytes=size_gb - volume.size_gb)
    _begin(structs.replace(volume, wanted_size_gb=size_gb), "extending", "extend", world, size_gb=size_gb)


def create_snapshot(wish: NewSnapshot, caller: Caller, world: VolumeWorld) -> Snapshot:
    """The volume keeps its status; with `wish.force` a guest may be writing to it."""
    book = world.books.volumes
    volume = book.volumes.get(wish.volume_id, caller)
    refuse_not(volume.status, ("available", "in-use") if wish.force else ("available",), "create snapshot")
    if volume.node is None:
        raise BadRequest(f"Invalid volume: Volume {volume.id} has no bytes to keep.")
    kind = book.types.get(volume.volume_type_id)
    book.quotas.make_room(volume.project_id, kind.name, snapshots=1, gigabytes=volume.size_gb)
    snapshot = Snapshot(
        id=new_uuid(),
        volume_id=volume.id,
        project_id=volume.project_id,
        user_id=caller.user_id,
        size_gb=volume.size_gb,
        status="creating",
        created_at=world.now,
        name=wish.name,
        description=wish.description,
        progress="0%",
        metadata=wish.metadata,
        work_id=new_uuid(),
    )
    book.snapshots.add(snapshot)
    _queue(volume, snapshot.work_id or "", "snapshot", world, snapshot_id=snapshot.id, size_gb=snapshot.size_gb)
    return snapshot


def delete_snapshot(snapshot: Snapshot, world: VolumeWorld, *, force: bool = False) -> None:
    if not force:
        refuse_not_snapshot(snapshot, SNAPSHOT_DELETABLE, "be deleted")
    volume = world.books.volumes.volumes.get(snapshot.volume_id)
    if volume.node is None:
        world.books.volumes.snapshots.remove(snapshot.id)
        return
    _begin_snapshot(snapshot, volume, "deleting", "delete_snapshot", world)


def revert_volume(volume: Volume, snapshot: Snapshot, world: VolumeWorld) -> None:
    """The volume's bytes become those of its newest snapshot. Raises Conflict when it was extended since, or is in use."""
    snapshots = world.books.volumes.snapshots.of_volume(volume.id)
    if snapshot.volume_id != volume.id:
        raise BadRequest(f"Invalid input received: Snapshot {snapshot.id} is not of volume {volume.id}.")
    if snapshots[-1].id != snapshot.id:
        raise BadRequest(f"Invalid input received: Specified snapshot id {snapshot.id} is not the latest one of the volume.")
    if volume.status != "available":
        raise Conflict(f"Can't revert volume {volume.id} to its latest snapshot {snapshot.id}. Volume status must be available.")
    if snapshot.status != "available":
        raise Conflict(f"Can't revert volume {volume.id} to a snapshot whose status is {snapshot.status}.")
    if snapshot.size_gb != volume.size_gb:
        raise Conflict(f"Can't revert volume {volume.id} to its latest snapshot. The volume was extended since.")
    world.books.volumes.snapshots.replace(structs.replace(snapshot, status="restoring", updated_at=world.now))
    _begin(volume, "reverting", "revert", world, snapshot_id=snapshot.id)


def upload_volume(volume: Volume, wish: Upload, caller: Caller, world: VolumeWorld) -> Image:
    """An image, queued, that its node fills."""
    allowed = ("available", "in-use") if wish.force else ("available",)
    refuse_not(volume.status, allowed, "be uploaded as an image")
    if wish.container_format != "bare" or wish.disk_format not in ("raw", "qcow2"):
        raise BadRequest("Invalid input received: A volume is uploaded as raw or qcow2, in the container format bare.")
    terms, kept = world.terms, dict(volume.image_metadata or {})
    for known in ("image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size"):
        kept.pop(known, None)
    image = Image(
        id=ImageId(new_uuid()),
        owner=caller.project_id or volume.project_id,
        name=wish.image_name,
        visibility=Visibility(wish.visibility),
        disk_format=wish.disk_format,
        container_format="bare",
        min_disk=volume.size_gb,
        min_ram=int((volume.image_metadata or {}).get("min_ram", "0") or 0),
        protected=wish.protected,
        properties=kept,
        wanted_until=terms.deadline,
        created_at=world.now,
        updated_at=world.now,
    )
    world.books.images.add(image)
    ticket = terms.upload_ticket(image.id, volume.node or "", terms.deadline)
    more = {"upload_image_id": image.id, "upload_ticket": ticket, "upload_format": wish.disk_format}
    _begin(volume, "uploading", "upload", world, work_id=image.id, **more)
    return image


def retype_volume(volume: Volume, new_type: str, caller: Caller, world: VolumeWorld) -> None:
    """Every node can hold a volume of every type that any can hold, so only its row changes."""
    book = world.books.volumes
    refuse_not(volume.status, ("available", "in-use"), "retype")
    kind = book.types.named(new_type, caller)
    if kind.id == volume.volume_type_id:
        raise BadRequest(f"Invalid input received: New volume_type same as original: {new_type[:255]}.")
    if choose_node(kind, volume.node, world) is None:
        raise BadRequest("Invalid input received: No valid backend was found for the new volume type.")
    book.quotas.make_room_in_type(volume.project_id, kind.name, volume.size_gb)
    book.volumes.replace(structs.replace(volume, volume_type_id=kind.id, updated_at=world.now))


def _begin(volume: Volume, status: str, work: Work, world: VolumeWorld, work_id: str = "", **more: Any) -> None:
    """The volume's new status, and the order that ends it."""
    began = structs.replace(
        volume, status=status, previous_status=volume.status, work_id=work_id or new_uuid(), updated_at=world.now
    )
    world.books.volumes.volumes.replace(began)
    _queue(began, began.work_id or "", work, world, **more)


def _begin_snapshot(snapshot: Snapshot, volume: Volume, status: str, work: Work, world: VolumeWorld) -> None:
    began = structs.replace(snapshot, status=status, work_id=new_uuid(), updated_at=world.now)
    world.books.volumes.snapshots.replace(began)
    _queue(volume, began.work_id or "", work, world, snapshot_id=snapshot.id)


def _queue(volume: Volume, work_id: str, work: Work, world: VolumeWorld, **more: Any) -> None:
    attached = any(one.state == "attached" for one in world.books.volumes.attachments.of_volume(volume.id))
    order = VolumeOrder(
        work_id=work_id,
        work=work,
        volume_id=volume.id,
        node=NodeName(volume.node or ""),
        deadline=world.terms.deadline,
        ordered_at=world.now,
        attached=attached,
        **{"size_gb": volume.size_gb, **more},
    )
    world.books.orders.queue_volume(order)
