"""Every step of every later action can fail, come twice, or be the last thing its process does.

The cases are made from the sagas. An action that fails leaves the server as it was (or, where the guest is lost, in ERROR with
a reason); one whose node dies is carried on. Afterwards the server can always be deleted, and nothing is left.
"""

import asyncio

import pytest

from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS, Deed
from tests.story.ending import built, deleted
from tests.story.holding import on_its_own
from tests.story.test_build_steps_fail import once_more

STEPS = [(name, step.name) for name, action in SERVER_ACTIONS.items() for step in action.saga.steps]


def test_every_action_has_a_deed() -> None:
    """Whoever adds an action says here how it is asked for and what it leads to."""
    assert set(DEEDS) == set(SERVER_ACTIONS)


async def prepared(cloud: SimulatedCloud, deed: Deed) -> str:
    server_id = await cloud.build(**deed.server)
    await built(cloud, server_id)
    for before in deed.before:
        await DEEDS[before].ask(cloud, server_id)
        await DEEDS[before].ended(cloud, server_id)
    return server_id


@pytest.mark.parametrize("name", DEEDS)
async def test_it_is_done(cloud_of: CloudOf, name: str) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await prepared(cloud, DEEDS[name])
    await DEEDS[name].ask(cloud, server_id)
    server = await DEEDS[name].ended(cloud, server_id)
    assert server.status == DEEDS[name].status
    await deleted(cloud, server_id)


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_step_that_fails_loses_nothing(cloud_of: CloudOf, name: str, step: str) -> None:
    cloud, deed = await cloud_of(hosts=1), DEEDS[name]
    server_id = await prepared(cloud, deed)
    before = (await cloud.server(server_id)).vm_state
    cloud.steps.at("before", step, fail)
    await deed.ask(cloud, server_id)
    server = await deed.ended(cloud, server_id)
    assert cloud.steps.fired["before", step] == 1
    assert server.vm_state in (before, *deed.lost)
    assert server.vm_state == before or server.fault is not None
    assert await cloud.clean() == [], "what was done is undone while the server is still there"
    await deleted(cloud, server_id)


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_step_may_run_twice(cloud_of: CloudOf, name: str, step: str) -> None:
    cloud, deed = await cloud_of(hosts=1), DEEDS[name]
    server_id = await prepared(cloud, deed)
    steps = {each.name: each for each in SERVER_ACTIONS[name].saga.steps}
    cloud.steps.at("before", step, once_more(cloud, steps[step]))
    await deed.ask(cloud, server_id)
    server = await deed.ended(cloud, server_id)
    assert (server.status, cloud.steps.fired["before", step]) == (deed.status, 1)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_a_node_that_dies_goes_on(cloud_of: CloudOf, name: str, step: str, when: str) -> None:
    cloud, deed = await cloud_of(hosts=1), DEEDS[name]
    server_id = await prepared(cloud, deed)
    deaths = cloud.deaths
    cloud.steps.at(when, step, cloud.node_dies)
    await deed.ask(cloud, server_id)
    server = await deed.ended(cloud, server_id)
    assert (server.status, cloud.deaths - deaths) == (deed.status, 1)
    await deleted(cloud, server_id)


@pytest.mark.parametrize(("name", "step"), STEPS)
async def test_the_server_is_deleted_meanwhile(cloud_of: CloudOf, name: str, step: str) -> None:
    cloud, deed = await cloud_of(hosts=1), DEEDS[name]
    server_id = await prepared(cloud, deed)
    asked: list[asyncio.Task[int]] = []

    async def delete(moment: object) -> None:
        await on_its_own(asked, cloud.delete(server_id))

    cloud.steps.at("before", step, delete)
    await deed.ask(cloud, server_id)
    await cloud.wait_for(server_id, "DELETED")
    assert [await one for one in asked] == [204]
    await deleted(cloud, server_id)
