"""QEMU's command line, as a pure function of what the guest is to be. It opens nothing and starts nothing.

Everything QEMU uses is passed as an open file, because it runs as a user that may not look into our folders. The command line
can be read by every user of the host, so it holds no name an owner chose and no secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from kilonova.model.guest import Disk
from kilonova.model.ids import ServerId
from kilonova.model.port import Wire

_SMALL_GUEST_MB = 512
RECONNECT_S = 600


class Nic(Struct, frozen=True):
    """A wire, and the ``-netdev`` value for it."""

    wire: Wire
    netdev: str


class Machine(Struct, frozen=True, kw_only=True):
    """Everything the command line says. Files are numbers of open files: `disk_fds` by path, read-only where the disk is."""

    binary: str
    server_id: ServerId
    machine: str
    accelerator: str
    vcpus: int
    ram_mb: int
    disks: tuple[Disk, ...]
    disk_fds: Mapping[str, int]
    nics: tuple[Nic, ...]
    keys_fd: int
    """The folder of the keys to its volumes."""
    qmp_fd: int
    serial_fd: int
    console_fd: int


def machine_type(version: int) -> str:
    """The versioned machine of this QEMU, so that a guest keeps its hardware when QEMU is updated."""
    return f"pc-i440fx-{version // 1_000_000}.{version // 1_000 % 1_000}"


def command(machine: Machine) -> list[str]:
    """The whole command line; the guest is held (``-S``) until QMP says ``cont``."""
    tcg = "tcg,tb-size=32" if machine.ram_mb <= _SMALL_GUEST_MB else "tcg"
    kvm = machine.accelerator == "kvm"
    # fmt: off
    words = [
        machine.binary, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
        # After the guest has powered itself off QEMU stays, so that nobody takes a clean end for a crash.
        "-no-shutdown",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-name", f"guest={machine.server_id}",
        "-uuid", machine.server_id,
        # By this product name guests recognise OpenStack, and look for its metadata.
        "-smbios", f"type=1,manufacturer=Kilonova,product=OpenStack Nova,serial={machine.server_id},family=Virtual Machine",
        "-machine", f"{machine.machine},usb=off,graphics=off,dump-guest-core=off",
        "-accel", "kvm" if kvm else tcg,
        "-cpu", "host" if kvm else "max",
        "-smp", f"cpus={machine.vcpus}",
        "-m", f"size={machine.ram_mb}M",
        "-rtc", "base=utc",
        "-object", "rng-builtin,id=rng0",
        "-device", "virtio-rng-pci,id=rng,rng=rng0",
        "-chardev", f"socket,id=qmp,fd={machine.qmp_fd},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
        "-add-fd", f"fd={machine.console_fd},set={machine.console_fd}",
        "-chardev", f"socket,id=serial0,fd={machine.serial_fd},server=on,wait=off,"
                    f"logfile=/dev/fdset/{machine.console_fd},logappend=on",
        "-serial", "chardev:serial0",
    ]
    # fmt: on
    for disk in machine.disks:
        if disk.nbd is not None:
            words += _volume(disk, machine.keys_fd)
        words += _disk(disk, machine.disk_fds)
    for nic in machine.nics:
        words += _nic(nic)
    return words


def without_guest(binary: str, disk: Disk, fds: Mapping[str, int], qmp_fd: int) -> list[str]:
    """The command line of a QEMU that has a disk and no machine: for work on the disk of a guest that is off."""
    # fmt: off
    words = [
        binary, "-S", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-chardev", f"socket,id=qmp,fd={qmp_fd},server=on,wait=off",
        "-mon", "chardev=qmp,mode=control",
    ]
    # fmt: on
    return [*words, *_nodes(disk, fds)]


def _disk(disk: Disk, fds: Mapping[str, int]) -> list[str]:
    """One disk and the device it is in the guest."""
    node, words = node_name(disk), _nodes(disk, fds)
    boot = "" if disk.boot_index is None else f",bootindex={disk.boot_index}"
    if disk.format == "iso" and disk.boot_index is not None:  # installers look for a CD-ROM; a config drive is found by its label
        return [*words, "-device", f"ide-cd,bus=ide.0,id={node}-device,drive={node}{boot}"]
    return [*words, "-device", f"virtio-blk-pci,id={node}-device,drive={node},serial={disk.name[:20]}{boot}"]


def _nodes(disk: Disk, fds: Mapping[str, int]) -> list[str]:
    """A disk with its backing chain, each format and file named: QEMU never guesses and never follows a header."""
    node = node_name(disk)
    if disk.nbd is not None:
        return ["-blockdev", _json(volume_node(disk))]
    words: list[str] = []
    driver = "raw" if disk.format == "iso" else disk.format
    top: dict[str, Any] = {"driver": driver, "node-name": node, "read-only": disk.read_only, "file": f"{node}-file"}
    if driver == "qcow2":
        top["backing"] = f"{node}-base" if disk.backing_path else None
    if disk.backing_path:
        base: dict[str, Any] = {"driver": disk.backing_format, "node-name": f"{node}-base", "read-only": True}
        base["file"] = f"{node}-base-file"
        if disk.backing_format == "qcow2":
            base["backing"] = None
        words += [*_file(f"{node}-base-file", fds[disk.backing_path], read_only=True), "-blockdev", _json(base)]
    return [*words, *_file(f"{node}-file", fds[disk.path], read_only=disk.read_only), "-blockdev", _json(top)]


def _file(node: str, fd: int, *, read_only: bool) -> list[str]:
    blockdev = {"driver": "file", "node-name": node, "filename": f"/dev/fdset/{fd}", "read-only": read_only}
    if not read_only:
        blockdev["discard"] = "unmap"
    return ["-add-fd", f"fd={fd},set={fd}", "-blockdev", _json(blockdev)]


def _nic(nic: Nic) -> list[str]:
    kind, _, rest = nic.netdev.partition(",")
    name = nic_name(nic.wire.port_id)
    device = f"virtio-net-pci,id={name}-device,netdev={name},mac={nic.wire.mac},host_mtu={nic.wire.mtu},romfile="
    return ["-netdev", f"{kind},id={name},{rest}", "-device", device]


def _volume(disk: Disk, keys_fd: int) -> list[str]:
    key = volume_key(disk, keys_fd)
    return [] if key is None else ["-object", _json(key)]


def volume_key(disk: Disk, keys_fd: int) -> dict[str, Any] | None:
    """The object by which QEMU proves its right to a volume; None where none is asked for."""
    if disk.nbd is None or not disk.nbd.key:
        return None
    name = node_name(disk)
    folder = f"/proc/self/fd/{keys_fd}/{name}"
    return {"qom-type": "tls-creds-psk", "id": f"{name}-key", "endpoint": "client", "dir": folder, "username": disk.nbd.user}


def volume_node(disk: Disk) -> dict[str, Any]:
    """A volume as QEMU reaches it. When its server is away, what the guest writes waits for it, up to `RECONNECT_S`."""
    assert disk.nbd is not None
    node: dict[str, Any] = {
        "driver": "nbd",
        "node-name": node_name(disk),
        "server": {"type": "inet", "host": disk.nbd.host, "port": str(disk.nbd.port)},
        "export": disk.nbd.export,
        "reconnect-delay": RECONNECT_S,
        "read-only": disk.read_only,
    }
    if not disk.read_only:
        node["discard"] = "unmap"
    return node | ({"tls-creds": f"{node_name(disk)}-key"} if disk.nbd.key else {})


def node_name(disk: Disk) -> str:
    """QEMU's name for the disk."""
    return short_name(disk.name)


def short_name(disk_name: str) -> str:
    """At most 21 characters, so that ours with a suffix stay below QEMU's limit of 31."""
    return f"d-{disk_name.replace('-', '')[:19]}"


def nic_name(port_id: str) -> str:
    """QEMU's name for a NIC's back end; the device has ``-device`` behind it. At most 21 characters, as above."""
    return f"n-{port_id.replace('-', '')[:19]}"


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def memory_limit(ram_mb: int) -> int:
    """A limit in bytes for the address space of a guest's process: its memory, QEMU's own, TCG's code buffer, and room."""
    return (ram_mb + ram_mb // 4 + 4096) << 20


def paths(disks: Sequence[Disk]) -> dict[str, bool]:
    """Every file the disks need, with whether QEMU may only read it."""
    needed = {disk.backing_path: True for disk in disks if disk.backing_path}
    return needed | {disk.path: disk.read_only for disk in disks if disk.nbd is None}
