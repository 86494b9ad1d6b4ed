"""Real guests for the matrix: they boot fifty bytes that know the power button and hot-plugging, so that a case takes seconds.

And what can be seen of them on the machine: processes, taps, namespaces, DHCP, what serves volumes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import acts
from tests.cloud.processes import guests_of, processes_of
from tests.cloud.running import Cloud, Machine, running, wait_for

REAL = ("--hypervisor", "qemu")
NANO = {"flavorRef": "42"}
_SYSTEM = bytes.fromhex(
    "ba0206 b80001 ef"  # let the power button be seen: PM1 enable, port 0x602
    "fb f4"  # until the next tick of the clock nothing is to be done
    "ba10ae 6631c0 66ef ba04ae 66ed 6685c0 7405 ba08ae 66ef"  # which PCI slots are to go (port 0xae04): let go of them (0xae08)
    "ba0006 ed f6c401 74de"  # the button is not pressed (PM1 status, port 0x600): wait on
    "ba0406 b80020 ef ebfe"  # off: PM1 control, port 0x604
)
BOOT_SECTOR = _SYSTEM.ljust(510, b"\0") + b"\x55\xaa"
MARKS = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.root,
    pytest.mark.timeout(500),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and taps need root"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]


@contextmanager
def real_cloud(folder: Path, **settings: Any) -> Iterator[Cloud]:
    """With real guests on a real network, whose small image is the one with the power button."""
    told: dict[str, Any] = {"network": "linux", "shutdown_limit_s": 1, "faults": "file", "build_limit_s": 120, **settings}
    with running(folder, *REAL, **told) as cloud:
        made = {"name": "button", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        image = cloud.api.send("POST", "/image/v2/images", made)["id"]
        cloud.api.send("PUT", f"/image/v2/images/{image}/file", BOOT_SECTOR.ljust(65536, b"\0"))
        cloud.api._image = image
        yield cloud


def active(cloud: Cloud, name: str, **more: Any) -> str:
    """A new server that runs; its id."""
    server_id = cloud.api.build(name, **NANO, **more)
    server = cloud.api.settled(server_id, 90)
    assert server["status"] == "ACTIVE", server
    return server_id


def ask(cloud: Cloud, server_id: str, action: str) -> None:
    """Ask for it once."""
    acts.ask(cloud, server_id, acts.request(cloud, server_id, action))


def empty(cloud: Cloud) -> None:
    """Nothing strikes any more; servers and volumes go. Raises AssertionError, TimeoutError."""
    cloud.want_fault()
    for server in cloud.api.send("GET", acts.SERVERS)["servers"]:
        cloud.api.delete(server["id"], 90)
    for volume in cloud.api.send("GET", f"{acts.volume_url(cloud)}/volumes")["volumes"]:
        cloud.api.surely("DELETE", f"{acts.volume_url(cloud)}/volumes/{volume['id']}")
        acts.becomes(cloud, volume["id"], "404")


def namespaces(cloud: Cloud) -> list[str]:
    """Of this cloud's networks."""
    return Machine(cloud.data).traces().get("namespaces", [])


def taps(cloud: Cloud) -> list[str]:
    """In all of the cloud's namespaces: those on a bridge that somebody holds."""
    found = []
    for name in namespaces(cloud):
        order = ["nsenter", f"--net=/run/netns/{name}", "ip", "-o", "link", "show", "type", "tun"]
        said = subprocess.run(order, capture_output=True, text=True, check=False).stdout
        found += [f"{name} {line}" for line in said.splitlines() if " master " in line and "LOWER_UP" in line]
    return found


def dhcp(cloud: Cloud) -> list[int]:
    """The processes that answer DHCP."""
    return _programs(cloud, b"dnsmasq")


def daemons(cloud: Cloud) -> list[int]:
    """The processes that serve volumes; their command lines have no path of ours, but a volume's id."""
    ids = {str(row[0]).encode() for row in cloud.rows("SELECT id FROM volumes")}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"qemu-storage-daemon" in words[0] and any(one in word for one in ids for word in words):
                    found.append(int(entry.name))
    return sorted(found)


def known_to_dhcp(cloud: Cloud) -> int:
    """How many MAC addresses DHCP answers."""
    files = cloud.data.glob("nodes/*/dhcp/*/hosts")
    return sum(len(file.read_text().splitlines()) for file in files)


def stands_for(cloud: Cloud, *, guests: int, ports: int, volumes: int = 0) -> None:
    """Soon there are so many guests, each with its tap, DHCP for so many ports, one network if any. Raises AssertionError."""

    def seen() -> dict[str, int]:
        return {
            "guests": len(guests_of(cloud.data)),
            "taps": len(taps(cloud)),
            "known to DHCP": known_to_dhcp(cloud),
            "namespaces": len(namespaces(cloud)),
            "DHCP": len(dhcp(cloud)),
            "volumes": len(daemons(cloud)),
        }

    some = int(ports > 0)
    wanted = {"guests": guests, "taps": guests, "known to DHCP": ports, "namespaces": some, "DHCP": some, "volumes": volumes}
    with suppress(TimeoutError):
        wait_for(lambda: seen() == wanted, 20, "the machine as it should be", every_s=0.2)
    assert seen() == wanted


def _programs(cloud: Cloud, name: bytes) -> list[int]:
    found = []
    for pid in processes_of(cloud.data):
        with suppress(OSError):
            if name in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]:
                found.append(pid)
    return sorted(found)
