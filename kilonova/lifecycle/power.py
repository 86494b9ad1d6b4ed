"""Off and on: stop and start. What the nodes do and what control writes down, action by action.

A guest that is off keeps its disks, its wires and its exports; to start it again is the end of a build once more: what it
must have is asked for anew (nothing happens where it is there), so that a guest comes back also after its node was away.
"""

from kilonova.build.admit import OrderWorld
from kilonova.build.connect import ask_for_network
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Running
from kilonova.build.report import TaskDone
from kilonova.build.start import start_guest
from kilonova.lifecycle.running import end_guest, find_disks
from kilonova.lifecycle.task import Asked, Asking, ServerAction, back_to_before, order_task, report_done
from kilonova.model import server as states
from kilonova.model.server import Server
from kilonova.saga import Saga


class Stop(Asked, frozen=True, kw_only=True):
    """Power it off: `patience_s` for the guest to do it itself, then its process ends."""

    patience_s: float = 60.0


class Start(Asked, frozen=True, kw_only=True):
    """Power it on."""


def order_stop(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Stop, "powering-off", world)


def order_start(server: Server, asking: Asking, world: OrderWorld) -> None:
    """On control."""
    order_task(server, asking, Start, "powering-on", world)


def set_state(server: Server, asking: Asking, world: OrderWorld, *, vm_state: str) -> None:
    """On control, by an admin's word: nobody else is asked, and what is under way has the last word all the same."""
    world.books.servers.power_is(server.id, vm_state, server.power_state, world.desk.now)


async def shut_down_guest(stop: Stop, world: ComputeWorld) -> Stop:
    """The guest is asked by ACPI, and ended when its time is over."""
    await world.hypervisor(stop.host).shut_down(stop.server_id, stop.patience_s)
    return stop


async def report_stopped(stop: Stop, world: ComputeWorld) -> Stop:
    """The node's last word."""
    return await report_done(stop, world)


async def report_started(running: Running, world: ComputeWorld) -> Running:
    """The node's last word."""
    return await report_done(running, world, accelerator=running.guest.accelerator)


STOP = Saga.starting_with(Stop, ComputeWorld, name="stop", at="compute").then(shut_down_guest).then(report_stopped)

START = (
    Saga.starting_with(Start, ComputeWorld, name="start", at="compute")
    .then(find_disks)
    .then(ask_for_network)
    .then(start_guest, undo=end_guest)
    .then(report_started)
)


def note_stopped(stop: Stop, report: TaskDone, world: OrderWorld) -> None:
    """On control: SHUTOFF."""
    world.books.servers.power_is(stop.server_id, states.STOPPED, states.POWER_SHUTDOWN, report.at)


def note_started(start: Start, report: TaskDone, world: OrderWorld) -> None:
    """On control: ACTIVE."""
    world.books.servers.power_is(start.server_id, states.ACTIVE, states.POWER_RUNNING, report.at)


POWER = {
    "stop": ServerAction(STOP, note_stopped, back_to_before),
    "start": ServerAction(START, note_started, back_to_before),
}
