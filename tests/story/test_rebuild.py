"""Rebuild over the API of a whole cloud: what it changes, what it answers in each version, and what it leaves when it fails."""

from typing import Any

import pytest
from msgspec.structs import replace

from kilonova.ledger.transaction import Transaction
from kilonova.model.images import Viewer
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted
from tests.story.test_power import act, guest_of, settled

NOWHERE = "11111111-2222-4333-8444-555555555555"


async def rebuild(cloud: SimulatedCloud, server_id: str, version: str = "2.96", **asked: Any) -> Any:
    head = {"x-auth-token": cloud.furnished.admin_token, "openstack-api-version": f"compute {version}"}
    body = {"rebuild": {"imageRef": cloud.furnished.image_id, **asked}}
    return await cloud.control.client.post(f"/compute/v2.1/servers/{server_id}/action", json=body, headers=head)


def need_ram(tx: Transaction, image_id: str, ram_mb: int) -> None:
    image = tx.images.get(image_id, Viewer(project_id="", is_admin=True))
    tx.images.replace(replace(image, min_ram=ram_mb))


async def test_everything_that_may_change_changes_and_the_rest_stays(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build(metadata={"a": "1"}, user_data="Zmlyc3Q=", description="was")
    await built(cloud, server_id)
    addresses = await cloud.ledger.read(lambda tx: tx.servers.addresses([server_id]))
    answer = await rebuild(
        cloud, server_id, name="new", metadata={"b": "2"}, description=None, user_data=None, hostname="host",
        accessIPv4="1.2.3.4", adminPass="secret", **{"OS-DCF:diskConfig": "AUTO"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    said = answer.json()["server"]
    assert said["OS-DCF:diskConfig"] == "AUTO"
    assert (said["name"], said["metadata"], said["description"], said["user_data"]) == ("new", {"b": "2"}, None, None)
    assert (said["adminPass"], said["status"], said["accessIPv4"]) == ("secret", "REBUILD", "1.2.3.4")
    assert answer.headers["location"].endswith(f"/servers/{server_id}")
    assert await settled(cloud, server_id) == "ACTIVE"
    record = await cloud.ledger.read(lambda tx: tx.servers.record(server_id))
    assert (record.name, record.admin_password, record.user_data) == ("new", "secret", None)
    assert await cloud.ledger.read(lambda tx: tx.servers.addresses([server_id])) == addresses
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    assert hands.disks.spare_of(server_id) == ""
    assert await cloud.clean() == []
    await rebuild(cloud, server_id)
    assert await settled(cloud, server_id) == "ACTIVE"
    server = await cloud.server(server_id)
    assert (server.name, server.disk_config) == ("new", "AUTO")
    await deleted(cloud, server_id)


@pytest.mark.parametrize(("version", "there"), [("2.1", set()), ("2.54", {"key_name"}), ("2.57", {"key_name", "user_data"})])
async def test_older_versions_see_what_they_knew(cloud_of: CloudOf, version: str, there: set[str]) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await rebuild(cloud, server_id, version)
    said = answer.json()["server"]
    assert {"key_name", "user_data"} & set(said) == there
    assert not [name for name in said if name.startswith("OS-EXT")]
    assert said["adminPass"]
    assert all(set(one) == {"version", "addr"} for of_it in said["addresses"].values() for one in of_it)
    await settled(cloud, server_id)
    await deleted(cloud, server_id)


async def test_one_that_is_off_stays_off_and_one_in_error_comes_back(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    await act(cloud, server_id, **{"os-stop": None})
    await settled(cloud, server_id)
    assert (await rebuild(cloud, server_id)).status_code == 202
    assert await settled(cloud, server_id) == "SHUTOFF"
    assert await guest_of(cloud, server_id) == "shutdown"
    await act(cloud, server_id, **{"os-resetState": {"state": "error"}})
    assert (await rebuild(cloud, server_id)).status_code == 202
    assert await settled(cloud, server_id) == "ACTIVE"
    assert await guest_of(cloud, server_id) == "running"
    await deleted(cloud, server_id)


async def test_one_that_fails_is_as_it_was(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build(name="old", metadata={"a": "1"})
    await built(cloud, server_id)

    cloud.drivers.fail("disks.assemble_beside")
    asked: dict[str, Any] = {"name": "new", "metadata": {}, "accessIPv4": "1.2.3.4", "OS-DCF:diskConfig": "AUTO"}
    said = (await rebuild(cloud, server_id, **asked)).json()["server"]
    assert {name: said[name] for name in asked} == asked
    assert await settled(cloud, server_id) == "ACTIVE"
    server = await cloud.server(server_id)
    assert (server.name, server.metadata, server.disk_config, server.access_ipv4) == ("old", {"a": "1"}, "MANUAL", "")
    actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
    assert actions[0].action == "rebuild"
    assert actions[0].message == "The hardware was made to fail."
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("asked", "version", "status", "said"),
    [
        ({"imageRef": NOWHERE}, "2.96", 400, "Cannot find image for rebuild"),
        ({"imageRef": "no uuid"}, "2.96", 400, "imageRef"),
        ({"name": ""}, "2.96", 400, "name"),
        ({"key_name": "unknown"}, "2.96", 400, "Invalid key_name provided."),
        ({"key_name": None}, "2.53", 400, "key_name"),
        ({"user_data": "***"}, "2.96", 400, "base64"),
        ({"user_data": None}, "2.56", 400, "user_data"),
        ({"description": "x"}, "2.18", 400, "description"),
        ({"hostname": "x"}, "2.89", 400, "hostname"),
        ({"personality": []}, "2.57", 400, "personality"),
        ({"metadata": {f"k{n}": "v" for n in range(129)}}, "2.96", 403, "metadata_items"),
        ({"color": "blue"}, "2.96", 400, "color"),
    ],
)
async def test_what_is_refused(cloud_of: CloudOf, asked: Any, version: str, status: int, said: str) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await rebuild(cloud, server_id, version, **asked)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    assert (await cloud.server(server_id)).status == "ACTIVE"
    await deleted(cloud, server_id)


async def test_a_flavor_too_small_for_the_image_and_a_wrong_state(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)

    await cloud.ledger.write(lambda tx: need_ram(tx, cloud.furnished.image_id, 999_999))
    assert "memory is too small" in (await rebuild(cloud, server_id)).text
    await cloud.ledger.write(lambda tx: need_ram(tx, cloud.furnished.image_id, 0))
    await act(cloud, server_id, pause=None)
    await settled(cloud, server_id)
    assert (await rebuild(cloud, server_id)).status_code == 409
    await deleted(cloud, server_id)
