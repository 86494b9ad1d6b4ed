"""The counters of a guest that runs: of its disks and NICs by QMP, of its processors and memory from its process.

QEMU does not count what goes through a NIC, and the tap stands in the network node's namespace: of NICs there are addresses only.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kilonova.drivers.hypervisor.guest import QemuGuest
from kilonova.model.diagnostics import CpuTime, Diagnostics, DiskCounters

_NS_OF_A_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


async def diagnose(guest: QemuGuest) -> Diagnostics:
    """Raises Unavailable when its process does not answer."""
    memory, monitor = guest.memory, guest.monitor
    cpus = await monitor.command("query-cpus-fast")
    disks = await monitor.command("query-blockstats")
    nics = await monitor.command("query-rx-filter")
    times = await asyncio.to_thread(_times, memory.pid, [int(cpu["thread-id"]) for cpu in cpus])
    return Diagnostics(
        power=await guest.power(),
        accelerator=memory.accelerator,
        started_at=memory.started_at,
        cpus=tuple(CpuTime(id=int(cpu["cpu-index"]), time_ns=time) for cpu, time in zip(cpus, times, strict=True)),
        disks=tuple(_disk(disk) for disk in disks if disk.get("node-name") and disk.get("qdev")),
        nics=tuple(str(nic["main-mac"]) for nic in nics),
        resident_bytes=await asyncio.to_thread(_resident, memory.pid),
    )


def _disk(told: dict[str, Any]) -> DiskCounters:
    counted = told["stats"]
    return DiskCounters(
        name=str(told["node-name"]).removeprefix("d-"),
        read_bytes=counted["rd_bytes"],
        read_requests=counted["rd_operations"],
        write_bytes=counted["wr_bytes"],
        write_requests=counted["wr_operations"],
        errors=counted["failed_rd_operations"] + counted["failed_wr_operations"],
    )


def _times(pid: int, threads: Sequence[int]) -> list[int | None]:
    """What each thread has worked, for its process and in the kernel; processors that take turns have one thread in common."""
    return [_time(Path(f"/proc/{pid}/task/{thread}/stat")) for thread in threads]


def _time(stat: Path) -> int | None:
    try:
        words = stat.read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return None
    return (int(words[11]) + int(words[12])) * _NS_OF_A_TICK


def _resident(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
