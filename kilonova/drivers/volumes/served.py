"""What is done to a volume while it is served: through its process, so that no byte a guest has written is missed."""

import asyncio

from kilonova.drivers.monitor import Monitor
from kilonova.drivers.volumes.daemon import EXPORT, NODE, Export, export_arguments

_LOOKS = 500


async def snapshots(monitor: Monitor) -> set[str]:
    """The names of the volume's snapshots."""
    nodes = await monitor.command("query-named-block-nodes", flat=True)
    found = next(node for node in nodes if node["node-name"] == NODE)
    return {one["name"] for one in found["image"].get("snapshots", ())}


async def take_snapshot(monitor: Monitor, name: str) -> None:
    """One that is there already stays. Raises Unavailable."""
    if name not in await snapshots(monitor):
        await monitor.command("blockdev-snapshot-internal-sync", device=NODE, name=name)


async def drop_snapshot(monitor: Monitor, name: str) -> None:
    """None there is no error. Raises Unavailable."""
    if name in await snapshots(monitor):
        await monitor.command("blockdev-snapshot-delete-internal-sync", device=NODE, name=name)


async def resize(monitor: Monitor, export: Export, size: int) -> None:
    """It grows; who uses it is disconnected for a moment, and sees the new size when it connects again. Raises Unavailable."""
    nodes = await monitor.command("query-named-block-nodes", flat=True)
    found = next(node for node in nodes if node["node-name"] == NODE)
    try:
        if found["image"]["virtual-size"] < size:
            await _unserve(monitor)
            await monitor.command("block_resize", **{"node-name": NODE, "size": size})
    finally:
        if not await monitor.command("query-block-exports"):
            await monitor.command("block-export-add", **export_arguments(export))


async def _unserve(monitor: Monitor) -> None:
    """Who is connected is cut off; that is over when the export is gone."""
    await monitor.command_quietly("block-export-del", id=EXPORT, mode="hard")
    for _ in range(_LOOKS):
        if not await monitor.command("query-block-exports"):
            return
        await asyncio.sleep(0.02)
