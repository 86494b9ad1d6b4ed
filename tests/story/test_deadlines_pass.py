"""Nobody ever says how it ended: each transient state ends all the same, as docs/operating.md has it, and with a reason.

The node dies before it has done anything, or its last word never comes; then it is later: the sweeper is told so.
"""

import math
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.image.service import SERVICE as IMAGE
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.ledger.hosts import nodes
from kilonova.lifecycle.volume_sagas import WORKS
from kilonova.lifecycle.volume_unended import ENDS_AS, SNAPSHOT_ENDS_AS
from kilonova.model.migration import MigrationFilter
from kilonova.nodes.sweeper import Sweeper
from kilonova.sim import SimulatedCloud
from kilonova.sim.front_door import Answer
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS, bootable_volume
from tests.story.ending import built, deleted, failed
from tests.story.holding import dies_for_good, stays, until
from tests.story.test_actions_fail import prepared
from tests.story.test_volumes import existing

LIMIT_S = 600.0
AS_IT_WAS = ("crash_dump", "image", "attach_interface", "detach_interface", "attach_volume", "detach_volume")
"""Actions that leave the server what it is when nobody says how they ended: the guest goes on whatever became of them."""
WITH_VOLUMES = (COMPUTE, VOLUME, IMAGE)


async def it_is_later(cloud: SimulatedCloud, seconds: float) -> None:
    """What the sweeper does so much later; the nodes' clocks stand still."""
    sweeper = Sweeper(cloud.ledger, cloud.control.order_terms, math.inf, math.inf)
    await sweeper.sweep(time.time() + seconds)


async def silent_for(cloud: SimulatedCloud, node: str, seconds: float) -> None:
    """Control listens, and has not heard of the node for so long when the sweeper looks."""
    heard = update(nodes).where(nodes.c.name == node).values(last_seen=time.time() - seconds)
    await cloud.ledger.write(lambda tx: tx.connection.execute(heard))
    await it_is_later(cloud, 0)


async def ask(cloud: SimulatedCloud, method: str, path: str, body: Any = None) -> Answer:
    head = {"x-auth-token": cloud.furnished.admin_token, "openstack-api-version": "volume 3.70"}
    answer = await cloud.control.client.request(method, f"/volume/v3{path}", json=body, headers=head)
    assert answer.is_success, answer.text
    return answer


async def volume(cloud: SimulatedCloud, volume_id: str) -> dict[str, Any]:
    return dict((await ask(cloud, "GET", f"/volumes/{volume_id}")).json()["volume"])


async def becomes(cloud: SimulatedCloud, what: str, identifier: str, wanted: str) -> None:
    """A volume or a snapshot has this status."""

    async def reached() -> bool:
        found = (await ask(cloud, "GET", f"/{what}s/{identifier}")).json()[what]
        return bool(found["status"] == wanted)

    await cloud.until(reached, f"the {what} to be {wanted}")


async def new_volume(cloud: SimulatedCloud) -> str:
    made = await ask(cloud, "POST", "/volumes", {"volume": {"size": 1}})
    volume_id = str(made.json()["volume"]["id"])
    await becomes(cloud, "volume", volume_id, "available")
    return volume_id


