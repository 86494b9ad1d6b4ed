"""What is plugged into a server and pulled out again, over a whole cloud in this process: os-interface, os-volume_attachments."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.roles import Terms


@pytest.fixture(scope="module")
def _asyncio_loop_factory() -> type[SkippingLoop]:
    return SkippingLoop


async def ask(cloud: SimulatedCloud, method: str, path: str, body: Any = None, version: str = "2.96") -> Any:
    head = {"x-auth-token": cloud.furnished.admin_token, "openstack-api-version": f"compute {version}"}
    return await cloud.control.client.request(method, f"/compute/v2.1/servers/{path}", json=body, headers=head)


async def quiet(cloud: SimulatedCloud, server_id: str) -> None:
    await cloud.until(lambda: cloud.ledger.read(lambda tx: server_id not in tx.orders.open_servers()), "the end of the action")


async def test_interfaces_and_volumes(tmp_path: Path) -> None:
    terms = Terms(services=(COMPUTE, NETWORK, VOLUME))
    async with SimulatedCloud(tmp_path / "cloud", hosts=1, terms=terms) as cloud:
        server_id = await cloud.build()
        await cloud.wait_for(server_id, "ACTIVE")
        await _a_nic_comes_and_goes(cloud, f"{server_id}/os-interface")
        await quiet(cloud, server_id)
        made = await cloud.send("POST", "/volume/v3/volumes", {"volume": {"size": 1}})
        volume_id = made.json()["volume"]["id"]

        async def volume_is(status: str) -> bool:
            answer = await cloud.send("GET", f"/volume/v3/volumes/{volume_id}")
            return bool(answer.json()["volume"]["status"] == status)

        await cloud.until(lambda: volume_is("available"), "the volume")
        path = f"{server_id}/os-volume_attachments"
        body = {"volumeAttachment": {"volumeId": volume_id}}
        assert (await ask(cloud, "POST", path, body, version="2.1")).status_code == 200
        await cloud.until(lambda: volume_is("in-use"), "the volume in the server")
        for version in ("2.1", "2.70", "2.79", "2.89"):
            assert (await ask(cloud, "GET", f"{path}/{volume_id}", version=version)).status_code == 200
        change = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}}
        assert (await ask(cloud, "PUT", f"{path}/{volume_id}", change)).status_code == 202
        assert (await ask(cloud, "DELETE", f"{path}/{volume_id}")).status_code == 202
        await cloud.until(lambda: volume_is("available"), "the volume to be free")


async def _a_nic_comes_and_goes(cloud: SimulatedCloud, path: str) -> None:
    answer = await ask(cloud, "POST", path, {"interfaceAttachment": {}})
    assert answer.status_code == 200, answer.text
    port_id = answer.json()["interfaceAttachment"]["port_id"]
    await quiet(cloud, path.partition("/")[0])
    for version in ("2.1", "2.70"):
        shown = (await ask(cloud, "GET", f"{path}/{port_id}", version=version)).json()["interfaceAttachment"]
        assert (shown["port_id"], shown["port_state"], "tag" in shown) == (port_id, "ACTIVE", version == "2.70")
    assert (await ask(cloud, "DELETE", f"{path}/{port_id}")).status_code == 202

    async def gone() -> bool:
        return bool((await ask(cloud, "GET", f"{path}/{port_id}")).status_code == 404)

    await asyncio.wait_for(cloud.until(gone, "the port to go"), 60)
