"""Transient statuses that no order ends: a client reserved a volume and never came back, or an admin set one by hand.

Whatever a node does to a volume has an order with a deadline (volume_ends.py). This is for the rest.
"""

from collections.abc import Mapping

from msgspec import Struct, structs

from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_tell import tell
from kilonova.model.volume import Snapshot, Volume
from kilonova.model.volume_rules import settled

ENDS_AS: Mapping[str, str | None] = {
    "creating": "error",
    "downloading": "error",
    "deleting": "error_deleting",
    "extending": "error_extending",
    "reverting": "error",
    "uploading": None,
    "retyping": None,
    "reserved": None,
    "attaching": None,
    "detaching": None,
}
"""What a volume becomes that nothing is done to; None: what its attachments say."""
SNAPSHOT_ENDS_AS: Mapping[str, str] = {"creating": "error", "deleting": "error_deleting", "restoring": "available"}
RESERVED = ("reserved", "attaching")
"""States of an attachment that a client was to complete."""


class Unended(Struct, frozen=True, kw_only=True):
    """Ids of what has waited too long."""

    volumes: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()


def end_volume(volume_id: str, world: VolumeWorld) -> None:
    """Reservations that were not completed go; its status says again what it is."""
    book = world.books.volumes
    volume = book.volumes.or_none(volume_id)
    if volume is None or volume.work_id is not None or volume.status not in ENDS_AS:
        return
    theirs = book.attachments.of_volume(volume_id)
    waiting = any(one.work_id is not None for one in book.snapshots.of_volume(volume_id))
    if waiting or any(one.made_by_server and one.state != "attached" for one in theirs):
        return  # a server's order ends it, or its snapshots go first
    kept = [one for one in theirs if one.made_by_server or one.state not in RESERVED]
    for one in theirs:
        if one not in kept:
            book.attachments.remove(one.id)
    status = ENDS_AS[volume.status] or settled(kept)
    ended = structs.replace(volume, status=status, previous_status=None, wanted_size_gb=None, updated_at=world.now)
    book.volumes.replace(ended)
    _say(volume, "volume", volume.id, status, world)


def end_snapshot(snapshot_id: str, world: VolumeWorld) -> None:
    """One that nobody works on, nor on its volume."""
    book = world.books.volumes
    snapshot = book.snapshots.or_none(snapshot_id)
    if snapshot is None or snapshot.work_id is not None or snapshot.status not in SNAPSHOT_ENDS_AS:
        return
    volume = book.volumes.or_none(snapshot.volume_id)
    if volume is not None and volume.work_id is not None:
        return
    status = SNAPSHOT_ENDS_AS[snapshot.status]
    book.snapshots.replace(structs.replace(snapshot, status=status, updated_at=world.now))
    _say(snapshot, "snapshot", snapshot.id, status, world)


def _say(was: Volume | Snapshot, kind: str, thing_id: str, status: str, world: VolumeWorld) -> None:
    tell(was.project_id, kind, thing_id, f"It was {was.status} for too long, and nothing was done to it: now {status}.", world)
