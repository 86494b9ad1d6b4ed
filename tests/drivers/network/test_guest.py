"""A real guest on a real wire: its kernel gets the address by DHCP, and its user data, fetched by HTTP, runs."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.drivers.network.taps import open_tap
from kilonova.model.ids import ServerId
from tests.drivers.network.guest import a_port

pytestmark = [pytest.mark.root, pytest.mark.qemu, pytest.mark.guest]

IMAGE = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[3] / ".cache") / "guestimage" / "kilonova-guest.qcow2"
_USER_DATA = b"#!/bin/sh\n(echo user-data-ran; ip addr; ip route; echo that-is-all) >/dev/console 2>&1\n"


async def test_a_real_guest_is_reached(network: Callable[..., LinuxNetwork], tmp_path: Path) -> None:
    if not IMAGE.exists():
        pytest.skip("the project's own guest image has not been built here")
    server = ServerId("11111111-2222-4333-8444-555555555555")
    meta = {"uuid": server, "hostname": "guest-one", "name": "guest-one"}
    documents = {"openstack/latest/meta_data.json": msgspec.json.encode(meta), "openstack/latest/user_data": _USER_DATA}
    (wire,) = await network().wire(server, (a_port(5),), documents)
    tap = await asyncio.to_thread(open_tap, wire)
    console = tmp_path / "console"
    order = f"""qemu-system-x86_64 -accel tcg,tb-size=32 -M pc -cpu max -m 128 -nodefaults -display none -snapshot
        -serial file:{console} -drive file={IMAGE},format=qcow2,if=virtio -netdev tap,id=n0,fd={tap}
        -device virtio-net-pci,netdev=n0,mac={wire.mac},romfile= -device virtio-rng-pci"""
    with subprocess.Popen(order.split(), pass_fds=[tap], stdin=subprocess.DEVNULL) as qemu:
        os.close(tap)
        try:
            said = await _said(console, "user-data-ran", "that-is-all")
        finally:
            qemu.kill()
    assert "10.0.0.5/24" in said
    assert "169.254.169.254 via 10.0.0.1" in said
    assert "default via 10.0.0.1" in said
    assert "mtu 1450" in said


async def _said(console: Path, first: str, last: str) -> str:
    """What it says between the two."""
    until = time.monotonic() + 90
    text = ""
    while time.monotonic() < until:
        text = console.read_text(errors="replace") if console.exists() else ""
        tail = text.partition(first)[2]
        if last in tail:
            return tail.partition(last)[0]
        await asyncio.sleep(0.1)
    raise AssertionError(f"the guest never said {last}: {text[-2000:]}")
