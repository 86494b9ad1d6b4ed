"""The hardware fails: at every point where the simulated drivers can, while building and while taking back."""

import pytest

from kilonova.saga.run import UNDO_TRIES
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted, failed

MAKING = ("disks.assemble", "network.wire", "disks.add_config_drive", "hypervisor.start")
TAKING_BACK = {"disks.remove": "remove_disks", "network.unwire": "release_network", "hypervisor.destroy": "destroy_guest"}


@pytest.mark.parametrize("point", MAKING)
async def test_another_host_is_tried(cloud_of: CloudOf, point: str) -> None:
    cloud = await cloud_of(hosts=2)
    cloud.drivers.fail(point)
    await built(cloud, server_id := await cloud.build(config_drive=True))
    assert cloud.drivers.fired[point] == 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize("point", MAKING)
async def test_on_the_only_host_it_ends_in_error(cloud_of: CloudOf, point: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.drivers.fail(point)
    server = await failed(cloud, server_id := await cloud.build(config_drive=True))
    assert cloud.drivers.fired[point] == 1
    assert server.fault is not None
    assert "The hardware was made to fail." in server.fault.message
    await deleted(cloud, server_id)


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("times", [1, UNDO_TRIES + 1])
@pytest.mark.parametrize("point", TAKING_BACK)
async def test_what_cannot_be_taken_back_at_once_is_taken_back_later(
    cloud_of: CloudOf, point: str, times: int, nodes: int
) -> None:
    """Once: the undo is tried again. Oftener than it is tried: the removal does it, and leaves the new host's guest in peace."""
    cloud = await cloud_of(hosts=2, nodes=nodes)
    cloud.steps.at("before", "report_running", fail)
    cloud.drivers.fail(point, times=times)
    await built(cloud, server_id := await cloud.build())
    assert cloud.drivers.fired[point] == times
    await deleted(cloud, server_id)


@pytest.mark.parametrize("point", TAKING_BACK)
async def test_what_cannot_be_taken_back_on_the_only_host_is_taken_back_later(cloud_of: CloudOf, point: str) -> None:
    """Also when the node does not say what it has, so that no comparison finds it."""
    cloud = await cloud_of(hosts=1)
    cloud.messages.lose("Hello", times=1000)
    cloud.steps.at("before", "report_running", fail)
    cloud.drivers.fail(point, times=UNDO_TRIES + 1)
    await failed(cloud, server_id := await cloud.build())
    assert cloud.drivers.fired[point] == UNDO_TRIES + 1
    await deleted(cloud, server_id)


@pytest.mark.parametrize("point", TAKING_BACK)
async def test_a_removal_goes_on_until_it_is_done(cloud_of: CloudOf, point: str) -> None:
    cloud = await cloud_of(hosts=1)
    await built(cloud, server_id := await cloud.build())
    cloud.drivers.fail(point, times=3)
    await deleted(cloud, server_id)
    assert cloud.drivers.fired[point] == 3
