"""`cloud`: a small simulated cloud with tenants, on a loop that skips every pause; all of them begun from one folder."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.folder import furnish
from kilonova.sim.operations.promise import Tenant
from kilonova.sim.workload import settle_tenants


class Settled:
    """A cloud, and who lives in it."""

    def __init__(self, cloud: SimulatedCloud, tenants: list[Tenant]) -> None:
        self.cloud, self.tenants = cloud, tenants


@pytest.fixture
def _asyncio_loop_factory() -> type[SkippingLoop]:
    """Instead of the plugin's hook, as the stories do it."""
    return SkippingLoop


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unused cloud's folder, to be copied."""
    folder = tmp_path_factory.mktemp("template") / "cloud"
    with asyncio.Runner() as runner:
        runner.run(furnish(folder))
    return folder


@pytest_asyncio.fixture
async def settled(tmp_path: Path, template: Path) -> AsyncIterator[Settled]:
    """Two compute nodes with three hosts, three tenants; the third has a small quota."""
    async with SimulatedCloud(tmp_path / "cloud", hosts=3, nodes=2, template=template) as cloud:
        yield Settled(cloud, await settle_tenants(cloud, 3))
