"""What a host can say of a guest that runs: counters, since it was started. None: not known there."""

from msgspec import Struct

from kilonova.errors import Conflict
from kilonova.model.guest import PowerState


class CpuTime(Struct, frozen=True, kw_only=True):
    """A virtual processor, and how long it has worked, in nanoseconds."""

    id: int
    time_ns: int | None = None


class DiskCounters(Struct, frozen=True, kw_only=True):
    """`name` as in `Disk`, or as much of a volume's id as QEMU is told, without dashes."""

    name: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    errors: int


class Diagnostics(Struct, frozen=True, kw_only=True):
    """`accelerator` and `started_at` as in `Guest`; `nics` are MAC addresses."""

    power: PowerState
    accelerator: str
    started_at: float
    cpus: tuple[CpuTime, ...] = ()
    disks: tuple[DiskCounters, ...] = ()
    nics: tuple[str, ...] = ()
    resident_bytes: int | None = None
    """What of the guest, and of QEMU itself, is in the host's memory."""


def not_running(server_id: str, power: PowerState) -> Conflict:
    """In Nova's words: only of guests that run anything is told."""
    return Conflict(f"Cannot 'get_diagnostics' instance {server_id} while it is in power state {power}")
