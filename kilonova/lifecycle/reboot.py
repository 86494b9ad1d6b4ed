"""Off and on again in one action. Soft: the guest has its time to power itself off. Hard: its process ends at once.

A guest that does not answer to a soft reboot is ended when its time is over, so that it too comes back: as in Nova.
"""

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld
from kilonova.build.report import TaskDone
from kilonova.lifecycle.running import PATIENCE_S, end_guest, power_off, run_again, run_guest
from kilonova.lifecycle.task import Asked, Asking, ServerAction, back_or_error, order_task, report_done
from kilonova.model import server as states
from kilonova.model.server import Server
from kilonova.saga import Saga


class Reboot(Asked, frozen=True, kw_only=True):
    """`patience_s` for the guest to power itself off; 0 is a hard reboot."""

    patience_s: float


def order_reboot(server: Server, asking: Asking, world: OrderWorld, *, hard: bool) -> None:
    """On control. A hard one is taken in almost every state, also to bring a server back that is in ERROR."""
    asking = Asking(caller=asking.caller, request_id=asking.request_id, action="reboot hard" if hard else "reboot")
    order_task(server, asking, Reboot, "rebooting_hard" if hard else "rebooting", world, patience_s=0.0 if hard else PATIENCE_S)


async def switch_off(reboot: Reboot, world: ComputeWorld) -> Reboot:
    """The guest's process ends, by itself or not."""
    await power_off(reboot, world, reboot.patience_s)
    return reboot


async def switch_on(reboot: Reboot, world: ComputeWorld) -> Reboot:
    """It starts with the disks it has, and wires that are asked for anew."""
    await run_guest(reboot, world)
    return reboot


async def report_rebooted(reboot: Reboot, world: ComputeWorld) -> Reboot:
    """The node's last word."""
    return await report_done(reboot, world)


def note_rebooted(reboot: Reboot, report: TaskDone, world: OrderWorld) -> None:
    """On control: ACTIVE, whatever it was before."""
    world.books.servers.power_is(reboot.server_id, states.ACTIVE, states.POWER_RUNNING, report.at)


REBOOT = (
    Saga.starting_with(Reboot, ComputeWorld, name="reboot", at="compute")
    .then(switch_off, undo=run_again)
    .then(switch_on, undo=end_guest)
    .then(report_rebooted)
)

REBOOTS = {"reboot": ServerAction(REBOOT, note_rebooted, back_or_error)}
