"""Resize, confirm and revert over the API of a whole cloud: room, quota, disks and what is shown at each moment."""

from typing import Any

import pytest

from kilonova.model.flavor import Flavor
from kilonova.model.ids import FlavorId
from kilonova.sim import SimulatedCloud
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted
from tests.story.test_power import act, action_names, guest_of, settled


async def used(cloud: SimulatedCloud) -> tuple[int, int, int]:
    """vCPUs, MiB and GiB claimed on the only host."""
    (host,) = await cloud.ledger.read(lambda tx: tx.hosts.hosts())
    return host.vcpus_used, host.ram_mb_used, host.disk_gb_used


def spare(cloud: SimulatedCloud, server_id: str) -> str:
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    return str(hands.disks.spare_of(server_id))  # type: ignore[attr-defined]


async def resized(cloud: SimulatedCloud, to: str = "2") -> str:
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, resize={"flavorRef": to})
    assert answer.status_code == 202, answer.text
    assert (await cloud.server(server_id)).status == "RESIZE"
    assert await settled(cloud, server_id) == "VERIFY_RESIZE"
    return server_id


async def moves(cloud: SimulatedCloud) -> list[str]:
    answer = await cloud.send("GET", "/compute/v2.1/os-migrations")
    return [f"{one['migration_type']} {one['status']}" for one in answer.json()["migrations"]]


async def test_until_it_is_decided_both_are_held_and_then_one(cloud_of: CloudOf) -> None:
    for decided, flavor_id, moved in (("confirmResize", "2", "confirmed"), ("revertResize", "1", "reverted")):
        cloud = await cloud_of(hosts=1)
        before = await used(cloud)
        server_id = await resized(cloud)
        server = await cloud.server(server_id)
        small, large = server.other_flavor, server.flavor
        assert small is not None
        assert (small.id, large.id, spare(cloud, server_id)) == ("1", "2", "old")
        both = (large.vcpus, large.ram_mb, small.disk_gb + large.disk_gb)
        assert await used(cloud) == tuple(was + is_so for was, is_so in zip(before, both, strict=True))
        assert await cloud.clean() == []
        shown = (await cloud.send("GET", f"/compute/v2.1/servers/{server_id}")).json()["server"]
        assert (shown["status"], "progress" in shown, shown["flavor"]["original_name"]) == ("VERIFY_RESIZE", True, large.name)
        answer = await act(cloud, server_id, **{decided: None})
        assert answer.status_code == (204 if decided == "confirmResize" else 202)
        assert await settled(cloud, server_id) == "ACTIVE"
        server = await cloud.server(server_id)
        assert (server.flavor.id, server.other_flavor, spare(cloud, server_id)) == (flavor_id, None, "")
        one = (server.flavor.vcpus, server.flavor.ram_mb, server.flavor.disk_gb)
        assert await used(cloud) == tuple(was + is_so for was, is_so in zip(before, one, strict=True))
        assert await guest_of(cloud, server_id) == "running"
        assert (await moves(cloud))[0] == f"resize {moved}"
        assert decided in await action_names(cloud, server_id)
        await deleted(cloud, server_id)


async def test_one_that_is_off_stays_off(cloud_of: CloudOf) -> None:
    for decided in ("confirmResize", "revertResize"):
        cloud = await cloud_of(hosts=1)
        server_id = await cloud.build()
        await built(cloud, server_id)
        await act(cloud, server_id, **{"os-stop": None})
        await settled(cloud, server_id)
        assert (await act(cloud, server_id, resize={"flavorRef": "2"})).status_code == 202
        assert await settled(cloud, server_id) == "VERIFY_RESIZE"
        assert await guest_of(cloud, server_id) == "shutdown"
        await act(cloud, server_id, **{decided: None})
        assert await settled(cloud, server_id) == "SHUTOFF"
        assert await guest_of(cloud, server_id) == "shutdown"
        await deleted(cloud, server_id)


async def test_whose_disks_are_whose_business_is_kept_unless_it_fails(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    asked = {"flavorRef": "2", "OS-DCF:diskConfig": "AUTO"}
    assert (await act(cloud, server_id, resize=asked | {"OS-DCF:diskConfig": "auto"})).status_code == 400
    cloud.drivers.fail("disks.copy_beside")
    for status, kept in (("ACTIVE", "MANUAL"), ("VERIFY_RESIZE", "AUTO")):
        assert (await act(cloud, server_id, resize=asked)).status_code == 202
        assert await settled(cloud, server_id) == status
        assert (await cloud.server(server_id)).disk_config == kept
    await deleted(cloud, server_id)


async def test_deleted_before_it_is_decided_nothing_is_left(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    before = await used(cloud)
    server_id = await resized(cloud)
    await deleted(cloud, server_id)
    assert await used(cloud) == before


async def test_one_that_fails_holds_what_it_held(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    before = await used(cloud)
    cloud.drivers.fail("disks.copy_beside")
    await act(cloud, server_id, resize={"flavorRef": "2"})
    assert await settled(cloud, server_id) == "ACTIVE"
    server = await cloud.server(server_id)
    assert (server.flavor.id, server.other_flavor) == ("1", None)
    assert await used(cloud) == before
    assert await guest_of(cloud, server_id) == "running"
    assert (await moves(cloud))[0] == "resize error"
    await deleted(cloud, server_id)


async def test_there_must_be_room_and_quota(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    project = (await cloud.server(server_id)).project_id
    huge = Flavor(id=FlavorId("huge"), name="huge", vcpus=1, ram_mb=300_000, disk_gb=1)
    await cloud.ledger.write(lambda tx: tx.flavors.create(huge, 0.0))
    await cloud.ledger.write(lambda tx: tx.quotas.change(project, {"ram": 1000}))
    assert (await act(cloud, server_id, resize={"flavorRef": "2"})).status_code == 403
    await cloud.ledger.write(lambda tx: tx.quotas.change(project, {"ram": -1}))
    answer = await act(cloud, server_id, resize={"flavorRef": "huge"})
    assert (answer.status_code, "No valid host was found" in answer.text) == (400, True), answer.text
    await cloud.ledger.write(lambda tx: tx.quotas.forget(project))
    await cloud.ledger.write(lambda tx: tx.flavors.delete("huge"))
    assert (await cloud.server(server_id)).status == "ACTIVE"
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"resize": {"flavorRef": "1"}}, 400, "must change flavor"),
        ({"resize": {"flavorRef": "nowhere"}}, 400, "could not be found"),
        ({"resize": {"flavorRef": ""}}, 400, "flavorRef"),
        ({"resize": {"flavorRef": None}}, 400, "flavorRef"),
        ({"resize": None}, 400, "Invalid input"),
        ({"confirmResize": None}, 409, "Cannot 'confirmResize'"),
        ({"revertResize": None}, 409, "Cannot 'revertResize'"),
        ({"migrate": None}, 400, "No valid host"),
    ],
)
async def test_what_is_refused(cloud_of: CloudOf, body: Any, status: int, said: str) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, **body)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
    await deleted(cloud, server_id)


async def test_a_disk_does_not_shrink(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build(flavorRef="2")
    await built(cloud, server_id)
    answer = await act(cloud, server_id, resize={"flavorRef": "1"})
    assert (answer.status_code, "disk down" in answer.text) == (400, True), answer.text
    await deleted(cloud, server_id)
