"""Step 6, on the compute node: take the order, let the database know, and have the block devices assembled."""

import time

from kilonova.build.export import close_exports, in_order, open_exports
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Disked, Placed, grow
from kilonova.build.report import BuildProgress


async def take_order(build: Placed, world: ComputeWorld) -> Placed:
    """The compute node has taken the message out of its queue, and the database learns what it is doing."""
    world.tell(_progress(build, "block_device_mapping"))
    return build


async def assemble_disks(build: Placed, world: ComputeWorld) -> Disked:
    """The hypervisor's block devices: an image is fetched once per host, the root disk is a layer on it; volumes are served."""

    def progress(what: str, share: float) -> None:
        world.live(build.server_id, what, share)

    volumes = await open_exports(build, world)
    local = await world.disks(build.host).assemble(build, progress)
    return grow(build, Disked, disks=in_order(volumes, local))


async def remove_disks(build: Placed, world: ComputeWorld) -> None:
    """Everything this server has on the host's disk goes; its volumes are not served to it any more."""
    if build.volumes:
        await close_exports(build, build.volumes, world)
    await world.disks(build.host).remove(build.server_id)


def _progress(build: Placed, task_state: str) -> BuildProgress:
    return BuildProgress(server_id=build.server_id, host=build.host, attempt=build.attempt, at=time.time(), task_state=task_state)
