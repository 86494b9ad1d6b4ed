"""`stage` for simulations, and `calm`: a story in virtual time, told to a cloud in which nothing else goes wrong."""

import random
from collections.abc import Awaitable, Callable, Iterator

import pytest

from kilonova.sim.chronicle import Chronicle
from kilonova.sim.nemesis import Nemesis
from kilonova.sim.plan import Plan
from kilonova.sim.roles import Terms
from kilonova.sim.seeded import SeededCloud
from kilonova.sim.stage import BEGINS_S, Stage, play
from kilonova.sim.virtual import VirtualLoop

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
