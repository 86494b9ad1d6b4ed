"""`cloud_of`: whole clouds in this process, on a loop that skips every pause; each begun from one furnished folder.

One that is left as it was when it was new is used again by the next test of its kind: that is asked, not assumed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import delete, select

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.ledger.schema import metadata
from kilonova.ledger.transaction import Transaction
from kilonova.ledger.volume.tables import volumes
from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.folder import furnish
from kilonova.sim.roles import Terms

CloudOf = Callable[..., Any]
HERE = Path(__file__).parent
SERVICES = (COMPUTE, VOLUME)
"""What is spoken where a story does not say it."""
KEPT = 2
"""So many idle clouds; what they do by the clock takes time too."""
USES = 80
"""A cloud that was used so often holds much past, and every look at it takes longer."""
quotas = metadata.tables["volume_quotas"]
Kind = tuple[int, int, dict[str, Any]]


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


@dataclass
class Kept:
    """A cloud that may be used again."""

    kind: Kind
    cloud: SimulatedCloud
    uses: int = 0


async def cleared(cloud: SimulatedCloud) -> None:
    """Volumes that a story left behind are deleted, as their owner would do it; whether that was all, the cloud says itself."""

    def left(tx: Transaction) -> tuple[list[str], bool]:
        some = tx.connection.execute(select(quotas)).first() is not None
        return list(tx.connection.execute(select(volumes.c.id)).scalars()), some

    identifiers, raised = await cloud.ledger.read(left)
    for volume_id in identifiers:
        if not (await cloud.send("DELETE", f"/volume/v3/volumes/{volume_id}")).is_success:
            return
    if raised:
        await cloud.ledger.write(lambda tx: tx.connection.execute(delete(quotas)))
    if identifiers:
        await cloud.clean()


class Clouds:
    """Makes clouds, and keeps some. Those of a kind have as many hosts and nodes, and the same terms."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder, self._template = folder, template
        self._numbers = count()
        self._idle: list[Kept] = []
        self._lent: list[Kept] = []

    async def lend(self, hosts: int = 3, nodes: int = 1, **terms: Any) -> SimulatedCloud:
        kind = (hosts, nodes, terms)
        kept = next((kept for kept in self._idle if kept.kind == kind), None)
        if kept is None:
            kept = Kept(kind, await self._new(*kind))
        else:
            self._idle.remove(kept)
        kept.uses += 1
        self._lent.append(kept)
        return kept.cloud

    async def _new(self, hosts: int, nodes: int, terms: dict[str, Any]) -> SimulatedCloud:
        spoken = Terms(**{"services": SERVICES, **terms})
        folder = self._folder / str(next(self._numbers))
        cloud = SimulatedCloud(folder, hosts=hosts, nodes=nodes, terms=spoken, template=self._template)
        return await cloud.__aenter__()

    async def take_back(self) -> None:
        while self._lent:
            kept = self._lent.pop()
            if VOLUME in kept.kind[2].get("services", SERVICES) and kept.cloud.control.alive:
                await cleared(kept.cloud)
            if kept.uses < USES and await kept.cloud.as_new():
                self._idle.append(kept)
            else:
                await kept.cloud.__aexit__(None, None, None)
        while len(self._idle) > KEPT:
            await self._idle.pop(0).cloud.__aexit__(None, None, None)

    async def end(self) -> None:
        for kept in self._idle:
            await kept.cloud.__aexit__(None, None, None)


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
