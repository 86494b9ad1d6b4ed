"""A server's port that is deleted through the Network API goes out of the guest and off the network node, whenever that comes."""

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS
from tests.story.ending import built, deleted
from tests.story.test_deadlines_pass import LIMIT_S, it_is_later
from tests.story.test_nics_agree import agreed, attach, detach, ports_of
from tests.story.test_told_late import Late

SERVICES = (COMPUTE, NETWORK)


async def delete_port(cloud: SimulatedCloud, port_id: str) -> None:
    answer = await cloud.send("DELETE", f"/network/v2.0/ports/{port_id}")
    assert answer.status_code == 204, answer.text


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("deed", ["reboot", "stop", "pause", "resize", "rescue"])
async def test_it_goes_whatever_the_server_does(cloud_of: CloudOf, deed: str, others: int) -> None:
    """Its last port, or one of two; the guest is as after the deed, or started again."""
    cloud = await cloud_of(hosts=1, services=SERVICES)
    await built(cloud, server_id := await cloud.build())
    (port_id,) = await ports_of(cloud, server_id)
    stay = [await attach(cloud, server_id) for _ in range(others)]
    await agreed(cloud, server_id, port_id, *stay)
    await DEEDS[deed].ask(cloud, server_id)
    await DEEDS[deed].ended(cloud, server_id)
    before = await cloud.ledger.read(lambda tx: len(tx.servers.actions(server_id)))
    await delete_port(cloud, port_id)
    if deed == "stop":  # only a guest that is started shows what it has
        await DEEDS["stop"].ended(cloud, server_id)
        await DEEDS["start"].ask(cloud, server_id)
        before += 1
    await agreed(cloud, server_id, *stay)
    assert await cloud.ledger.read(lambda tx: len(tx.servers.actions(server_id))) == before
    await deleted(cloud, server_id)


@pytest.mark.parametrize("step", ["ask_for_network", "start_guest", "report_running"])
async def test_it_goes_when_the_server_is_being_built(cloud_of: CloudOf, step: str) -> None:
    """Found by simulation, seed 41111: nobody took it out of the guest again."""
    cloud, late = await cloud_of(hosts=1, services=SERVICES), Late()
    cloud.steps.at("before", step, late)
    server_id = await cloud.build()
    await cloud.until(late.reached, "the step to begin")
    (port_id,) = await ports_of(cloud, server_id)
    await delete_port(cloud, port_id)
    late.released.set()
    await built(cloud, server_id)
    await agreed(cloud, server_id)
    await deleted(cloud, server_id)


async def test_it_goes_when_the_node_is_away_for_long(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=SERVICES)
    await built(cloud, server_id := await cloud.build())
    (port_id,) = await ports_of(cloud, server_id)
    await cloud.crash("compute-1")
    await delete_port(cloud, port_id)
    await it_is_later(cloud, LIMIT_S + 1)
    await cloud.restart("compute-1")
    await agreed(cloud, server_id)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("fails", [False, True])
async def test_it_goes_when_it_is_being_detached(cloud_of: CloudOf, fails: bool) -> None:
    """Also when the detaching fails, which would otherwise put it back."""
    cloud, late = await cloud_of(hosts=1, services=SERVICES), Late()
    await built(cloud, server_id := await cloud.build())
    (port_id,) = await ports_of(cloud, server_id)
    cloud.steps.at("before", "pull_out", late)
    if fails:
        cloud.steps.at("before", "unwire_one", fail)
    assert await detach(cloud, server_id, port_id) == 202
    await cloud.until(late.reached, "the step to begin")
    await delete_port(cloud, port_id)
    late.released.set()
    await agreed(cloud, server_id)
    await deleted(cloud, server_id)


async def test_a_reboot_that_was_under_way_does_not_keep_it(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=SERVICES)
    await built(cloud, server_id := await cloud.build())
    (port_id,) = await ports_of(cloud, server_id)
    cloud.messages.lose("DetachInterface")
    await DEEDS["reboot"].ask(cloud, server_id)
    await delete_port(cloud, port_id)
    await agreed(cloud, server_id)
    await deleted(cloud, server_id)
