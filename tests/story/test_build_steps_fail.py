"""Every step of a build can fail, come twice, or be the last thing its process does. The cases are made from the saga itself."""

import asyncio

import pytest

from kilonova.build import CARRY_OUT
from kilonova.saga import Step
from kilonova.sim import Moment, SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted, failed
from tests.story.holding import on_its_own, stays

STEPS = {step.name: step for step in CARRY_OUT.steps}
WITH_UNDO = [name for name, step in STEPS.items() if step.undo]
LAST = CARRY_OUT.steps[-1].name
UNDONE = {
    "take_order": [],
    "assemble_disks": ["assemble_disks"],
    "ask_for_network": ["assemble_disks"],
    "start_guest": ["ask_for_network", "assemble_disks"],
    "report_running": ["start_guest", "ask_for_network", "assemble_disks"],
}
"""By the step that fails. Typed, not read off the saga: a later comparison would tidy up, too, what an undo has left."""


@pytest.mark.parametrize("nodes", [1, 3])
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_raises_sends_the_build_to_another_host(cloud_of: CloudOf, step: str, nodes: int) -> None:
    cloud = await cloud_of(hosts=3, nodes=nodes)
    tried = []

    async def fail_and_note(moment: Moment) -> None:
        tried.append(moment.record.host)
        await fail(moment)

    cloud.steps.at("before", step, fail_and_note)
    server = await built(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["before", step] == 1
    assert server.host not in tried
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", STEPS)
async def test_on_the_only_host_it_ends_in_error_and_says_why(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at("before", step, fail)
    server = await failed(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["before", step] == 1
    assert [name for when, name in cloud.steps.seen if when == "undone"] == UNDONE[step]
    assert server.fault is not None
    assert f"The step {step} was made to fail." in server.fault.message
    assert not await cloud.ledger.read(lambda tx: tx.hosts.claims())
    await deleted(cloud, server_id)


async def test_after_three_hosts_nobody_tries_a_fourth(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=5)
    cloud.steps.at("before", "start_guest", fail, times=5)
    await failed(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["before", "start_guest"] == 3
    await deleted(cloud, server_id)


async def test_a_host_that_an_admin_named_is_not_left_for_another(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=3)
    named = (await cloud.ledger.read(lambda tx: tx.hosts.hosts()))[1].name
    cloud.steps.at("before", "start_guest", fail)
    server = await failed(cloud, server_id := await cloud.build(host=named))
    assert cloud.steps.fired["before", "start_guest"] == 1
    assert server.host == named
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_may_run_twice(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at("before", step, once_more(cloud, STEPS[step]))
    await built(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["before", step] == 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", WITH_UNDO)
async def test_an_undo_may_run_twice(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=2)
    cloud.steps.at("before", LAST, fail)
    cloud.steps.at("undone", step, undo_once_more(cloud, STEPS[step]))
    await built(cloud, server_id := await cloud.build())
    assert cloud.steps.fired["undone", step] == 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_node_that_dies_goes_on_where_it_was(cloud_of: CloudOf, step: str, when: str) -> None:
    """`after` is before the journal knows that the step is done; `before` is after it knows of the step before."""
    cloud = await cloud_of(hosts=1)
    cloud.steps.at(when, step, cloud.node_dies)
    await built(cloud, server_id := await cloud.build())
    assert (cloud.steps.fired[when, step], cloud.deaths) == (1, 1)
    assert (await cloud.ledger.read(lambda tx: tx.servers.attempt(server_id))) == 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("step", WITH_UNDO)
async def test_a_node_that_dies_going_back_goes_on_going_back(cloud_of: CloudOf, step: str, hosts: int) -> None:
    cloud = await cloud_of(hosts=hosts)
    cloud.steps.at("before", LAST, fail)
    cloud.steps.at("undone", step, cloud.node_dies)
    end = built if hosts > 1 else failed
    await end(cloud, server_id := await cloud.build())
    assert (cloud.steps.fired["undone", step], cloud.deaths) == (1, 1)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_delete_stops_the_build_wherever_it_is(cloud_of: CloudOf, step: str, when: str) -> None:
    cloud = await cloud_of(hosts=2)
    asked: list[asyncio.Task[int]] = []

    async def delete(moment: Moment) -> None:
        await on_its_own(asked, cloud.delete(moment.record.server_id))
        if when == "before":
            await stays(moment)

    cloud.steps.at(when, step, delete)
    server_id = await cloud.build()
    await cloud.wait_for(server_id, "DELETED")
    assert cloud.steps.fired[when, step] == 1
    assert [await one for one in asked] == [204]
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", STEPS)
async def test_a_delete_while_the_node_is_dead(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=1)

    async def delete_and_die(moment: Moment) -> None:
        cloud.computes["compute-1"].cut()
        await cloud.delete(moment.record.server_id)
        await cloud.node_dies(moment)

    cloud.steps.at("before", step, delete_and_die)
    server_id = await cloud.build()
    await cloud.wait_for(server_id, "DELETED")
    assert (cloud.steps.fired["before", step], cloud.deaths) == (1, 1)
    await deleted(cloud, server_id)


def once_more(cloud: SimulatedCloud, step: Step) -> object:
    """For a StepFault: do the step, before the runner does it again."""

    async def do(moment: Moment) -> None:
        await step.do(moment.record, cloud.computes[moment.record.node].node.hands)

    return do


def undo_once_more(cloud: SimulatedCloud, step: Step) -> object:
    async def undo(moment: Moment) -> None:
        assert step.undo is not None
        await step.undo(moment.record, cloud.computes[moment.record.node].node.hands)

    return undo
