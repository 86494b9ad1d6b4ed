"""What is plugged into a guest that runs, and pulled out of it, over QMP. Open files are handed over; QEMU opens nothing itself.

A device leaves when the guest lets go of it, which QEMU says by an event; a guest that still boots may not hear the first
request, so it is asked again.
"""

import asyncio
from typing import Any

from kilonova.drivers.hypervisor.command import nic_name, node_name, short_name, volume_key, volume_node
from kilonova.drivers.hypervisor.plugs import PlugEnd
from kilonova.drivers.monitor import Monitor
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.guest import Disk
from kilonova.model.port import Wire

ASK_AGAIN_S = 5.0
LET_GO_S = 60.0


async def plug_nic(monitor: Monitor, wire: Wire, end: PlugEnd) -> None:
    """The NIC appears in the guest; one that is there already is no error. Raises BuildFailed; then it is not there."""
    name = nic_name(wire.port_id)
    if await _has_device(monitor, f"{name}-device"):
        return
    try:
        await monitor.command_quietly("netdev_del", id=name)  # of an attempt that came only so far
        await monitor.command("netdev_add", **await _backend(monitor, name, end))
        await monitor.command(
            "device_add",
            driver="virtio-net-pci",
            id=f"{name}-device",
            netdev=name,
            mac=wire.mac,
            host_mtu=wire.mtu,
            romfile="",
        )
    except Unavailable as error:
        await monitor.command_quietly("device_del", id=f"{name}-device")  # one that was too slow to answer may have it now
        await monitor.command_quietly("netdev_del", id=name)
        raise BuildFailed("The interface could not be plugged into the guest.") from error


async def unplug_nic(monitor: Monitor, port_id: str) -> None:
    """The guest lets go of the NIC; none there is no error. Raises BuildFailed when it does not in time."""
    name = nic_name(port_id)
    await unplug(monitor, f"{name}-device")
    await monitor.command_quietly("netdev_del", id=name)


async def plug_disk(monitor: Monitor, disk: Disk, keys_fd: int) -> None:
    """The volume appears in the guest; one that is there already is no error. Raises BuildFailed; then it is not there."""
    name = node_name(disk)
    if await _has_device(monitor, f"{name}-device"):
        return
    try:
        await _forget_disk(monitor, name)  # of an attempt that came only so far
        key = volume_key(disk, keys_fd)
        if key is not None:
            await monitor.command("object-add", **key)
        await monitor.command("blockdev-add", **volume_node(disk))
        await monitor.command("device_add", driver="virtio-blk-pci", id=f"{name}-device", drive=name, serial=disk.name[:20])
    except Unavailable as error:
        await monitor.command_quietly("device_del", id=f"{name}-device")  # one that was too slow to answer may have it now
        await _forget_disk(monitor, name)
        raise BuildFailed("The volume could not be plugged into the guest.") from error


async def unplug_disk(monitor: Monitor, disk_name: str) -> None:
    """The guest lets go of the volume; none there is no error. Raises BuildFailed when it does not in time."""
    name = short_name(disk_name)
    await unplug(monitor, f"{name}-device")
    await _forget_disk(monitor, name)


async def _forget_disk(monitor: Monitor, name: str) -> None:
    await monitor.command_quietly("blockdev-del", **{"node-name": name})
    await monitor.command_quietly("object-del", id=f"{name}-key")


async def unplug(monitor: Monitor, device: str) -> None:
    """Ask until the device is gone. Raises BuildFailed after a while."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LET_GO_S
    asked = 0.0
    while await _has_device(monitor, device):
        if loop.time() > until:
            raise BuildFailed("The guest did not let go of the device.")
        if loop.time() - asked > ASK_AGAIN_S:
            asked = loop.time()
            await monitor.command_quietly("device_del", id=device)
        await asyncio.sleep(0.1)


async def _has_device(monitor: Monitor, device: str) -> bool:
    """Whether the guest has it, also while it is on its way out."""
    children = await monitor.command("qom-list", path="/machine/peripheral")
    return any(child["name"] == device for child in children)


async def _backend(monitor: Monitor, name: str, end: PlugEnd) -> dict[str, Any]:
    """The ``-netdev`` value as QMP has it, its open files handed over."""
    kind, *options = end.netdev.split(",")
    told: dict[str, Any] = {"type": kind, "id": name}
    for option in options:
        key, _, value = option.partition("=")
        if key == "fd":
            told["fd"] = f"{name}-fd"
            await monitor.hand_over(int(value), f"{name}-fd")
        elif key == "hostfwd":
            told.setdefault("hostfwd", []).append({"str": value})
        else:
            told[key] = {"on": True, "off": False}.get(value, value)
    return told
