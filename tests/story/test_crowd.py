"""Many at once: quotas that are exact, one server for one key, several servers for one request."""

import asyncio

from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted


async def test_fifty_at_once_against_a_quota_of_ten(cloud_of: CloudOf) -> None:
    """Nova's own limit of ten; each of the other forty is told which quota is in the way."""
    cloud = await cloud_of(hosts=3)
    answers = await asyncio.gather(*(cloud.post_server(name=f"s{number}") for number in range(50)))
    made = [answer.json()["server"]["id"] for answer in answers if answer.status_code == 202]
    refused = [answer for answer in answers if answer.status_code == 403]
    assert (len(made), len(refused)) == (10, 40)
    assert all("Quota exceeded for instances" in answer.text for answer in refused)
    for server_id in made:
        assert (await cloud.wait_for(server_id, "ACTIVE", "ERROR")).status == "ACTIVE"
    assert await cloud.clean() == []
    assert {(await cloud.server(one)).host for one in made} == {"sim-1", "sim-2", "sim-3"}
    await asyncio.gather(*(cloud.delete(server_id) for server_id in made))
    for server_id in made:
        await cloud.wait_for(server_id, "DELETED")
    assert await cloud.clean() == []
    await built(cloud, await cloud.build())


async def test_one_key_makes_one_server_however_often_it_is_sent(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    key = {"Idempotency-Key": "the-same"}
    answers = await asyncio.gather(*(cloud.post_server(headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    ids = {answer.json()["server"]["id"] for answer in answers}
    assert len(ids) == 1
    assert await cloud.build(headers={"Idempotency-Key": "another"}) not in ids
    listed = (await cloud.send("GET", "/compute/v2.1/servers")).json()["servers"]
    assert len(listed) == 2
    await deleted_all(cloud, [server["id"] for server in listed])


async def test_several_servers_by_one_request(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=3)
    answer = await cloud.post_server(name="many", min_count=3, max_count=3, return_reservation_id=True)
    reservation = answer.json()["reservation_id"]
    found = await cloud.send("GET", f"/compute/v2.1/servers/detail?reservation_id={reservation}")
    servers = found.json()["servers"]
    assert sorted(server["name"] for server in servers) == ["many-1", "many-2", "many-3"]
    for server in servers:
        await built(cloud, server["id"])
    await deleted_all(cloud, [server["id"] for server in servers])


async def test_when_nothing_fits_the_answer_is_202_and_the_server_says_why(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=2, ram_mb=256)
    server = await cloud.wait_for(server_id := await cloud.build(), "ERROR")
    assert server.fault is not None
    expected = "No valid host was found. 2 hosts: not enough memory. It would fit with at most 256 MB of memory."
    assert server.fault.message == expected
    assert "sim-1" in server.fault.details
    await deleted(cloud, server_id)


async def deleted_all(cloud: object, server_ids: list[str]) -> None:
    from kilonova.sim import SimulatedCloud

    assert isinstance(cloud, SimulatedCloud)
    await asyncio.gather(*(cloud.delete(server_id) for server_id in server_ids))
    for server_id in server_ids:
        await cloud.wait_for(server_id, "DELETED")
    assert await cloud.clean() == []
