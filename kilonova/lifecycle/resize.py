"""The same server in another size, on the host it is on; until its owner confirms, it can go back.

Its disks are copied and grown, and those before are kept; the host's room and the project's quota are held for the larger of
both sizes (of the disk: for both) until it is decided. To confirm drops the old disks, to revert puts them in use again.
"""

from msgspec.structs import replace

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.lifecycle.rebuild import drop_new_disks, use_old_disks
from kilonova.lifecycle.running import PATIENCE_S, end_guest, power_off, ran, run_again, run_guest
from kilonova.lifecycle.task import (
    Asked,
    Asking,
    ServerAction,
    as_it_is,
    back_or_error,
    back_to_before,
    nobody_knows,
    order_task,
    report_done,
)
from kilonova.model import migration
from kilonova.model import server as states
from kilonova.model.caller import Caller
from kilonova.model.flavor import Flavor
from kilonova.model.ids import new_uuid
from kilonova.model.migration import MigrationFilter
from kilonova.model.quota import refuse, servers_that_fit
from kilonova.model.server import Server
from kilonova.model.server_states import refuse_in_this_state
from kilonova.saga import Saga
from kilonova.scheduler import Need, choose, for_owner


class Resize(Asked, frozen=True, kw_only=True):
    """`flavor` is the new one; `before` says what it was."""

    migration_id: int
    old_disk_config: str | None = None


class Confirm(Asked, frozen=True, kw_only=True):
    """The old disks are not needed any more."""


class Revert(Asked, frozen=True, kw_only=True):
    """`flavor` is the one it goes back to; `before` says what it was resized to."""


def order_resize(server: Server, asking: Asking, world: OrderWorld, *, flavor_id: str, disk_config: str | None = None) -> None:
    """On control; `disk_config` None leaves that. Raises Conflict, BadRequest (also when the host has no room), QuotaExceeded."""
    refuse_in_this_state(server, asking.action)
    flavor = _new_flavor(server, asking, flavor_id, world)
    _check_quota(server, flavor, world)
    before = as_it_is(server, world)
    both = both_sizes(server.flavor, flavor)
    _claim_instead(server, both, world)
    books, now = world.books, world.desk.now
    books.servers.set_flavor(server.id, server.flavor, flavor, now)
    if disk_config is not None:
        books.servers.set_disk_config(server.id, disk_config, now)
    move = books.migrations.begin(server, migration.RESIZE, server.host, flavor.id, now)
    more = {"migration_id": move.id, "old_disk_config": disk_config and server.disk_config}
    order_task(server, asking, Resize, "resize_prep", world, flavor=flavor, before=before, **more)


def order_confirm(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Confirm, "resize_confirming", world)


def confirm_undecided(server: Server, world: OrderWorld) -> None:
    """Its owner has had the time there was to decide; what is busy, or cannot be reached, waits."""
    hosts, busy = world.books.hosts, server.vm_state != states.RESIZED or server.task_state is not None
    if busy or not hosts.has_claim(server.id) or not hosts.is_up(server.host or "", world.desk.now):
        return
    caller = Caller(user_id=server.user_id, user_name="", project_id=server.project_id)
    order_confirm(server, Asking(caller, f"req-{new_uuid()}", "confirmResize"), world)


