"""Hypervisors of one host, one after the other. Every guest a test starts is ended with it."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor.host import QemuSettings
from kilonova.drivers.hypervisor.plugs import PlugsByKind, UserPlugs
from kilonova.drivers.hypervisor.qemu import QemuHypervisor
from kilonova.model.ids import HostName
from tests.drivers.builds import FileFetch


@pytest.fixture
def fetch() -> FileFetch:
    return FileFetch()


@pytest.fixture
def disks(tmp_path: Path, fetch: FileFetch) -> QcowDisks:
    return QcowDisks(tmp_path / "data", fetch)


Restart = Callable[..., QemuHypervisor]


@pytest.fixture
async def hypervisors(tmp_path: Path) -> AsyncIterator[Restart]:
    """Makes hypervisors of the same host, as a restarted role would; at the end every guest is destroyed."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("QEMU is not installed")
    root = tmp_path / "data"
    root.mkdir(mode=0o700, exist_ok=True)
    made: list[QemuHypervisor] = []

    def make(binary: str = "qemu-system-x86_64") -> QemuHypervisor:
        plugs = PlugsByKind({"user": UserPlugs()})
        made.append(QemuHypervisor(HostName("h"), root, plugs, QemuSettings(binary=binary)))
        return made[-1]

    yield make
    for one in made:
        await one.close()
    last = make()
    for server_id in await last.guests():
        await last.destroy(server_id)
    await last.close()


@pytest.fixture
def hypervisor(hypervisors: Restart) -> QemuHypervisor:
    return hypervisors()
