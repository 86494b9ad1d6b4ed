"""Builds, images and wires for the driver tests, and ways to look at what is left behind."""

import hashlib
import os
import socket
from pathlib import Path

from kilonova.build.needs import Progress
from kilonova.build.record import Placed, Wired, grow
from kilonova.drivers.disks.fetch import CheckedFile
from kilonova.model.flavor import Flavor
from kilonova.model.guest import Disk
from kilonova.model.ids import (
    FlavorId,
    HostName,
    ImageId,
    NetworkId,
    NodeName,
    PortId,
    ProjectId,
    ServerId,
    SubnetId,
    UserId,
    new_uuid,
)
from kilonova.model.image import BootImage
from kilonova.model.port import Address, Port, Wire

GUEST_IMAGE = Path(__file__).parents[2] / ".cache" / "guestimage" / "kilonova-guest.qcow2"


def image_of(content: bytes, disk_format: str = "raw", **known: object) -> BootImage:
    """An image whose checksum and size are those of `content`."""
    digest = hashlib.sha256(content).hexdigest()
    size = len(content)
    return BootImage(
        **{  # type: ignore[arg-type]
            "id": ImageId(new_uuid()),
            "name": "test",
            "disk_format": disk_format,
            "size": size,
            "sha256": digest,
            "virtual_size": size,
            **known,
        }
    )


def placed(image: BootImage | None = None, **known: object) -> Placed:
    """An order for a small server with one port."""
    address = Address(
        subnet_id=SubnetId("s"), ip="10.0.0.5", cidr="10.0.0.0/24", gateway="10.0.0.1", dns=("10.0.0.2", "10.0.0.3")
    )
    port = Port(
        id=PortId(new_uuid()), network_id=NetworkId("n"), network_name="net", mac="fa:16:3e:00:00:05", addresses=(address,)
    )
    fields: dict[str, object] = {
        "server_id": ServerId(new_uuid()),
        "project_id": ProjectId("p"),
        "user_id": UserId("u"),
        "request_id": "req-1",
        "name": "My server, with=commas",
        "hostname": "my-server",
        "flavor": Flavor(id=FlavorId("1"), name="m1.tiny", vcpus=1, ram_mb=128, disk_gb=1),
        "image": image,
        "host": HostName("h"),
        "node": NodeName("n"),
        "network_node": NodeName("nn"),
        "attempt": 1,
        "deadline": 0.0,
        "ordered_at": 0.0,
        "ports": (port,),
        **known,
    }
    return Placed(**fields)  # type: ignore[arg-type]


def wired(build: Placed, disks: tuple[Disk, ...], ssh_port: int = 0) -> Wired:
    """The same build, with user networking."""
    wires = tuple(
        Wire(port_id=port.id, mac=port.mac, mtu=port.mtu, kind="user", addresses=port.addresses, ssh_port=ssh_port)
        for port in build.ports
    )
    return grow(build, Wired, disks=disks, wires=wires)


def free_port() -> int:
    """A loopback TCP port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FileFetch:
    """Fetches images from memory or files, counts, and fails as often as it is told."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.fetched: list[tuple[str, str]] = []
        self.failures: list[Exception] = []

    def offer(self, image: BootImage, content: bytes) -> BootImage:
        self.contents[image.id] = content
        return image

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: Progress) -> None:
        self.fetched.append((image.id, ticket))
        content = self.contents[image.id]
        with CheckedFile(into, image) as file:
            file.write(content[: len(content) // 2])
            progress("fetching", 0.5)
            if self.failures:
                raise self.failures.pop(0)
            file.write(content[len(content) // 2 :])


def no_progress(_: str, __: float) -> None:
    """Nobody looks."""


def qemus_of(server_id: ServerId) -> list[int]:
    """The processes of this machine that carry the server's uuid."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if server_id.encode() in words:
                found.append(int(entry.name))
    return found


def open_files() -> set[str]:
    """What this process has open, to find what was not closed."""
    return {
        f"{fd}:{os.readlink(f'/proc/self/fd/{fd}')}"
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    }
