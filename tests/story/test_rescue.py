"""Rescue and back over the API of a whole cloud: what it boots from, what it answers, what is refused."""

from typing import Any

import pytest

from kilonova.build.record import Wired
from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.model.guest import Disk, Guest
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted
from tests.story.test_power import act, guest_of, settled
from tests.story.test_rebuild import need_ram

NOWHERE = "11111111-2222-4333-8444-555555555555"


async def test_its_own_disks_are_the_next_ones_and_then_the_first_again(
    cloud_of: CloudOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[tuple[str, int | None]]] = []
    really = SimulatedHypervisor.start

    async def start(self: SimulatedHypervisor, build: Wired, disks: tuple[Disk, ...]) -> Guest:
        started.append([(disk.name, disk.boot_index) for disk in disks if disk.name != "config"])
        return await really(self, build, disks)

    monkeypatch.setattr(SimulatedHypervisor, "start", start)
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, rescue={"adminPass": "secret"})
    assert (answer.status_code, answer.json()) == (200, {"adminPass": "secret"})
    assert await settled(cloud, server_id) == "RESCUE"
    for refused in ({"reboot": {"type": "HARD"}}, {"rescue": None}, {"os-stop": None}, {"resize": {"flavorRef": "2"}}):
        assert (await act(cloud, server_id, **refused)).status_code == 409
    assert await cloud.clean() == []
    assert (await act(cloud, server_id, unrescue=None)).status_code == 202
    assert await settled(cloud, server_id) == "ACTIVE"
    assert await guest_of(cloud, server_id) == "running"
    assert started == [[("root", 0)], [("rescue", 0), ("root", None)], [("root", 0)]]
    (hands,) = cloud.computes["compute-1"].node.hosts.values()
    assert hands.disks.spare_of(server_id) == ""
    await deleted(cloud, server_id)


async def test_deleted_while_it_is_rescued_nothing_is_left(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, rescue={"rescue_image_ref": cloud.furnished.image_id})
    assert len(answer.json()["adminPass"]) == 12
    await settled(cloud, server_id)
    await deleted(cloud, server_id)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"rescue": {"adminPass": ""}}, 400),
        ({"rescue": {"rescue_image_ref": "no uuid"}}, 400),
        ({"rescue": {"rescue_image_ref": NOWHERE}}, 400),
        ({"unrescue": None}, 409),
        ({"unrescue": {"now": 1}}, 400),
    ],
)
async def test_what_is_refused(cloud_of: CloudOf, body: Any, status: int) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    answer = await act(cloud, server_id, **body)
    assert answer.status_code == status, answer.text
    await deleted(cloud, server_id)


async def test_an_image_too_large_for_the_flavor(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build()
    await built(cloud, server_id)
    await cloud.ledger.write(lambda tx: need_ram(tx, cloud.furnished.image_id, 999_999))
    assert (await act(cloud, server_id, rescue=None)).status_code == 400
    await cloud.ledger.write(lambda tx: need_ram(tx, cloud.furnished.image_id, 0))
    await deleted(cloud, server_id)
