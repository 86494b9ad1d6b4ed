"""Steps 8 and 9: the last adjustments; start the guest; report. And what control does when the report comes in."""

import time

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld
from kilonova.build.news import news_of
from kilonova.build.record import Placed, Running, Wired, grow
from kilonova.build.report import BuildProgress, ServerRuns
from kilonova.model.server import BUILDING


async def start_guest(build: Wired, world: ComputeWorld) -> Running:
    """The network's details are here: a config drive where the guest needs one, then the guest starts."""
    world.tell(
        BuildProgress(server_id=build.server_id, host=build.host, attempt=build.attempt, at=time.time(), task_state="spawning")
    )
    disks = build.disks
    if build.config_drive or not any(wire.metadata for wire in build.wires):
        disks = (*disks, await world.disks(build.host).add_config_drive(build))
    guest = await world.hypervisor(build.host).start(build, disks)
    return grow(build, Running, disks=disks, guest=guest)


async def destroy_guest(build: Wired, world: ComputeWorld) -> None:
    """The guest's process ends at once."""
    await world.hypervisor(build.host).destroy(build.server_id)


async def report_running(build: Running, world: ComputeWorld) -> Running:
    """The node's last word on this build; it is kept until control has it in the ledger."""
    world.keep(
        ServerRuns(
            server_id=build.server_id,
            host=build.host,
            attempt=build.attempt,
            at=time.time(),
            accelerator=build.guest.accelerator,
        )
    )
    return build


def note_progress(report: BuildProgress, world: OrderWorld) -> None:
    """On control: the database learns what the node is doing. A hint that comes late changes nothing that was decided since."""
    server = world.books.servers.of_attempt(report.server_id, report.attempt)
    if server is None or server.task_state in (None, "deleting"):
        return
    # Of the later actions only images tell how far they are, as Nova's do.
    if server.vm_state == BUILDING or (report.task_state.startswith("image_") and server.task_state.startswith("image_")):
        world.books.servers.set_task(report.server_id, report.task_state, report.at)


def announce_running(report: ServerRuns, world: OrderWorld) -> Placed | None:
    """On control: the server is ACTIVE, and the news of it goes onto a queue. Its order, if a port in it may have gone since."""
    books = world.books
    server = books.servers.of_attempt(report.server_id, report.attempt)
    placed = books.orders.placed(report.server_id)
    if server is None or placed is None or placed.attempt != report.attempt:
        return None  # deleted meanwhile, ended by its deadline, or told before
    books.servers.runs(report.server_id, report.at)
    wired = books.networks.set_server_ports_status(report.server_id, "ACTIVE", report.at)
    for volume in placed.volumes:
        books.volumes.attached(volume.attachment_id, report.at)
    books.actions.carried(report.server_id, report.attempt, report.spans)
    books.actions.end(report.server_id, None, world.desk.now)
    books.orders.answered(report.server_id, report.attempt)
    books.orders.announce("instance.create.end", report.server_id, news_of(placed, "active", None))
    return placed if wired < len(placed.ports) else None
