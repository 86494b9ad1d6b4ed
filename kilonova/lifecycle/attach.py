"""A volume more, or one less, in a server that runs or is off. Its node asks for the export, then plugs the volume in.

A server that is off needs nothing from its node: it asks for its volumes when it starts.
"""

from typing import Any

from msgspec.structs import replace

from kilonova.build.admit import OrderWorld
from kilonova.build.export import close_exports, open_export
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Placed, grow
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.errors import BadRequest
from kilonova.lifecycle.task import Asked, Asking, ServerAction, ask_again, order_task, report_done
from kilonova.model.guest import Disk
from kilonova.model.ids import new_uuid
from kilonova.model.server import Server
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish
from kilonova.saga import Outcome, Saga


class AttachVolume(Asked, frozen=True, kw_only=True):
    """`volumes` are all of the server's, the new one included."""

    new_volume: VolumeLink


class Served(AttachVolume, frozen=True, kw_only=True):
    """The volume node serves it."""

    disk: Disk


class DetachVolume(Asked, frozen=True, kw_only=True):
    """The volume that goes."""

    old_volume: VolumeLink
    until_it_is: bool = False
    """What the guest has nobody could say when an action on the volume failed: it is pulled out until that has worked."""


def order_attach(server: Server, asking: Asking, world: OrderWorld, *, wish: AttachWish) -> VolumeLink:
    """On control: the volume is this server's at once, and shows ``attaching``. Raises BadRequest, NotFound, Conflict."""
    link = world.books.volumes.reserve(wish, asking.caller, world.desk.now)
    order_task(server, asking, AttachVolume, None, world, new_volume=link)
    return link


def order_detach(server: Server, asking: Asking, world: OrderWorld, *, volume_id: str) -> None:
    """On control. Raises NotFound when it is not attached to this server, BadRequest when the server boots from it."""
    books = world.books
    if books.volumes.link(server.id, volume_id).boot_index == 0:
        raise BadRequest("Cannot detach a root device volume")
    link = books.volumes.begin_detach(server.id, volume_id, world.desk.now)
    order_task(server, asking, DetachVolume, None, world, old_volume=link)


async def serve_to_host(attach: AttachVolume, world: ComputeWorld) -> Served:
    """The volume node serves it to this server."""
    disk = await open_export(attach, attach.new_volume, world)
    return grow(attach, Served, disk=disk)


async def end_export(attach: AttachVolume, world: ComputeWorld) -> None:
    """It is served to nobody again."""
    await close_exports(attach, (attach.new_volume,), world)


async def plug_volume_in(attach: Served, world: ComputeWorld) -> Served:
    """It appears in the running guest."""
    await world.hypervisor(attach.host).plug_disk(attach.server_id, attach.disk)
    return attach


async def unplug_volume(attach: AttachVolume, world: ComputeWorld) -> None:
    """It is gone again."""
    await world.hypervisor(attach.host).unplug_disk(attach.server_id, attach.new_volume.volume_id)


async def report_volume_attached(attach: Served, world: ComputeWorld) -> Served:
    """The node's last word."""
    return await report_done(attach, world)


async def pull_volume_out(detach: DetachVolume, world: ComputeWorld) -> DetachVolume:
    """The running guest lets go of it; what it wrote is in the volume then."""
    await world.hypervisor(detach.host).unplug_disk(detach.server_id, detach.old_volume.volume_id)
    return detach


async def put_volume_back(detach: DetachVolume, world: ComputeWorld) -> None:
    """As an undo: it is the server's still, so the running guest has it again; unless it never came to be attached."""
    if detach.until_it_is or world.has_ended(detach.old_volume):
        return
    disk = await open_export(detach, detach.old_volume, world)
    await world.hypervisor(detach.host).plug_disk(detach.server_id, disk)


async def end_its_export(detach: DetachVolume, world: ComputeWorld) -> DetachVolume:
    """Nobody reaches it by this attachment any more."""
    await close_exports(detach, (detach.old_volume,), world)
    return detach


async def report_volume_detached(detach: DetachVolume, world: ComputeWorld) -> DetachVolume:
    """The node's last word."""
    return await report_done(detach, world)


