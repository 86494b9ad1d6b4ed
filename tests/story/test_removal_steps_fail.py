"""Every step of a removal can fail, come twice, or be the last thing its process does; it is repeated until it is done."""

import pytest

from kilonova.lifecycle.remove import REMOVE
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted
from tests.story.test_build_steps_fail import once_more

STEPS = {step.name: step for step in REMOVE.steps}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_raises_is_tried_again(cloud_of: CloudOf, step: str, when: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at(when, step, fail, times=2)
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert cloud.steps.fired[when, step] == 2


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_may_run_twice(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at("before", step, once_more(cloud, STEPS[step]))
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert cloud.steps.fired["before", step] == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_node_that_dies_goes_on_where_it_was(cloud_of: CloudOf, step: str, when: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at(when, step, cloud.node_dies)
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert (cloud.steps.fired[when, step], cloud.deaths) == (1, 1)


@pytest.mark.parametrize("step", STEPS)
async def test_a_second_delete_meanwhile_changes_nothing(cloud_of: CloudOf, step: str) -> None:
    cloud = await cloud_of(hosts=1)
    answers = []

    async def delete_again(moment: object) -> None:
        answers.append(await cloud.delete(server_id))

    cloud.steps.at("before", step, delete_again)
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert answers == [204]
