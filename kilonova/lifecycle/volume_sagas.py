"""Work on volumes, on their node: each as a saga with its undo. Control orders it, and notes its end (volume_ends.py).

What cannot be undone is done last: a volume that has grown, or gone back to a snapshot, stays so.
"""

from collections.abc import Mapping
from typing import Any

from kilonova.lifecycle.volume_needs import VolumeNodeWorld
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.saga import Saga


async def make_volume(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """A new volume: blank, or filled from an image, a snapshot or another volume."""
    await world.store.make(order)
    return order


async def remove_volume(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """Its bytes go."""
    await world.store.remove(order.volume_id)
    return order


async def unmake_volume(order: VolumeOrder, world: VolumeNodeWorld) -> None:
    """As if it had never been."""
    await world.store.remove(order.volume_id)


async def grow_volume(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """It gets its new size."""
    await world.store.extend(order.volume_id, order.size_gb)
    return order


async def take_snapshot(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """What it holds at this moment is kept."""
    await world.store.take_snapshot(order.volume_id, order.snapshot_id)
    return order


async def forget_snapshot(order: VolumeOrder, world: VolumeNodeWorld) -> None:
    """As if it had never been taken."""
    await world.store.drop_snapshot(order.volume_id, order.snapshot_id)


async def drop_snapshot(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """The snapshot goes; the volume stays as it is."""
    await world.store.drop_snapshot(order.volume_id, order.snapshot_id)
    return order


async def go_back(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """The volume becomes what it was."""
    await world.store.revert(order.volume_id, order.snapshot_id)
    return order


async def pack_bytes(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """Its bytes, in the image's format."""
    await world.store.pack(order)
    return order


async def unpack_bytes(order: VolumeOrder, world: VolumeNodeWorld) -> None:
    """The file that was to be sent goes."""
    await world.store.unpack(order)


async def send_bytes(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """They become the image's data."""
    await world.store.send(order)
    return order


async def tidy_up(order: VolumeOrder, world: VolumeNodeWorld) -> VolumeOrder:
    """What was sent is not needed here any more."""
    await world.store.unpack(order)
    return order


def _work(name: str) -> Saga[VolumeNodeWorld, VolumeOrder, VolumeOrder]:
    return Saga.starting_with(VolumeOrder, VolumeNodeWorld, name=name, at="volume")


WORKS: Mapping[str, Saga[Any, Any, Any]] = {
    "create": _work("volume_create").then(make_volume, undo=unmake_volume),
    "delete": _work("volume_delete").then(remove_volume),
    "extend": _work("volume_extend").then(grow_volume),
    "snapshot": _work("volume_snapshot").then(take_snapshot, undo=forget_snapshot),
    "delete_snapshot": _work("volume_delete_snapshot").then(drop_snapshot),
    "revert": _work("volume_revert").then(go_back),
    "upload": _work("volume_upload").then(pack_bytes, undo=unpack_bytes).then(send_bytes).then(tidy_up),
}
"""What an order's `work` means."""
