"""`stage` for simulations, and `calm`: a story in virtual time, told to a cloud in which nothing else goes wrong.

`settled`: a cloud with tenants, for what looks at it from outside.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.chronicle import Chronicle
from kilonova.sim.folder import furnish
from kilonova.sim.nemesis import Nemesis
from kilonova.sim.operations.promise import Tenant
from kilonova.sim.plan import Plan
from kilonova.sim.roles import Terms
from kilonova.sim.seeded import SeededCloud
from kilonova.sim.stage import BEGINS_S, Stage, play
from kilonova.sim.virtual import VirtualLoop
from kilonova.sim.workload import settle_tenants

Calm = Callable[..., None]


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture
def calm(stage: Stage) -> Calm:
    """``calm(story, hosts=1, nodes=1, **terms)``: `story` gets the cloud."""

    def tell(story: Callable[[SeededCloud], Awaitable[None]], hosts: int = 1, nodes: int = 1, **terms: float) -> None:
        nemesis = Nemesis(Plan(kinds={}), random.Random(0), Chronicle())
        stage.database.restore()
        cloud = SeededCloud(stage.folder(), stage.furnishing, nemesis, hosts=hosts, nodes=nodes, terms=Terms(**terms))  # type: ignore[arg-type]

        async def told() -> None:
            async with cloud:
                await story(cloud)

        try:
            play(VirtualLoop(BEGINS_S), "calm", told())
        finally:
            cloud.bury_everything()

    return tell


class Settled:
    """A cloud on a loop that skips every pause, and who lives in it."""

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
