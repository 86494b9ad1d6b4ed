"""An image of a server's disk, taken while its guest goes on; and backups, of which only so many are kept.

Control makes the image's record with the order, so that the client has its id at once. The host copies the disk as it is at
one moment, and sends the copy. The server itself is never touched: what fails costs the image, and nothing else.
"""

import time

from msgspec import Struct

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld, Progress
from kilonova.build.report import BuildProgress, TaskDone, TaskFailed
from kilonova.errors import QuotaExceeded, Unsupported
from kilonova.lifecycle.task import Asked, Asking, ServerAction, order_task, report_done
from kilonova.model.ids import ProjectId, UserId
from kilonova.model.server import Server
from kilonova.model.server_states import refuse_in_this_state
from kilonova.model.snapshots import Snapshot
from kilonova.saga import Saga

FORMAT = "qcow2"


class ImageWish(Struct, frozen=True, kw_only=True):
    """`rotation` None: an image, not a backup. 0: a backup that keeps none, so nothing is copied."""

    name: str
    metadata: dict[str, str]
    backup_type: str = ""
    rotation: int | None = None


class TakeImage(Asked, frozen=True, kw_only=True):
    """`ticket` lets the host send exactly this image."""

    image_id: str
    ticket: str
    backup_type: str = ""
    rotation: int | None = None


def order_image(server: Server, asking: Asking, world: OrderWorld, *, wish: ImageWish) -> str:
    """On control; the image's id. Raises Conflict, QuotaExceeded, TooLarge, Unsupported."""
    refuse_in_this_state(server, asking.action)
    books, desk = world.books, world.desk
    limit = books.quotas.limits(server.project_id).metadata_items
    if 0 <= limit < len(wish.metadata):
        raise QuotaExceeded(f"Quota exceeded for metadata_items: at most {limit} are allowed.")
    if wish.rotation == 0:
        books.images.rotate_backups(server.id, wish.backup_type, 0, desk.now)
        return ""
    if server.image_id is None:
        raise Unsupported("Images of servers that boot from volumes are not available in this cloud.")
    deadline = desk.now + desk.action_limit_s
    image_id = books.images.begin_snapshot(_snapshot(server, asking, wish, deadline), desk.now)
    ticket = desk.send_ticket(image_id, server.host or "", deadline)
    how = {"backup_type": wish.backup_type, "rotation": wish.rotation}
    state = "image_snapshot_pending" if wish.rotation is None else "image_backup"
    order_task(server, asking, TakeImage, state, world, image_id=image_id, ticket=ticket, **how)
    return image_id


async def copy_disk(image: TakeImage, world: ComputeWorld) -> TakeImage:
    """The root disk as it is now, whole, in a file of its own."""
    _tell(image, world, "image_snapshot")
    disks = world.disks(image.host)
    found, copy = await disks.existing(image), await disks.blank_copy(image)
    await world.hypervisor(image.host).copy_root(image, found, copy, _progress(image, world))
    return image


async def drop_copy(image: TakeImage, world: ComputeWorld) -> None:
    """As an undo: there is no copy."""
    await world.disks(image.host).drop_copy(image)


async def send_copy(image: TakeImage, world: ComputeWorld) -> TakeImage:
    """The copy becomes the image's bytes."""
    _tell(image, world, "image_uploading")
    await world.disks(image.host).send_copy(image, image.image_id, image.ticket, _progress(image, world))
    return image


async def finish_image(image: TakeImage, world: ComputeWorld) -> TakeImage:
    """The copy is not needed any more; the node's last word."""
    await drop_copy(image, world)
    return await report_done(image, world)


def note_image(image: TakeImage, report: TaskDone, world: OrderWorld) -> None:
    """On control: the server is as it was; of its backups the oldest go."""
    world.books.servers.set_task(image.server_id, None, report.at)
    if image.rotation is not None:
        world.books.images.rotate_backups(image.server_id, image.backup_type, image.rotation, world.desk.now)


def note_no_image(image: TakeImage, report: TaskFailed, world: OrderWorld) -> None:
    """On control: the image's record goes, the server is as it was."""
    give_image_up(image, world)


def give_image_up(image: TakeImage, world: OrderWorld) -> None:
    """On control: also when no word came in time."""
    world.books.images.fail_snapshot(image.image_id, world.desk.now)
    world.books.servers.set_task(image.server_id, None, world.desk.now)


def _snapshot(server: Server, asking: Asking, wish: ImageWish, until: float) -> Snapshot:
    backup = {} if wish.rotation is None else {"backup_type": wish.backup_type}
    return Snapshot(
        name=wish.name,
        owner=ProjectId(server.project_id),
        user_id=UserId(asking.caller.user_id),
        server_id=server.id,
        disk_format=FORMAT,
        until=until,
        base_image_id=server.image_id or "",
        min_disk=server.flavor.disk_gb,
        roles=tuple(sorted(asking.caller.roles)),
        user_name=asking.caller.user_name,
        project_name=asking.caller.project_name,
        inherited=_inherited(server),
        properties={**wish.metadata, **backup},
        kind="snapshot" if wish.rotation is None else "backup",
    )


def _inherited(server: Server) -> dict[str, str]:
    """What the server remembers of its image, but for what is the image's own."""
    own = ("base_image_ref", "disk_format", "min_disk", "min_ram", "container_format")
    return {name: value for name, value in server.image_properties.items() if name not in own}


def _tell(image: TakeImage, world: ComputeWorld, task_state: str) -> None:
    world.tell(
        BuildProgress(server_id=image.server_id, host=image.host, attempt=image.attempt, at=time.time(), task_state=task_state)
    )


def _progress(image: TakeImage, world: ComputeWorld) -> Progress:
    def progress(what: str, share: float) -> None:
        world.live(image.server_id, what, share)

    return progress


TAKE_IMAGE = (
    Saga.starting_with(TakeImage, ComputeWorld, name="image", at="compute")
    .then(copy_disk, undo=drop_copy)
    .then(send_copy)
    .then(finish_image)
)

SNAPSHOTS = {"image": ServerAction(TAKE_IMAGE, note_image, note_no_image, overdue=give_image_up)}
