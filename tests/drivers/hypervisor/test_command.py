"""What QEMU is told, and that QEMU takes it."""

import ctypes
import fcntl
import json
import os
import struct
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor.command import Machine, command, machine_type, node_name, paths
from kilonova.drivers.hypervisor.host import QemuSettings
from kilonova.drivers.hypervisor.plugs import PlugsByKind, TapPlugs
from kilonova.drivers.hypervisor.qemu import QemuHypervisor
from kilonova.model.flavor import Flavor
from kilonova.model.guest import Disk
from kilonova.model.ids import FlavorId, HostName, ServerId, new_uuid
from kilonova.model.port import Wire
from kilonova.model.volume_link import NbdAddress
from tests.drivers.builds import FileFetch, image_of, no_progress, placed, qemus_of, wired
from tests.drivers.hypervisor.conftest import Restart

ROOT = Disk(name="root", path="/r", format="qcow2", size=1, backing_path="/b", backing_format="qcow2", boot_index=0)
VOLUME = Disk(name=new_uuid(), path="/v", format="raw", size=1)
CONFIG = Disk(name="config", path="/c", format="iso", size=1, read_only=True)
CDROM = Disk(name="cdrom", path="/d", format="iso", size=1, read_only=True, boot_index=1)
BLANK = b"\0" * 65536


def words(*disks: Disk, **known: object) -> list[str]:
    fields: dict[str, object] = {
        "binary": "qemu", "server_id": ServerId("s"), "machine": "pc-i440fx-7.2", "accelerator": "tcg", "vcpus": 1, "ram_mb": 512,
        "disks": disks, "disk_fds": {path: n for n, path in enumerate(paths(disks), 10)}, "nics": (),
        "keys_fd": 9, "qmp_fd": 3, "serial_fd": 4, "console_fd": 5, **known,
    }  # fmt: skip
    return command(Machine(**fields))  # type: ignore[arg-type]


def blockdevs(said: list[str]) -> dict[str, dict[str, object]]:
    found = [json.loads(value) for word, value in pairwise(said) if word == "-blockdev"]
    return {one["node-name"]: one for one in found}


def test_no_format_is_guessed_and_no_header_followed() -> None:
    nodes = blockdevs(words(ROOT, VOLUME, CONFIG))
    assert nodes["d-root"] | {"driver": "qcow2", "backing": "d-root-base"} == nodes["d-root"]
    assert nodes["d-root-base"] | {"driver": "qcow2", "backing": None, "read-only": True} == nodes["d-root-base"]
    assert nodes["d-root-base-file"]["read-only"] is True
    assert nodes[node_name(VOLUME)]["driver"] == "raw"
    assert nodes["d-config"] | {"driver": "raw", "read-only": True} == nodes["d-config"]
    assert all(str(node.get("filename", "/dev/fdset/")).startswith("/dev/fdset/") for node in nodes.values())
    assert all(len(name) < 31 for name in nodes)
    assert blockdevs(words(replace(ROOT, backing_path=None)))["d-root"]["backing"] is None


def test_devices_and_their_order() -> None:
    devices = [word for word in words(ROOT, CONFIG, CDROM) if "drive=" in word]
    assert [device.split(",")[0] for device in devices] == ["virtio-blk-pci", "virtio-blk-pci", "ide-cd"]
    assert "bootindex=0" in devices[0] and "bootindex" not in devices[1] and "bootindex=1" in devices[2]


def test_the_machine_stays_the_same_when_qemu_is_updated() -> None:
    assert machine_type(7_002_022) == "pc-i440fx-7.2"
    assert machine_type(10_000_002) == "pc-i440fx-10.0"


def test_the_accelerator() -> None:
    assert "tcg,tb-size=32" in words() and "max" in words()
    assert "tcg" in words(ram_mb=513)
    kvm = words(accelerator="kvm")
    assert (kvm[kvm.index("-accel") + 1], kvm[kvm.index("-cpu") + 1]) == ("kvm", "host")


@pytest.mark.qemu
async def test_qemu_takes_every_kind_of_disk_and_a_large_guest(
    hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch
) -> None:
    for disk_format in ("iso", "raw"):
        flavor = Flavor(id=FlavorId("1"), name="f", vcpus=2, ram_mb=1024, disk_gb=1, ephemeral_gb=1, swap_mb=64)
        build = placed(fetch.offer(image_of(BLANK, disk_format), BLANK), flavor=flavor)
        made = await disks.assemble(build, no_progress)
        complete = wired(build, made)
        await hypervisor.start(complete, (*made, await disks.add_config_drive(complete)))
        assert (await hypervisor.guests())[build.server_id] == "running"


def open_tap(_: Wire) -> int:
    """A tap in a network namespace that lives as long as it."""
    opened: list[int] = []

    def inside() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(0x40000000):  # CLONE_NEWNET
            return
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        opened.append(fd)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"ktest0", 0x0002 | 0x1000 | 0x4000))  # TAP, NO_PI, VNET_HDR

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    return opened[0]


@pytest.mark.qemu
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="needs root and /dev/net/tun")
async def test_qemu_takes_a_tap_it_could_not_open_itself(
    hypervisors: Restart, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    hypervisors()  # at the end it destroys what is left
    build = placed(fetch.offer(image_of(BLANK), BLANK))
    made = await disks.assemble(build, no_progress)
    complete = wired(build, made)
    complete = replace(complete, wires=(replace(complete.wires[0], kind="tap", mtu=1450),))
    hypervisor = QemuHypervisor(HostName("h"), tmp_path / "data", PlugsByKind({"tap": TapPlugs(open_tap)}), QemuSettings())
    guest = await hypervisor.start(complete, made)
    held = [os.readlink(link) for link in Path(f"/proc/{guest.pid}/fd").iterdir()]
    assert "/dev/net/tun" in held
    assert "/dev/net/tun" not in [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    await hypervisor.destroy(build.server_id)
    await hypervisor.close()
    assert qemus_of(build.server_id) == []


def test_a_volume_is_reached_with_its_key_and_no_secret_is_said() -> None:
    address = NbdAddress(host="10.0.0.5", port=4711, export="v", user="attachment", key="5ec2e7")
    name = "6b0c8f3e-52a1-4be1-9c0f-2f7c0a4b1d3e"
    volume = Disk(name=name, path="", format="raw", size=1, boot_index=0, nbd=address)
    said = words(volume, CONFIG)
    assert not any("5ec2e7" in word for word in said)
    node = blockdevs(said)["d-6b0c8f3e52a14be19c0"]
    assert node["server"] == {"type": "inet", "host": "10.0.0.5", "port": "4711"}
    assert (node["driver"], node["export"], node["tls-creds"]) == ("nbd", "v", "d-6b0c8f3e52a14be19c0-key")
    key = json.loads(next(word for word in said if "tls-creds-psk" in word))
    assert (key["dir"], key["username"]) == ("/proc/self/fd/9/d-6b0c8f3e52a14be19c0", "attachment")
    assert any(f"serial={name[:20]},bootindex=0" in word for word in said)
    assert said.index(json.dumps(key, separators=(",", ":"))) < said.index("-blockdev")
    assert "" not in paths([volume])
