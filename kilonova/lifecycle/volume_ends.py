"""The end of work on volumes, on control: a node's last word becomes status, and so does a deadline that has passed."""

from msgspec import structs

from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_tell import tell
from kilonova.lifecycle.volume_work import VolumeOrder, VolumeWorkDone
from kilonova.lifecycle.volumes import order_deletion
from kilonova.model.volume import Snapshot, Volume
from kilonova.model.volume_rules import settled

FAILED_AS = {
    "create": "error",
    "delete": "error_deleting",
    "extend": "error_extending",
    "revert": "error",
}
"""The status of a volume whose work failed; after the rest it is what it was before."""
SAID_AS = {
    "create": "create volume",
    "delete": "delete volume",
    "extend": "extend volume",
    "snapshot": "create snapshot",
    "delete_snapshot": "delete snapshot",
    "revert": "revert volume to snapshot",
    "upload": "copy volume to image",
}


def note_volume_work(done: VolumeWorkDone, world: VolumeWorld) -> None:
    """What its node said last. Said twice, or after something else was asked of the volume, it changes nothing.

    Bytes that are gone are gone, however late that is said.
    """
    world.books.orders.volume_done(done.work_id)
    if done.work in ("snapshot", "delete_snapshot"):
        _note_snapshot(done, world)
        return
    book = world.books.volumes
    volume = book.volumes.or_none(done.volume_id)
    if volume is None:
        return
    if done.work == "delete" and not done.failed and volume.status in ("deleting", "error_deleting"):
        book.attachments.forget_volume(volume.id)
        for snapshot in book.snapshots.of_volume(volume.id):
            book.snapshots.remove(snapshot.id)
        book.volumes.remove(volume.id)
        return
    if volume.work_id != done.work_id:
        return
    if done.failed:
        _failed(volume, done, world)
    else:
        _succeeded(volume, done, world)


def end_overdue(order: VolumeOrder, world: VolumeWorld) -> None:
    """No word came before the deadline: it counts as failed. The sweeper calls this for each of `orders.overdue_volumes`."""
    note_volume_work(
        VolumeWorkDone(
            work_id=order.work_id,
            work=order.work,
            volume_id=order.volume_id,
            node=order.node,
            at=world.now,
            failed=f"It was not done within {int(order.deadline - order.ordered_at)} s.",
        ),
        world,
    )


def _succeeded(volume: Volume, done: VolumeWorkDone, world: VolumeWorld) -> None:
    size = volume.wanted_size_gb or volume.size_gb
    _settle(structs.replace(volume, size_gb=size), done, world)
    if done.work == "revert":
        _snapshot_restored(volume, world)


def _failed(volume: Volume, done: VolumeWorkDone, world: VolumeWorld) -> None:
    if done.work == "upload":
        world.books.images.fail_snapshot(done.work_id, world.now)
    if done.work == "revert":
        _snapshot_restored(volume, world)
    status = FAILED_AS.get(done.work)
    if status is None:
        _settle(volume, done, world)
    else:
        ended = structs.replace(
            volume, status=status, work_id=None, previous_status=None, wanted_size_gb=None, updated_at=world.now
        )
        world.books.volumes.volumes.replace(ended)
    tell(volume.project_id, "volume", volume.id, f"{SAID_AS[done.work]}: {done.failed}", world)


def _settle(volume: Volume, done: VolumeWorkDone, world: VolumeWorld) -> None:
    """Nothing is done to it any more: what it is attached to says what it is."""
    status = settled(world.books.volumes.attachments.of_volume(volume.id))
    ended = structs.replace(volume, status=status, work_id=None, previous_status=None, wanted_size_gb=None, updated_at=world.now)
    world.books.volumes.volumes.replace(ended)


def _snapshot_restored(volume: Volume, world: VolumeWorld) -> None:
    shelf = world.books.volumes.snapshots
    for snapshot in shelf.of_volume(volume.id):
        if snapshot.status == "restoring":
            shelf.replace(structs.replace(snapshot, status="available", updated_at=world.now))


def _note_snapshot(done: VolumeWorkDone, world: VolumeWorld) -> None:
    book = world.books.volumes
    snapshot = next((one for one in book.snapshots.of_volume(done.volume_id) if one.work_id == done.work_id), None)
    if snapshot is None:
        return
    if done.work == "delete_snapshot" and not done.failed:
        book.snapshots.remove(snapshot.id)
        _delete_after_its_snapshots(done.volume_id, world)
        return
    status = "available" if not done.failed else "error_deleting" if done.work == "delete_snapshot" else "error"
    progress = "100%" if status == "available" else snapshot.progress
    ended = structs.replace(snapshot, status=status, progress=progress, work_id=None, updated_at=world.now)
    book.snapshots.replace(ended)
    if done.failed:
        tell(snapshot.project_id, "snapshot", snapshot.id, f"{SAID_AS[done.work]}: {done.failed}", world)
        if done.work == "delete_snapshot":
            _stop_waiting(snapshot, done.failed, world)


def _delete_after_its_snapshots(volume_id: str, world: VolumeWorld) -> None:
    """A volume that is deleted with its snapshots goes after the last of them."""
    book = world.books.volumes
    volume = book.volumes.or_none(volume_id)
    if volume is not None and volume.status == "deleting" and volume.work_id is None and not book.snapshots.of_volume(volume_id):
        order_deletion(volume, world)


def _stop_waiting(snapshot: Snapshot, why: str, world: VolumeWorld) -> None:
    """A volume cannot go while one of its snapshots stays: who asked for the volume hears of it under the volume's name."""
    volume = world.books.volumes.volumes.or_none(snapshot.volume_id)
    if volume is not None and volume.status == "deleting" and volume.work_id is None:
        world.books.volumes.volumes.replace(structs.replace(volume, status="error_deleting", updated_at=world.now))
        text = f"{SAID_AS['delete']}: its snapshot {snapshot.id} could not be deleted: {why}"
        tell(volume.project_id, "volume", volume.id, text, world)
