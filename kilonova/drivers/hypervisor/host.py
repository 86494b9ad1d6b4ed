"""What this host is: its QEMU, its accelerator, its size. Found out once. It knows no guests."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from kilonova.drivers.hypervisor.accel import Accelerator, find_out
from kilonova.drivers.identity import UidRange
from kilonova.errors import Unavailable
from kilonova.model.guest import HostFacts
from kilonova.model.ids import HostName, ServerId


class QemuSettings(Struct, frozen=True, kw_only=True):
    """What an operator may decide. `reserved_ram_mb` is kept from guests for the host itself."""

    binary: str = "qemu-system-x86_64"
    accelerator: Literal["auto", "kvm", "tcg"] = "auto"
    uids: UidRange = UidRange()
    reserved_ram_mb: int = 512
    availability_zone: str = "nova"
    host_ip: str = "127.0.0.1"


class QemuHost:
    """One host, as far as QEMU sees it."""

    def __init__(self, host: HostName, root: Path, settings: QemuSettings) -> None:
        self.settings = settings
        self._host = host
        self._root = root
        self._once = asyncio.Lock()
        self._qemu: tuple[int, Accelerator] | None = None
        self._facts: HostFacts | None = None

    def binary(self) -> Path:
        """QEMU's program. Raises Unavailable when there is none."""
        found = shutil.which(self.settings.binary)
        if found is None:
            raise Unavailable("QEMU is not installed on this host.")
        return Path(found)

    async def qemu(self) -> tuple[int, Accelerator]:
        """Its version, as OpenStack writes it, and how it runs guests' code here. Raises Unavailable."""
        async with self._once:
            if self._qemu is None:
                identity = self.settings.uids.identity(ServerId("probe"))
                version, accelerator = await asyncio.to_thread(find_out, self.binary(), self._root / "accelerator.json", identity)
                if self.settings.accelerator != "auto" and self.settings.accelerator != accelerator.name:
                    accelerator = Accelerator(self.settings.accelerator, "the settings say so")
                self._qemu = version, accelerator
            return self._qemu

    async def facts(self) -> HostFacts:
        """The host's size, read once. Raises Unavailable when QEMU is missing."""
        version, _ = await self.qemu()
        if self._facts is None:
            self._facts = await asyncio.to_thread(self._measure, version)
        return self._facts

    def _measure(self, version: int) -> HostFacts:
        return HostFacts(
            host=self._host,
            hypervisor_type="QEMU",
            hypervisor_version=version,
            vcpus=len(os.sched_getaffinity(0)),
            ram_mb=max(0, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (1 << 20) - self.settings.reserved_ram_mb),
            disk_gb=shutil.disk_usage(self._root).total >> 30,
            cpu_info=msgspec.json.encode(_cpu_info()).decode(),
            host_ip=self.settings.host_ip,
            availability_zone=self.settings.availability_zone,
        )


def _cpu_info() -> dict[str, Any]:
    """As OpenStack shows it: ``{"arch", "vendor", "model", "features", "topology"}``."""
    first_cpu = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first_cpu.splitlines())}
    return {
        "arch": os.uname().machine,
        "vendor": told.get("vendor_id", ""),
        "model": told.get("model name", ""),
        "features": told.get("flags", "").split(),
        "topology": {"sockets": 1, "cores": os.cpu_count() or 1, "threads": 1},
    }
