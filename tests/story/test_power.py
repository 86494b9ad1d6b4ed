"""Reboot, pause and what goes with them, over the API of a whole cloud: what is answered, and what is refused."""

import time
from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from kilonova.model.ids import ServerId
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted


async def act(cloud: SimulatedCloud, server_id: str, **body: Any) -> Any:
    return await cloud.send("POST", f"/compute/v2.1/servers/{server_id}/action", body)


async def settled(cloud: SimulatedCloud, server_id: str) -> str:
    async def quiet() -> bool:
        return (await cloud.server(server_id)).task_state is None

    await cloud.until(quiet, "no task")
    return (await cloud.server(server_id)).status


async def guest_of(cloud: SimulatedCloud, server_id: str) -> str | None:
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    return (await hands.hypervisor.guests()).get(ServerId(server_id))


async def action_names(cloud: SimulatedCloud, server_id: str) -> list[str]:
    answer = await cloud.send("GET", f"/compute/v2.1/servers/{server_id}/os-instance-actions")
    return [one["action"] for one in answer.json()["instanceActions"]]


async def test_a_hard_reboot_brings_back_whatever_there_is(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    for before in ({"os-stop": None}, {"pause": None}, {"os-resetState": {"state": "error"}}):
        assert (await act(cloud, server_id, **before)).status_code == 202
        await settled(cloud, server_id)
        assert (await act(cloud, server_id, reboot={"type": "SOFT"})).status_code == 409
        assert (await act(cloud, server_id, reboot={"type": "hard"})).status_code == 202
        assert (await cloud.server(server_id)).task_state == "rebooting_hard"
        assert await settled(cloud, server_id) == "ACTIVE"
        assert await guest_of(cloud, server_id) == "running"
        assert await cloud.clean() == []
    assert (await action_names(cloud, server_id)).count("reboot") == 3
    await deleted(cloud, server_id)


async def test_a_paused_guest_is_no_crash_and_no_leftover(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    assert (await act(cloud, server_id, pause=None)).status_code == 202
    assert await settled(cloud, server_id) == "PAUSED"
    assert await guest_of(cloud, server_id) == "paused"
    assert (await cloud.server(server_id)).power_state == 3
    assert await cloud.clean() == []
    await cloud.restart("compute-1")
    assert await settled(cloud, server_id) == "PAUSED"
    assert (await act(cloud, server_id, pause=None)).status_code == 409
    assert (await act(cloud, server_id, unpause=None)).status_code == 202
    assert await settled(cloud, server_id) == "ACTIVE"
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"reboot": {"type": "softly"}}, 400, "type"),
        ({"reboot": {}}, 400, "type"),
        ({"reboot": None}, 400, "Invalid input"),
        ({"unpause": None}, 409, "Cannot 'unpause' instance"),
        ({"resume": None}, 409, "Cannot 'resume' instance"),
        ({"suspend": None}, 501, "not available"),
        ({"restore": None}, 409, "while it is in vm_state active"),
        ({"resetNetwork": None}, 410, "no longer"),
        ({"changePassword": {"adminPass": "new"}}, 409, "agent"),
        ({"changePassword": {}}, 400, "adminPass"),
        ({"os-resetState": {"state": "stopped"}}, 400, "Invalid input"),
        ({"trigger_crash_dump": {"now": True}}, 400, "no argument"),
    ],
)
async def test_what_is_refused(cloud_of: CloudOf, body: Any, status: int, said: str) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, **body)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert (await cloud.server(server_id)).task_state is None
    await deleted(cloud, server_id)


async def test_what_is_done_at_once(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    assert (await act(cloud, server_id, injectNetworkInfo=None)).status_code == 202
    assert (await act(cloud, server_id, **{"os-resetState": {"state": "error"}})).status_code == 202
    assert (await cloud.server(server_id)).status == "ERROR"
    assert (await act(cloud, server_id, injectNetworkInfo=None)).status_code == 409
    assert (await act(cloud, server_id, **{"os-resetState": {"state": "active"}})).status_code == 202
    assert (await cloud.server(server_id)).status == "ACTIVE"
    assert (await act(cloud, server_id, forceDelete=None)).status_code == 202
    await cloud.wait_for(server_id, "DELETED")
    assert (await act(cloud, server_id, reboot={"type": "HARD"})).status_code == 404


async def test_a_guest_that_ends_while_it_is_paused_is_off(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    await act(cloud, server_id, pause=None)
    await settled(cloud, server_id)
    long_ago = time.time() - 60

    def age(tx: Transaction) -> None:
        tx.servers.runs(server_id, long_ago)
        tx.servers.power_is(server_id, "paused", 3, long_ago)

    await cloud.ledger.write(age)
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    hands.hypervisor.end_by_itself(ServerId(server_id), "crashed")
    await cloud.wait_for(server_id, "SHUTOFF")
    await deleted(cloud, server_id)
