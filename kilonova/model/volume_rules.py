"""What may be done to a volume or a snapshot in which state. Decides by what it is given; looks nothing up."""

from collections.abc import Collection

from kilonova.errors import BadRequest
from kilonova.model.image import BootImage
from kilonova.model.volume import Attachment, Snapshot, Volume

GIB = 1 << 30
BIGGEST = 2**31 - 1
DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing")
SNAPSHOT_DELETABLE = ("available", "error")
RESETTABLE = (
    "creating",
    "available",
    "deleting",
    "error",
    "error_deleting",
    "attaching",
    "detaching",
    "in-use",
    "maintenance",
    "error_managing",
    "error_extending",
    "error_restoring",
    "reserved",
    "downloading",
    "uploading",
    "retyping",
    "extending",
)
SNAPSHOT_RESETTABLE = ("creating", "available", "deleting", "error", "error_deleting")
ATTACH_STATUSES = ("attached", "detached")
RUNNING = "in-use"


def gib_for(image: BootImage) -> int:
    """The smallest volume that this image fits into."""
    return max(1, -(-max(image.virtual_size, image.size) // GIB), image.min_disk_gb)


def refuse_small_for_image(size_gb: int, image: BootImage) -> None:
    if image.min_disk_gb > size_gb:
        raise BadRequest(f"Volume size {size_gb}GB cannot be smaller than the image minDisk size {image.min_disk_gb}GB.")
    if size_gb * GIB < max(image.size, image.virtual_size):
        least = gib_for(image)
        raise BadRequest(f"Invalid input received: Size of specified image {least}GB is larger than volume size {size_gb}GB.")


def refuse_undeletable(volume: Volume, attachments: Collection[Attachment], snapshots: int, cascade: bool) -> None:
    """Raises BadRequest when this volume is not to be deleted just now."""
    if volume.status not in DELETABLE or attachments:
        raise BadRequest(
            "Invalid volume: Volume status must be available or error or error_restoring or error_extending or"
            " error_managing and must not be migrating, attached, belong to a group, have snapshots,"
            " awaiting a transfer, or be disassociated from snapshots after volume transfer."
        )
    if snapshots and not cascade:
        raise BadRequest(
            "Invalid volume: Volume status must be available or error or error_restoring or error_extending or"
            f" error_managing and must not have snapshots; this one still has {snapshots} dependent snapshots."
        )


def refuse_not(status: str, allowed: Collection[str], what: str) -> None:
    """Raises BadRequest unless `status` is one of these."""
    if status not in allowed:
        names = " or ".join(allowed)
        raise BadRequest(f"Invalid volume: Volume status must be {names} to {what}, but current status is: {status}.")


def refuse_not_snapshot(snapshot: Snapshot, allowed: Collection[str], what: str) -> None:
    if snapshot.status not in allowed:
        names = " or ".join(allowed)
        raise BadRequest(f"Invalid snapshot: Snapshot status must be {names} to {what}; it is {snapshot.status}.")


def next_device(taken: Collection[str], boots: bool = False) -> str:
    """``/dev/vdb`` and so on; ``/dev/vda`` is for what the server boots from. Raises BadRequest when there is none left."""
    for number in range(0 if boots else 1, 26 * 27):
        name = "/dev/vd" + (chr(97 + number) if number < 26 else chr(96 + number // 26) + chr(97 + number % 26))
        if name not in taken:
            return name
    raise BadRequest("The server has no free device name left.")


def settled(attachments: Collection[Attachment]) -> str:
    """The status of a volume that nothing is done to, from what it is attached to."""
    states = {one.state for one in attachments}
    if "attached" in states:
        return RUNNING
    for state in ("detaching", "attaching", "reserved"):
        if state in states:
            return state
    return "available"
