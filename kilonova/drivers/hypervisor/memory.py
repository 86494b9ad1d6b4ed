"""What is written down of a guest, so that the next process of this role finds it again. It starts and ends nothing."""

from pathlib import Path

import msgspec
from msgspec import Struct

from kilonova.model.guest import PowerState
from kilonova.model.ids import ServerId

_FILE = "guest.json"


class GuestMemory(Struct, frozen=True, kw_only=True):
    """One guest. `pid` is 0 from before its process is made until it is known; `start_ticks` as in ``/proc/PID/stat``."""

    server_id: ServerId
    machine: str
    accelerator: str
    boot_id: str
    started_at: float
    keys_fd: int = -1
    """The number by which QEMU has the folder of its keys open; -1: it was started without."""
    pid: int = 0
    start_ticks: int = 0
    ended: PowerState | None = None
    """How it ended, once somebody saw it end. A process that is gone without this has crashed, or its host has."""


def write_down(folder: Path, memory: GuestMemory) -> None:
    """Replace what is known; whole or not at all."""
    half = folder / f"{_FILE}.half"
    half.write_bytes(msgspec.json.encode(memory))
    half.replace(folder / _FILE)


def recall(folder: Path) -> GuestMemory | None:
    """What is known of the guest in this folder, None when nothing readable is there."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=GuestMemory)
    except (OSError, msgspec.MsgspecError):
        return None


def boot_id() -> str:
    """Another one after every boot of this host."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
