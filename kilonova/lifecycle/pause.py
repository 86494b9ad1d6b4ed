"""A guest that stands still and goes on, its memory kept; and one that is told to dump itself. No disk, no wire is touched."""

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.lifecycle.task import Asked, Asking, ServerAction, back_to_before, order_task, report_done
from kilonova.model import server as states
from kilonova.model.server import Server
from kilonova.saga import Saga


class Pause(Asked, frozen=True, kw_only=True):
    """Its processors stop."""


class Unpause(Asked, frozen=True, kw_only=True):
    """They go on."""


class CrashDump(Asked, frozen=True, kw_only=True):
    """A non-maskable interrupt: what the guest's kernel makes of it is its own business."""


def order_pause(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Pause, "pausing", world)


def order_unpause(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Unpause, "unpausing", world)


def order_crash_dump(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, CrashDump, None, world)


async def hold_still(pause: Pause, world: ComputeWorld) -> Pause:
    """Its processors stop where they are."""
    await world.hypervisor(pause.host).pause(pause.server_id)
    return pause


async def let_go_on(pause: Pause, world: ComputeWorld) -> None:
    """As an undo: they go on."""
    await world.hypervisor(pause.host).unpause(pause.server_id)


async def report_paused(pause: Pause, world: ComputeWorld) -> Pause:
    """The node's last word."""
    return await report_done(pause, world)


async def go_on(unpause: Unpause, world: ComputeWorld) -> Unpause:
    """Its processors go on where they were."""
    await world.hypervisor(unpause.host).unpause(unpause.server_id)
    return unpause


async def stand_still(unpause: Unpause, world: ComputeWorld) -> None:
    """As an undo: they stop again."""
    await world.hypervisor(unpause.host).pause(unpause.server_id)


async def report_unpaused(unpause: Unpause, world: ComputeWorld) -> Unpause:
    """The node's last word."""
    return await report_done(unpause, world)


async def interrupt(dump: CrashDump, world: ComputeWorld) -> CrashDump:
    """The interrupt reaches the guest."""
    await world.hypervisor(dump.host).interrupt(dump.server_id)
    return dump


async def report_interrupted(dump: CrashDump, world: ComputeWorld) -> CrashDump:
    """The node's last word."""
    return await report_done(dump, world)


def note_paused(pause: Pause, report: TaskDone, world: OrderWorld) -> None:
    """On control: PAUSED."""
    world.books.servers.power_is(pause.server_id, states.PAUSED, states.POWER_PAUSED, report.at)


def note_unpaused(unpause: Unpause, report: TaskDone, world: OrderWorld) -> None:
    """On control: ACTIVE."""
    world.books.servers.power_is(unpause.server_id, states.ACTIVE, states.POWER_RUNNING, report.at)


def note_interrupted(dump: CrashDump, report: TaskDone | TaskFailed, world: OrderWorld) -> None:
    """On control: nothing has changed that anybody here knows of, and other actions may be under way."""


PAUSE = (
    Saga.starting_with(Pause, ComputeWorld, name="pause", at="compute")
    .then(hold_still, undo=let_go_on, unsure=True)
    .then(report_paused)
)
UNPAUSE = (
    Saga.starting_with(Unpause, ComputeWorld, name="unpause", at="compute")
    .then(go_on, undo=stand_still, unsure=True)
    .then(report_unpaused)
)
CRASH_DUMP = Saga.starting_with(CrashDump, ComputeWorld, name="crash_dump", at="compute").then(interrupt).then(report_interrupted)

PAUSES = {
    "pause": ServerAction(PAUSE, note_paused, back_to_before),
    "unpause": ServerAction(UNPAUSE, note_unpaused, back_to_before),
    "crash_dump": ServerAction(CRASH_DUMP, note_interrupted, note_interrupted, overdue=lambda task, world: None),
}