ATTACH_VOLUME = (
    Saga.starting_with(AttachVolume, ComputeWorld, name="attach_volume", at="compute")
    .then(serve_to_host, undo=end_export, unsure=True)
    .then(plug_volume_in, undo=unplug_volume, by_others=True)  # a reboot that came first has started the guest with it
    .then(report_volume_attached)
)

DETACH_VOLUME = (
    Saga.starting_with(DetachVolume, ComputeWorld, name="detach_volume", at="compute")
    .then(pull_volume_out, undo=put_volume_back, by_others=True)  # or without it
    .then(end_its_export)
    .then(report_volume_detached)
)


def ended_attachment(order: Placed, outcome: Outcome[Any]) -> VolumeLink | None:
    """On the node, at the end of any saga: the attachment that is over now. No order that still names it serves it again."""
    if isinstance(order, DetachVolume) and outcome.done:
        return order.old_volume
    if isinstance(order, AttachVolume) and not outcome.done and plug_volume_in.__name__ not in outcome.left:
        return order.new_volume
    return None


def note_attached(attach: AttachVolume, report: TaskDone, world: OrderWorld) -> None:
    """On control: the volume is in use; one that was said to be so already may be on its way out by now."""
    if not attach.again:
        world.books.volumes.attached(attach.new_volume.attachment_id, report.at)


def note_not_attached(attach: AttachVolume, report: TaskFailed, world: OrderWorld) -> None:
    """On control: the volume is available again, once the guest has let go of it; the history says why.

    What was ordered since may name it, and does not serve it: see `ended_attachment`. An export that its node could not be
    told to end is ended when the node is back: what lies in its queue says so.
    """
    if plug_volume_in.__name__ not in report.left:
        world.books.volumes.detached(attach.new_volume.attachment_id, report.at)
    else:
        _pull_out_until_it_is(grow(attach, DetachVolume, old_volume=attach.new_volume), world)


def note_detached(detach: DetachVolume, report: TaskDone, world: OrderWorld) -> None:
    """On control: the volume is available again, whatever was ordered since: see `ended_attachment`."""
    world.books.volumes.detached(detach.old_volume.attachment_id, report.at)


def note_not_detached(detach: DetachVolume, report: TaskFailed, world: OrderWorld) -> None:
    """On control: it is still attached; the history says why. One of which nobody knows whether it is, goes all the same."""
    if detach.until_it_is or pull_volume_out.__name__ in report.left:
        _pull_out_until_it_is(detach, world)
    else:
        world.books.volumes.rolled_back(detach.old_volume.attachment_id, report.at)


def attach_overdue(attach: AttachVolume, world: OrderWorld) -> None:
    """Its node has said nothing: the volume stays this server's until it does, as it may be in the guest."""
    if not attach.again:
        world.books.volumes.attached(attach.new_volume.attachment_id, world.desk.now)
    _ask_until_told(attach, attach.new_volume, world)


def detach_overdue(detach: DetachVolume, world: OrderWorld) -> None:
    """Its node has said nothing: the volume stays this server's until it does."""
    if not detach.again:
        world.books.volumes.rolled_back(detach.old_volume.attachment_id, world.desk.now)
    _ask_until_told(detach, detach.old_volume, world)


def _pull_out_until_it_is(detach: DetachVolume, world: OrderWorld) -> None:
    """Not at once, but when orders are sent again that nobody has answered: a guest that hangs may do so for long."""
    books, link = world.books, detach.old_volume
    if link.attachment_id not in {one.attachment_id for one in books.volumes.links_of_server(detach.server_id)}:
        return
    anew = replace(detach, task_id=new_uuid(), until_it_is=True)
    if ask_again(anew, world):
        books.volumes.leaves(link.attachment_id, world.desk.now)
        books.orders.sent([anew.task_id], (), world.desk.now)
    else:  # the server is on another host by now, which has started it with the volume
        books.volumes.attached(link.attachment_id, world.desk.now)


def _ask_until_told(task: Asked, link: VolumeLink, world: OrderWorld) -> None:
    """As long as the volume is the server's."""
    if link.attachment_id in {one.attachment_id for one in world.books.volumes.links_of_server(task.server_id)}:
        ask_again(task, world)


VOLUMES = {
    "attach_volume": ServerAction(ATTACH_VOLUME, note_attached, note_not_attached, attach_overdue),
    "detach_volume": ServerAction(DETACH_VOLUME, note_detached, note_not_detached, detach_overdue),
}
