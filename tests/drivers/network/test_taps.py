"""The compute node's end of a wire: a real tap in a real network, and a guest that is nothing but its descriptor."""

import asyncio
import os
import select
import socket
from collections.abc import Callable

import msgspec
import pytest

from kilonova.drivers.network import links, namespaces
from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.drivers.network.taps import open_tap
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from kilonova.model.port import Wire
from tests.drivers.network.guest import a_port, arp

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
ONE = ServerId("server-one")


async def _wire(network: Make) -> tuple[LinuxNetwork, Wire]:
    node = network()
    (wire,) = await node.wire(ONE, (a_port(5),), {})
    return node, wire


def _hears_the_gateway(tap: int, wire: Wire) -> bool:
    """Ask for the gateway by ARP through the tap, as a guest's kernel would (each frame has a virtio header of 10 bytes).

    More than once: the kernel may take up to a second to see that a leftover tap has somebody behind it again.
    """
    for _ in range(6):
        os.write(tap, bytes(10) + arp(wire.mac, "10.0.0.5", "10.0.0.1"))
        if _answered(tap):
            return True
    return False


def _answered(tap: int) -> bool:
    for _ in range(20):
        if not select.select([tap], [], [], 0.4)[0]:
            return False
        frame = os.read(tap, 2048)[10:]
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02":
            return frame[28:32] == socket.inet_aton("10.0.0.1")
    return False


def _taps(wire: Wire) -> set[str]:
    return namespaces.inside(wire.namespace, lambda: links.link_names("tap"))


async def test_a_tap_is_on_the_network_and_goes_with_its_descriptor(network: Make) -> None:
    _, wire = await _wire(network)
    tap = await asyncio.to_thread(open_tap, wire)
    try:
        assert not os.get_inheritable(tap)
        assert _taps(wire) == {wire.tap}
        assert namespaces.inside(wire.namespace, lambda: socket.if_nametoindex(wire.tap)) > 0
        assert await asyncio.to_thread(_hears_the_gateway, tap, wire)
    finally:
        os.close(tap)
    assert _taps(wire) == set()


async def test_a_leftover_tap_is_taken_over(network: Make) -> None:
    _, wire = await _wire(network)

    def leave_one() -> None:
        from pyroute2 import IPRoute

        with IPRoute() as ip:
            ip.link("add", ifname=wire.tap, kind="tuntap", mode="tap")

    namespaces.inside(wire.namespace, leave_one)
    assert _taps(wire) == {wire.tap}
    tap = await asyncio.to_thread(open_tap, wire)
    try:
        assert await asyncio.to_thread(_hears_the_gateway, tap, wire)
    finally:
        os.close(tap)
    assert _taps(wire) == set()


async def test_a_tap_of_a_guest_that_is_just_ending_is_waited_for(network: Make) -> None:
    _, wire = await _wire(network)
    first = await asyncio.to_thread(open_tap, wire)
    asyncio.get_running_loop().call_later(0.2, os.close, first)
    os.close(await asyncio.to_thread(open_tap, wire))


async def test_unwiring_cuts_a_guest_off_that_still_runs(network: Make) -> None:
    node, wire = await _wire(network)
    await node.wire(ServerId("server-two"), (a_port(6),), {})
    tap = await asyncio.to_thread(open_tap, wire)
    try:
        await node.unwire(ONE)
        assert _taps(wire) == set()
        with pytest.raises(OSError, match=r"bad state|File descriptor"):
            os.write(tap, bytes(10) + arp(wire.mac, "10.0.0.5", "10.0.0.1"))
    finally:
        os.close(tap)


async def test_a_tap_nobody_wired_is_not_heard(network: Make) -> None:
    _, wire = await _wire(network)
    tap = await asyncio.to_thread(open_tap, msgspec.structs.replace(wire, tap="tapffffffffff"))
    try:
        assert not await asyncio.to_thread(_hears_the_gateway, tap, wire)
    finally:
        os.close(tap)


async def test_a_wire_that_leads_nowhere_is_refused(able: None) -> None:
    lost = Wire(
        port_id=a_port(5).id, mac="02:00:00:00:00:05", mtu=1450, kind="tap", namespace="kn-nowhere", tap="tap1", bridge="br0"
    )
    with pytest.raises(BuildFailed) as error:
        await asyncio.to_thread(open_tap, lost)
    assert "kn-nowhere" not in str(error.value)
    with pytest.raises(BuildFailed):
        open_tap(msgspec.structs.replace(lost, kind="user"))
