"""What cannot be had is refused, and leaves nothing behind, whether or not there is a host for the server (seed 50263)."""

from typing import Any

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.network.service import SERVICE as NETWORK
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.deeds import bootable_volume
from tests.story.ending import deleted
from tests.story.test_deadlines_pass import ask

NOBODY = "5f0f9ab3-0000-4000-8000-000000000000"
TOO_LARGE = {"ram_mb": 256}
"""For hosts on which no server has room."""


async def own_port(cloud: SimulatedCloud) -> dict[str, Any]:
    made = {"port": {"network_id": cloud.furnished.network_id}}
    answer = await cloud.send("POST", "/network/v2.0/ports", made)
    assert answer.status_code == 201, answer.text
    port: dict[str, Any] = answer.json()["port"]
    return port


async def servers(cloud: SimulatedCloud) -> list[Any]:
    found: list[Any] = (await cloud.send("GET", "/compute/v2.1/servers")).json()["servers"]
    return found


@pytest.mark.parametrize("room", [True, False])
@pytest.mark.parametrize(
    "wish",
    [
        {"networks": [{"uuid": NOBODY}]},
        {"networks": [{"port": NOBODY}]},
        {"networks": [{"uuid": "the network", "fixed_ip": "192.0.2.1"}]},
        {"networks": [{"uuid": "the network"}], "security_groups": [{"name": "none-such"}]},
        {"block_device_mapping_v2": [{"uuid": NOBODY}]},
    ],
    ids=["network", "port", "address", "group", "volume"],
)
async def test_it_is_refused(cloud_of: CloudOf, wish: dict[str, Any], room: bool) -> None:
    cloud = await cloud_of(hosts=1, **({} if room else TOO_LARGE))
    for nic in wish.get("networks", []):
        if nic.get("uuid") == "the network":
            wish = {**wish, "networks": [{**nic, "uuid": cloud.furnished.network_id}]}
    if "block_device_mapping_v2" in wish:
        there = {"source_type": "volume", "destination_type": "volume", "boot_index": 0}
        wish = {"imageRef": "", "block_device_mapping_v2": [{**there, **wish["block_device_mapping_v2"][0]}]}
    answer = await cloud.post_server(**wish)
    assert answer.status_code == 400, answer.text
    assert await servers(cloud) == []
    assert await cloud.clean() == []


async def test_what_is_there_is_free_again_when_there_is_no_host(cloud_of: CloudOf) -> None:
    """The server takes nothing that a later one could have, and its volume does not go with it."""
    cloud = await cloud_of(hosts=1, services=(COMPUTE, NETWORK, VOLUME), **TOO_LARGE)
    port, volume_id = await own_port(cloud), await bootable_volume(cloud)
    disk = {"source_type": "volume", "destination_type": "volume", "boot_index": 0, "uuid": volume_id}
    wish: dict[str, Any] = {
        "imageRef": "",
        "networks": [{"port": port["id"]}, {"uuid": cloud.furnished.network_id, "fixed_ip": "10.20.9.9"}],
        "block_device_mapping_v2": [{**disk, "delete_on_termination": True}],
    }
    for _ in range(2):
        server_id = await cloud.build(**wish)
        assert "No valid host" in str((await cloud.wait_for(server_id, "ERROR")).fault)
    found = (await cloud.send("GET", "/network/v2.0/ports")).json()["ports"]
    assert [(one["id"], one["device_id"]) for one in found if not one["device_owner"].startswith("network:")] == [
        (port["id"], "")
    ]
    kept = (await ask(cloud, "GET", f"/volumes/{volume_id}")).json()["volume"]
    assert (kept["status"], kept["attachments"]) == ("available", [])
    for server in await servers(cloud):
        await deleted(cloud, server["id"])
