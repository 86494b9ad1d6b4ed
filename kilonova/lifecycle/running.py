"""What several actions need of a guest: brought to run with what it must have, switched off, brought back when one is undone."""

from contextlib import suppress

from msgspec.structs import replace

from kilonova.build.connect import ask_for_network
from kilonova.build.export import close_exports, in_order, open_exports
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Disked, Placed, Running, grow
from kilonova.build.start import start_guest
from kilonova.errors import KilonovaError
from kilonova.lifecycle.task import Asked
from kilonova.model import server as states

PATIENCE_S = 60.0
"""How long a guest has to power itself off, Nova's `shutdown_timeout`."""


async def find_disks(start: Placed, world: ComputeWorld) -> Disked:
    """Its disks as they are, local ones and volumes; it is not started without one of them.

    A volume that was on its way in or out when this was ordered may not be the server's any more.
    """
    start = replace(start, volumes=tuple(link for link in start.volumes if not world.has_ended(link)))
    local = await world.disks(start.host).existing(start)
    try:
        volumes = await open_exports(start, world)
    except BaseException:
        with suppress(KilonovaError):  # they stay the server's: its next start asks for them anew, its end lets go of them
            await close_exports(start, start.volumes, world)
        raise
    return grow(start, Disked, disks=in_order(volumes, local))


async def run_guest(placed: Placed, world: ComputeWorld) -> Running:
    """The end of a build once more: disks found, wires asked for anew, the guest started. One that runs is left alone."""
    disked = await find_disks(placed, world)
    return await start_guest(await ask_for_network(disked, world), world)


async def end_guest(asked: Placed, world: ComputeWorld) -> None:
    """As an undo: a start that failed, or must not have been, leaves no process."""
    await world.hypervisor(asked.host).stop_now(asked.server_id)


async def power_off(asked: Asked, world: ComputeWorld, patience_s: float = PATIENCE_S) -> None:
    """A guest that runs is asked by ACPI and has its time; one that is paused cannot hear, and is ended at once."""
    hypervisor = world.hypervisor(asked.host)
    if patience_s > 0 and (await hypervisor.guests()).get(asked.server_id) == "running":
        await hypervisor.shut_down(asked.server_id, patience_s)
    await hypervisor.stop_now(asked.server_id)


async def run_again(asked: Asked, world: ComputeWorld) -> None:
    """As an undo: an action has taken the guest away and did not work, so it runs again as it did before, if it did."""
    if not ran(asked):
        return
    await run_guest(grow(asked.before or asked, Placed), world)
    if asked.was_power_state == states.POWER_PAUSED:
        await world.hypervisor(asked.host).pause(asked.server_id)


def ran(asked: Asked) -> bool:
    """Whether the guest had a process when the action was asked for."""
    return asked.was_power_state in (states.POWER_RUNNING, states.POWER_PAUSED)
