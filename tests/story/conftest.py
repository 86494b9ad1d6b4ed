"""`cloud_of`: whole clouds in this process, on a loop that skips every pause; each begun from one furnished folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.folder import furnish
from kilonova.sim.roles import Terms

CloudOf = Callable[..., Any]


def pytest_asyncio_loop_factories() -> dict[str, type[SkippingLoop]]:
    return {"skipping": SkippingLoop}


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unused cloud's folder, to be copied."""
    folder = tmp_path_factory.mktemp("template") / "cloud"
    with asyncio.Runner() as runner:
        runner.run(furnish(folder))
    return folder


@pytest.fixture
async def cloud_of(tmp_path: Path, furnished: Path) -> AsyncIterator[CloudOf]:
    """``cloud = await cloud_of(hosts=3, nodes=1)``; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def make(hosts: int = 3, nodes: int = 1, **terms: Any) -> SimulatedCloud:
            spoken = Terms(**{"services": (COMPUTE,), **terms})
            cloud = SimulatedCloud(tmp_path / "cloud", hosts=hosts, nodes=nodes, terms=spoken, template=furnished)
            return await stack.enter_async_context(cloud)

        yield make
