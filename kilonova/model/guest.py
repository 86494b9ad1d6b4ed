"""A guest and its disks, as a hypervisor host sees them."""

from typing import Literal

from msgspec import Struct

from kilonova.model.ids import HostName, ServerId
from kilonova.model.volume_link import NbdAddress

PowerState = Literal["running", "paused", "shutdown", "crashed", "suspended"]


class Disk(Struct, frozen=True, kw_only=True):
    """One block device, ready to be given to a guest. `size` in bytes."""

    name: str
    """``root``, ``ephemeral0``, ``swap``, ``config``, or a volume's id: the node name and serial in the guest."""
    path: str
    format: Literal["qcow2", "raw", "iso"]
    size: int
    backing_path: str | None = None
    """The cached image below a qcow2 overlay; given to QEMU explicitly, never read from the overlay's header."""
    backing_format: Literal["qcow2", "raw"] | None = None
    boot_index: int | None = None
    read_only: bool = False
    nbd: NbdAddress | None = None
    """A volume: QEMU reaches it there, and `path` is empty."""


class Guest(Struct, frozen=True, kw_only=True):
    """A guest that runs."""

    server_id: ServerId
    pid: int
    accelerator: str
    """``kvm``, ``tcg`` or ``simulated``."""
    started_at: float


class HostFacts(Struct, frozen=True, kw_only=True):
    """What a host can hold, reported when its node starts and every 20 seconds after."""

    host: HostName
    hypervisor_type: str
    hypervisor_version: int
    """As OpenStack writes it: 7.2.22 is 7002022."""
    vcpus: int
    ram_mb: int
    disk_gb: int
    cpu_info: str = "{}"
    host_ip: str = "127.0.0.1"
    availability_zone: str = "nova"