def order_revert(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    refuse_in_this_state(server, asking.action)
    if server.other_flavor is None:
        raise Conflict(f"Instance {server.id} has not been resized.")
    before = as_it_is(server, world)
    order_task(server, asking, Revert, "resize_reverting", world, flavor=server.other_flavor, before=before)


# Resize, on the node.


async def end_small_guest(resize: Resize, world: ComputeWorld) -> Resize:
    """What it has in memory it must write first, so it has its time."""
    await power_off(resize, world, PATIENCE_S)
    return resize


async def copy_disks(resize: Resize, world: ComputeWorld) -> Resize:
    """Its disks, copied and as large as the new flavor says."""
    await world.disks(resize.host).copy_beside(resize)
    return resize


async def use_larger_disks(resize: Resize, world: ComputeWorld) -> Resize:
    """The copies take the place of the disks before, which are kept."""
    await world.disks(resize.host).swap_in(resize.server_id)
    return resize


async def start_resized(resize: Resize, world: ComputeWorld) -> Resize:
    """It runs in its new size, if it ran before."""
    if ran(resize):
        await run_guest(resize, world)
    return resize


async def report_resized(resize: Resize, world: ComputeWorld) -> Resize:
    """The node's last word."""
    return await report_done(resize, world)


# Confirm and revert, on the node.


async def drop_kept_disks(confirm: Confirm, world: ComputeWorld) -> Confirm:
    """From here on there is no way back; the node's last word."""
    await world.disks(confirm.host).drop_spare(confirm.server_id, kept=True)
    return await report_done(confirm, world)


async def end_large_guest(revert: Revert, world: ComputeWorld) -> Revert:
    """What it did since on its own disks is given up; only volumes, which stay, are worth an orderly end."""
    await power_off(revert, world, PATIENCE_S if revert.volumes else 0.0)
    return revert


async def use_kept_disks(revert: Revert, world: ComputeWorld) -> Revert:
    """The disks from before are in use again."""
    await use_old_disks(revert, world)
    return revert


async def use_copies_again(revert: Revert, world: ComputeWorld) -> None:
    """As an undo: the larger ones are in use."""
    await world.disks(revert.host).swap_in(revert.server_id)


async def start_reverted(revert: Revert, world: ComputeWorld) -> Revert:
    """It runs as it did before the resize, if it ran now."""
    if ran(revert):
        await run_guest(revert, world)
    return revert


async def finish_revert(revert: Revert, world: ComputeWorld) -> Revert:
    """The larger disks go; the node's last word."""
    await drop_new_disks(revert, world)
    return await report_done(revert, world)


# On control, when the node has given its last word.


def note_resized(resize: Resize, report: TaskDone, world: OrderWorld) -> None:
    """VERIFY_RESIZE: its owner is to say whether it is good."""
    books = world.books
    if resize.before is not None:
        books.servers.set_flavor(resize.server_id, resize.flavor, resize.before.flavor, report.at)
    books.servers.power_is(resize.server_id, states.RESIZED, resize.was_power_state, report.at)
    books.migrations.set_status(resize.migration_id, "finished", report.at)


def note_not_resized(resize: Resize, report: TaskFailed, world: OrderWorld) -> None:
    """It has its old size, and holds no more room than that."""
    if resize.before is not None:
        _settle(resize, resize.before.flavor, world)
    world.books.migrations.set_status(resize.migration_id, "error", world.desk.now)
    if resize.old_disk_config is not None:
        world.books.servers.set_disk_config(resize.server_id, resize.old_disk_config, world.desk.now)
    back_or_error(resize, report, world)


def note_confirmed(confirm: Confirm, report: TaskDone, world: OrderWorld) -> None:
    """ACTIVE, or off, in its new size."""
    _settle(confirm, confirm.flavor, world)
    _end_move(confirm, "confirmed", world)
    _as_it_ran(confirm, report, world)


def note_reverted(revert: Revert, report: TaskDone, world: OrderWorld) -> None:
    """ACTIVE, or off, in its old size."""
    _settle(revert, revert.flavor, world)
    _end_move(revert, "reverted", world)
    _as_it_ran(revert, report, world)


def resize_overdue(resize: Resize, world: OrderWorld) -> None:
    """Nobody knows which of its sizes it has: ERROR, and the larger of both stays held."""
    world.books.migrations.set_status(resize.migration_id, "error", world.desk.now)
    nobody_knows(resize, world)


def decision_overdue(asked: Asked, world: OrderWorld) -> None:
    """The same for a resize that was to be confirmed or reverted."""
    _end_move(asked, "error", world)
    nobody_knows(asked, world)


def _as_it_ran(asked: Asked, report: TaskDone, world: OrderWorld) -> None:
    vm_state, power = (states.ACTIVE, asked.was_power_state) if ran(asked) else (states.STOPPED, states.POWER_SHUTDOWN)
    world.books.servers.power_is(asked.server_id, vm_state, power, report.at)


def _settle(asked: Asked, flavor: Flavor, world: OrderWorld) -> None:
    """It is of this size and no other: in what it shows, in quota and on the host."""
    books = world.books
    books.servers.set_flavor(asked.server_id, flavor, None, world.desk.now)
    books.hosts.free(asked.server_id)
    books.hosts.claim(asked.host, asked.server_id, flavor)


def _end_move(asked: Asked, status: str, world: OrderWorld) -> None:
    wanted = MigrationFilter(server_id=asked.server_id, kind=migration.RESIZE, status="finished")
    for move in world.books.migrations.find(wanted):
        world.books.migrations.set_status(move.id, status, world.desk.now)


def _new_flavor(server: Server, asking: Asking, flavor_id: str, world: OrderWorld) -> Flavor:
    try:
        flavor = world.books.flavors.get(flavor_id, asking.caller)
    except NotFound:
        raise BadRequest(f"Flavor {flavor_id} could not be found.") from None
    old = server.flavor
    if flavor.id == old.id:
        raise BadRequest("When resizing, instances must change flavor!")
    if flavor.disk_gb == 0 and old.disk_gb and server.image_id is not None:
        raise BadRequest("Resize to zero disk flavor is not allowed.")
    if flavor.disk_gb < old.disk_gb or flavor.ephemeral_gb < old.ephemeral_gb:
        raise BadRequest("Resize error: Unable to resize disk down.")
    return flavor


def _check_quota(server: Server, flavor: Flavor, world: OrderWorld) -> None:
    """Only what it takes more counts, and the server itself is there already."""
    limits, used = world.books.quotas.limits(server.project_id), world.books.quotas.usage(server.project_id)
    more = {"cores": max(0, flavor.vcpus - server.flavor.vcpus), "ram": max(0, flavor.ram_mb - server.flavor.ram_mb)}
    room = replace(limits, instances=-1)
    if servers_that_fit(room, used, **more, wanted=1) < 1:
        raise refuse(room, used, **more, wanted=1)


def both_sizes(old: Flavor, new: Flavor) -> Flavor:
    """What is held while either may be wanted: one guest, but both sets of disks."""
    return replace(
        new,
        vcpus=max(old.vcpus, new.vcpus),
        ram_mb=max(old.ram_mb, new.ram_mb),
        disk_gb=old.disk_gb + new.disk_gb,
        ephemeral_gb=old.ephemeral_gb + new.ephemeral_gb,
    )


def _claim_instead(server: Server, both: Flavor, world: OrderWorld) -> None:
    """The server holds this much of its host. Raises BadRequest, in Nova's words, when there is not that much."""
    hosts, desk = world.books.hosts, world.desk
    hosts.free(server.id)
    disk_gb = both.disk_gb + both.ephemeral_gb
    need = Need(vcpus=both.vcpus, ram_mb=both.ram_mb, disk_gb=disk_gb, host=server.host, ratios=desk.ratios)
    choice = choose(need, hosts.snapshot(desk.now))
    if choice.host is None:
        raise BadRequest(for_owner(need, choice))
    hosts.claim(choice.host.name, server.id, both)


RESIZE = (
    Saga.starting_with(Resize, ComputeWorld, name="resize", at="compute")
    .then(end_small_guest, undo=run_again)
    .then(copy_disks, undo=drop_new_disks)
    .then(use_larger_disks, undo=use_old_disks)
    .then(start_resized, undo=end_guest)
    .then(report_resized)
)
CONFIRM = Saga.starting_with(Confirm, ComputeWorld, name="confirm_resize", at="compute").then(drop_kept_disks)
REVERT = (
    Saga.starting_with(Revert, ComputeWorld, name="revert_resize", at="compute")
    .then(end_large_guest, undo=run_again)
    .then(use_kept_disks, undo=use_copies_again)
    .then(start_reverted, undo=end_guest)
    .then(finish_revert)
)

RESIZES = {
    "resize": ServerAction(RESIZE, note_resized, note_not_resized, resize_overdue),
    "confirm_resize": ServerAction(CONFIRM, note_confirmed, back_to_before, decision_overdue),
    "revert_resize": ServerAction(REVERT, note_reverted, back_or_error, decision_overdue),
}
