"""A server boots from another image, its own disks beside it, so that its owner can mend what does not boot any more; and back.

The rescue disk is a second set of disks that is never put in place: to unrescue drops it, and the server starts as before.
"""

from msgspec import Struct
from msgspec.structs import replace

from kilonova.build.admit import OrderWorld, refuse_unfit_image
from kilonova.build.connect import ask_for_network
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Disked, Placed, grow
from kilonova.build.report import TaskDone
from kilonova.build.start import start_guest
from kilonova.errors import BadRequest, NotFound, Unsupported
from kilonova.lifecycle.rebuild import drop_new_disks
from kilonova.lifecycle.running import PATIENCE_S, end_guest, find_disks, power_off, run_again, run_guest
from kilonova.lifecycle.task import Asked, Asking, ServerAction, as_it_is, back_or_error, into_error, order_task, report_done
from kilonova.model import server as states
from kilonova.model.guest import Disk
from kilonova.model.images import Viewer
from kilonova.model.server import Server
from kilonova.model.server_states import refuse_in_this_state
from kilonova.saga import Saga


class RescueWish(Struct, frozen=True, kw_only=True):
    """`image_id` empty: the image the server was made of."""

    admin_password: str
    image_id: str = ""


class Rescue(Asked, frozen=True, kw_only=True):
    """`image` and `admin_password` are the rescue's; `before` says what the server is made of."""


class Unrescue(Asked, frozen=True, kw_only=True):
    """It starts from its own disk again."""


def order_rescue(server: Server, asking: Asking, world: OrderWorld, *, wish: RescueWish) -> None:
    """On control. Raises Conflict, BadRequest, Unsupported."""
    refuse_in_this_state(server, asking.action)
    if server.image_id is None:
        raise Unsupported("Servers that boot from volumes cannot be rescued in this cloud.")
    viewer = Viewer(project_id=asking.caller.project_id, is_admin=asking.caller.is_admin)
    before = as_it_is(server, world)
    image_id = wish.image_id or server.image_id
    try:
        image = world.books.images.for_boot(image_id, viewer)
    except NotFound:
        raise BadRequest(f"Can not find requested image {image_id}") from None
    refuse_unfit_image(image, server.flavor)
    if image.disk_format == "iso":
        raise BadRequest("A server cannot be rescued with an image of a CD-ROM.")
    ticket = world.desk.ticket(image.id, before.host, before.deadline)
    how = {"before": before, "image": image, "image_ticket": ticket, "admin_password": wish.admin_password}
    order_task(server, asking, Rescue, "rescuing", world, **how)


def order_unrescue(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Unrescue, "unrescuing", world)


async def make_rescue_disk(rescue: Rescue, world: ComputeWorld) -> Rescue:
    """From the rescue image, beside the disks in use."""

    def progress(what: str, share: float) -> None:
        world.live(rescue.server_id, what, share)

    await world.disks(rescue.host).assemble_beside(rescue, progress, False)
    return rescue


async def end_sick_guest(rescue: Rescue, world: ComputeWorld) -> Rescue:
    """It may still be able to write what it has in memory, so it has its time."""
    await power_off(rescue, world, PATIENCE_S)
    return rescue


async def start_rescue(rescue: Rescue, world: ComputeWorld) -> Rescue:
    """The guest boots from the rescue disk; its own disks are there as the next ones."""
    disked = await find_disks(grow(rescue, Placed), world)
    boot = await world.disks(rescue.host).beside(rescue)
    own = tuple(replace(disk, boot_index=None) for disk in disked.disks)
    wired = await ask_for_network(grow(disked, Disked, disks=(_first(boot), *own)), world)
    await start_guest(wired, world)
    return rescue


async def report_rescued(rescue: Rescue, world: ComputeWorld) -> Rescue:
    """The node's last word."""
    return await report_done(rescue, world)


async def end_rescue(unrescue: Unrescue, world: ComputeWorld) -> Unrescue:
    """What it wrote to its own disks must be there, so it has its time."""
    await power_off(unrescue, world, PATIENCE_S)
    return unrescue


async def start_mended(unrescue: Unrescue, world: ComputeWorld) -> Unrescue:
    """It boots from its own disk."""
    await run_guest(unrescue, world)
    return unrescue


async def finish_unrescue(unrescue: Unrescue, world: ComputeWorld) -> Unrescue:
    """The rescue disk goes; the node's last word."""
    await drop_new_disks(unrescue, world)
    return await report_done(unrescue, world)


def note_rescued(rescue: Rescue, report: TaskDone, world: OrderWorld) -> None:
    """On control: RESCUE."""
    world.books.servers.power_is(rescue.server_id, states.RESCUED, states.POWER_RUNNING, report.at)


def note_unrescued(unrescue: Unrescue, report: TaskDone, world: OrderWorld) -> None:
    """On control: ACTIVE."""
    world.books.servers.power_is(unrescue.server_id, states.ACTIVE, states.POWER_RUNNING, report.at)


def _first(disks: tuple[Disk, ...]) -> Disk:
    """The rescue disk under a name of its own."""
    root = next(disk for disk in disks if disk.name == "root")
    return replace(root, name="rescue", boot_index=0)


RESCUE = (
    Saga.starting_with(Rescue, ComputeWorld, name="rescue", at="compute")
    .then(make_rescue_disk, undo=drop_new_disks)
    .then(end_sick_guest, undo=run_again)
    .then(start_rescue, undo=end_guest)
    .then(report_rescued)
)
UNRESCUE = (
    Saga.starting_with(Unrescue, ComputeWorld, name="unrescue", at="compute")
    .then(end_rescue)
    .then(start_mended, undo=end_guest)
    .then(finish_unrescue)
)

RESCUES = {
    "rescue": ServerAction(RESCUE, note_rescued, back_or_error),
    "unrescue": ServerAction(UNRESCUE, note_unrescued, into_error),
}
