"""`cloud_of`: whole clouds in this process, on a loop that skips every pause; each begun from one furnished folder.

The commonest kinds are used again by the next test, if the one before has left nothing in them: that is asked, not assumed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.folder import furnish
from kilonova.sim.roles import Terms

CloudOf = Callable[..., Any]
HERE = Path(__file__).parent
KEPT = {(1, 1), (2, 1), (3, 1), (3, 3), (2, 2)}
"""(hosts, nodes) of clouds that are used again."""


@pytest.fixture(scope="session")
def _asyncio_loop_factory() -> type[SkippingLoop]:
    """Instead of the plugin's hook: with that, every test would have a loop of its own, and no cloud could outlive one."""
    return SkippingLoop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and asyncio.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


@pytest.fixture(scope="package")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unused cloud's folder, to be copied."""
    folder = tmp_path_factory.mktemp("template") / "cloud"
    with asyncio.Runner() as runner:
        runner.run(furnish(folder))
    return folder


class Clouds:
    """Makes clouds, and keeps some."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder, self._template = folder, template
        self._numbers = count()
        self._idle: dict[tuple[int, int], SimulatedCloud] = {}
        self._lent: list[tuple[tuple[int, int] | None, SimulatedCloud]] = []

    async def lend(self, hosts: int = 3, nodes: int = 1, **terms: Any) -> SimulatedCloud:
        kind = (hosts, nodes) if (hosts, nodes) in KEPT and not terms else None
        cloud = self._idle.pop(kind, None) if kind else None
        if cloud is None:
            spoken = Terms(**{"services": (COMPUTE,), **terms})
            folder = self._folder / str(next(self._numbers))
            cloud = SimulatedCloud(folder, hosts=hosts, nodes=nodes, terms=spoken, template=self._template)
            await cloud.__aenter__()
        self._lent.append((kind, cloud))
        return cloud

    async def take_back(self) -> None:
        while self._lent:
            kind, cloud = self._lent.pop()
            if kind is not None and kind not in self._idle and await cloud.as_new():
                self._idle[kind] = cloud
            else:
                await cloud.__aexit__(None, None, None)

    async def end(self) -> None:
        for cloud in self._idle.values():
            await cloud.__aexit__(None, None, None)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def clouds(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> AsyncIterator[Clouds]:
    made = Clouds(tmp_path_factory.mktemp("clouds"), furnished)
    yield made
    await made.end()


@pytest_asyncio.fixture(loop_scope="package")
async def cloud_of(clouds: Clouds) -> AsyncIterator[CloudOf]:
    """``cloud = await cloud_of(hosts=3, nodes=1)``; it ends with the test, or is made as new."""
    yield clouds.lend
    await clouds.take_back()