async def new_snapshot(cloud: SimulatedCloud, volume_id: str) -> str:
    made = await ask(cloud, "POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})
    snapshot_id = str(made.json()["snapshot"]["id"])
    await becomes(cloud, "snapshot", snapshot_id, "available")
    return snapshot_id


# Servers


@pytest.mark.parametrize("name", DEEDS)
async def test_an_action_whose_end_nobody_reports(cloud_of: CloudOf, name: str) -> None:
    cloud, deed = await cloud_of(hosts=1), DEEDS[name]
    server_id = await prepared(cloud, deed)
    before = await cloud.server(server_id)
    if name == "attach_volume":
        await DEEDS["detach_volume"].ask(cloud, await _with_volume(cloud, server_id))
        await DEEDS["detach_volume"].ended(cloud, server_id)
    await cloud.crash("compute-1")
    await deed.ask(cloud, server_id)
    asked = await cloud.server(server_id)
    await it_is_later(cloud, LIMIT_S - 60)
    assert await cloud.server(server_id) == asked, "its time is not over yet"
    await it_is_later(cloud, LIMIT_S + 1)
    server = await cloud.server(server_id)
    assert server.task_state is None
    assert server.vm_state == (before.vm_state if name in AS_IT_WAS else "error")
    assert server.vm_state != "error" or (server.fault and "was not over within its time" in server.fault.message)
    actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
    assert all(action.updated_at for action in actions), "the history says of every action that it is over"
    assert "was not over within its time" in (actions[0].message or "")
    moves = await cloud.ledger.read(lambda tx: tx.migrations.find(MigrationFilter(server_id=server_id)))
    assert [move.status for move in moves] == (["error"] if "resize" in name else [])
    await cloud.restart("compute-1")
    await deleted(cloud, server_id)


async def _with_volume(cloud: SimulatedCloud, server_id: str) -> str:
    await DEEDS["attach_volume"].ask(cloud, server_id)
    await DEEDS["attach_volume"].ended(cloud, server_id)
    return server_id


@pytest.mark.parametrize("volumes", [False, True])
async def test_a_deletion_whose_node_falls_silent(cloud_of: CloudOf, volumes: bool) -> None:
    """For its owner it is gone; what it held is free as soon as the node is back."""
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    more, volume_id = {}, ""
    if volumes:
        volume_id = await bootable_volume(cloud)
        more = {"imageRef": "", "block_device_mapping_v2": [existing(volume_id, boot_index=0)]}
    await built(cloud, server_id := await cloud.build(**more))
    await cloud.crash("compute-1")
    assert await cloud.delete(server_id) == 204
    await silent_for(cloud, "compute-1", 30)
    assert (await cloud.server(server_id)).status != "DELETED", "its host may still answer"
    await silent_for(cloud, "compute-1", 61)
    assert (await cloud.server(server_id)).status == "DELETED"
    assert (await cloud.send("GET", f"/compute/v2.1/servers/{server_id}")).status_code == 404
    await cloud.restart("compute-1")
    await deleted(cloud, server_id)
    if volumes:
        await becomes(cloud, "volume", volume_id, "available")


async def test_a_deletion_that_its_node_cannot_finish(cloud_of: CloudOf) -> None:
    """The network node is away, so the compute node begins again and again; the owner does not wait for it."""
    cloud = await cloud_of(hosts=1, action_limit_s=20.0, network_limit_s=0.2)
    await built(cloud, server_id := await cloud.build())
    await cloud.crash("network")
    assert await cloud.delete(server_id) == 204
    await it_is_later(cloud, 10)
    assert (await cloud.server(server_id)).status != "DELETED"
    await it_is_later(cloud, 21)
    assert (await cloud.server(server_id)).status == "DELETED"
    await cloud.restart("network")
    await deleted(cloud, server_id)


@pytest.mark.parametrize("goes", [False, True])
async def test_volumes_of_a_build_that_nobody_reports(cloud_of: CloudOf, goes: bool) -> None:
    """They are not attaching for ever: as soon as its node has taken back what it made, they are free, or gone."""
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    volume_id = await bootable_volume(cloud)
    cloud.steps.at("before", "start_guest", dies_for_good(cloud))
    disk = existing(volume_id, boot_index=0, delete_on_termination=goes)
    server_id = await cloud.build(imageRef="", block_device_mapping_v2=[disk])
    await until(cloud, lambda: cloud.steps.fired["before", "start_guest"], "the node to die")
    await it_is_later(cloud, LIMIT_S + 1)
    assert (await cloud.server(server_id)).status == "ERROR"
    await cloud.computes["compute-1"].bury()
    await cloud.restart("compute-1")
    await failed(cloud, server_id)
    if goes:
        left = (await ask(cloud, "GET", "/volumes")).json()["volumes"]
        assert volume_id not in {one["id"] for one in left}
    else:
        assert (await volume(cloud, volume_id))["status"] == "available"
    await deleted(cloud, server_id)


@pytest.mark.parametrize("window", [0.0, 20.0])
async def test_a_resize_that_nobody_decides(cloud_of: CloudOf, window: float) -> None:
    cloud = await cloud_of(hosts=1, resize_confirm_window_s=window)
    server_id = await prepared(cloud, DEEDS["confirm_resize"])
    await it_is_later(cloud, 10)
    assert (await cloud.server(server_id)).status == "VERIFY_RESIZE"
    await it_is_later(cloud, 30)
    if window:
        server = await cloud.wait_for(server_id, "ACTIVE")
        assert (server.flavor.id, server.other_flavor) == ("2", None)
    else:
        assert (await cloud.server(server_id)).status == "VERIFY_RESIZE", "its owner has all the time in the world"
    await deleted(cloud, server_id)


class AMomentLater:
    """A ledger in which something happens right after the sweeper has looked so many times: whether, and then which."""

    def __init__(self, cloud: SimulatedCloud, looks: int, happens: Coroutine[Any, Any, Any]) -> None:
        self._cloud, self._looks, self._happens = cloud, looks, happens

    async def read(self, question: Any) -> Any:
        answer = await self._cloud.ledger.read(question)
        self._looks -= 1
        if self._looks == 0:
            await self._happens
        return answer

    async def write(self, change: Any) -> Any:
        return await self._cloud.ledger.write(change)


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("step", ["start_guest", "shut_down_guest"])
async def test_what_is_deleted_at_the_very_deadline_is_deleted(cloud_of: CloudOf, step: str, looks: int) -> None:
    """The sweeper has seen that the time is over, and then the owner's deletion comes (seed 100 of the simulation)."""
    cloud = await cloud_of(hosts=1)
    if step == "shut_down_guest":
        await built(cloud, server_id := await cloud.build())
    cloud.steps.at("before", step, stays)
    if step == "shut_down_guest":
        await DEEDS["stop"].ask(cloud, server_id)
    else:
        server_id = await cloud.build()
    await until(cloud, lambda: cloud.steps.fired["before", step], "the step")
    ledger: Any = AMomentLater(cloud, looks, cloud.delete(server_id))
    await Sweeper(ledger, cloud.control.order_terms, math.inf, math.inf).sweep(time.time() + LIMIT_S + 1)
    assert (await cloud.server(server_id)).vm_state != "error"
    await cloud.wait_for(server_id, "DELETED")
    actions = await cloud.ledger.read(lambda tx: tx.servers.actions(server_id))
    assert all(action.updated_at for action in actions)
    await deleted(cloud, server_id)


# Volumes


async def _asked(cloud: SimulatedCloud, work: str) -> tuple[str, str]:
    """Everything that is needed, then the node dies and the work is asked for: (volume, snapshot or nothing)."""
    volume_id = await new_volume(cloud) if work != "create" else ""
    snapshot_id = await new_snapshot(cloud, volume_id) if work in ("delete_snapshot", "revert") else ""
    await cloud.crash("volume")
    action = f"/volumes/{volume_id}/action"
    match work:
        case "create":
            volume_id = (await ask(cloud, "POST", "/volumes", {"volume": {"size": 1}})).json()["volume"]["id"]
        case "delete":
            await ask(cloud, "DELETE", f"/volumes/{volume_id}")
        case "extend":
            await ask(cloud, "POST", action, {"os-extend": {"new_size": 2}})
        case "snapshot":
            made = await ask(cloud, "POST", "/snapshots", {"snapshot": {"volume_id": volume_id}})
            snapshot_id = made.json()["snapshot"]["id"]
        case "delete_snapshot":
            await ask(cloud, "DELETE", f"/snapshots/{snapshot_id}")
        case "revert":
            await ask(cloud, "POST", action, {"revert": {"snapshot_id": snapshot_id}})
        case "upload":
            await ask(cloud, "POST", action, {"os-volume_upload_image": {"image_name": "copy"}})
        case _:
            raise AssertionError(f"nobody has said how {work} is asked for")
    return volume_id, snapshot_id


ENDS = {
    "create": "error",
    "delete": "error_deleting",
    "extend": "error_extending",
    "snapshot": "error",
    "delete_snapshot": "error_deleting",
    "revert": "error",
    "upload": "available",
}


@pytest.mark.parametrize("work", WORKS)
async def test_work_on_a_volume_whose_end_nobody_reports(cloud_of: CloudOf, work: str) -> None:
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    volume_id, snapshot_id = await _asked(cloud, work)
    what, identifier = ("snapshot", snapshot_id) if "snapshot" in work else ("volume", volume_id)
    await it_is_later(cloud, LIMIT_S - 60)
    assert not (await ask(cloud, "GET", "/messages")).json()["messages"], "its time is not over yet"
    await it_is_later(cloud, LIMIT_S + 1)
    await becomes(cloud, what, identifier, ENDS[work])
    (told,) = (await ask(cloud, "GET", "/messages")).json()["messages"]
    assert "It was not done within 600 s" in told["user_message"]
    if work == "revert":
        await becomes(cloud, "snapshot", snapshot_id, "available")
    if work == "upload":
        images = (await cloud.send("GET", "/image/v2/images")).json()["images"]
        assert "copy" not in {image["name"] for image in images}
    await cloud.restart("volume")


async def test_volumes_that_a_client_only_reserves(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    reserved, attaching, detaching, kept = [await new_volume(cloud) for _ in range(4)]
    await ask(cloud, "POST", "/attachments", {"attachment": {"volume_uuid": reserved}})
    await ask(cloud, "POST", f"/volumes/{attaching}/action", {"os-reserve": {}})
    for one in (detaching, kept):
        await ask(cloud, "POST", f"/volumes/{one}/action", {"os-attach": {"host_name": "elsewhere", "mountpoint": "/dev/vdb"}})
    await ask(cloud, "POST", f"/volumes/{detaching}/action", {"os-begin_detaching": {}})
    before = {reserved: "reserved", attaching: "attaching", detaching: "detaching", kept: "in-use"}
    after = {reserved: "available", attaching: "available", detaching: "in-use", kept: "in-use"}
    for seconds, wanted in ((3500, before), (3601, after)):
        await it_is_later(cloud, seconds)
        assert {one: (await volume(cloud, one))["status"] for one in before} == wanted
    attachments = (await ask(cloud, "GET", "/attachments")).json()["attachments"]
    assert {one["volume_id"] for one in attachments} == {detaching, kept}
    said = (await ask(cloud, "GET", "/messages")).json()["messages"]
    assert {one["resource_uuid"] for one in said} == {reserved, attaching, detaching}


@pytest.mark.parametrize("status", ENDS_AS)
async def test_a_status_that_an_admin_has_set(cloud_of: CloudOf, status: str) -> None:
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    volume_id = await new_volume(cloud)

    def reset(tx: Any) -> None:
        found = tx.volumes.volumes.get(volume_id)
        tx.volumes.volumes.replace(msgspec.structs.replace(found, status=status, updated_at=time.time()))

    await cloud.ledger.write(reset)
    await it_is_later(cloud, 3601)
    assert (await volume(cloud, volume_id))["status"] == (ENDS_AS[status] or "available")


@pytest.mark.parametrize("status", SNAPSHOT_ENDS_AS)
async def test_a_snapshots_status_that_an_admin_has_set(cloud_of: CloudOf, status: str) -> None:
    cloud = await cloud_of(hosts=1, services=WITH_VOLUMES)
    snapshot_id = await new_snapshot(cloud, await new_volume(cloud))

    def reset(tx: Any) -> None:
        found = tx.volumes.snapshots.get(snapshot_id)
        tx.volumes.snapshots.replace(msgspec.structs.replace(found, status=status, updated_at=time.time()))

    await cloud.ledger.write(reset)
    await it_is_later(cloud, 3601)
    await becomes(cloud, "snapshot", snapshot_id, SNAPSHOT_ENDS_AS[status])
