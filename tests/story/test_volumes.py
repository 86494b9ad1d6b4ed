"""Servers with volumes: made with them, booted from them, deleted with or without them; and what an audit finds of volumes."""

import time
from typing import Any

import pytest

from kilonova.api.compute.service import SERVICE as COMPUTE
from kilonova.api.volume.service import SERVICE as VOLUME
from kilonova.errors import Unavailable
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_sagas import WORKS
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.lifecycle.volumes import create_snapshot, extend_volume
from kilonova.model.caller import Caller
from kilonova.model.ids import NodeName
from kilonova.model.volume_wish import NewSnapshot, VolumeTerms
from kilonova.saga.run import UNDO_TRIES
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.deeds import DEEDS, blank_volume, bootable_volume
from tests.story.ending import built, deleted, failed


def from_image(cloud: SimulatedCloud, **more: Any) -> dict[str, Any]:
    """A body for a server that boots from a new volume of the cloud's image."""
    root = {
        "source_type": "image",
        "destination_type": "volume",
        "uuid": cloud.furnished.image_id,
        "volume_size": 1,
        "boot_index": 0,
    }
    return {"imageRef": "", "block_device_mapping_v2": [{**root, "volume_size": 1, **more}]}


def existing(volume_id: str, **more: Any) -> dict[str, Any]:
    return {"source_type": "volume", "destination_type": "volume", "uuid": volume_id, **more}


async def status(cloud: SimulatedCloud, volume_id: str) -> str:
    """``gone`` when it is."""

    def look(tx: Any) -> str:
        found = tx.volumes.volumes.or_none(volume_id)
        return "gone" if found is None else str(found.status)

    return await cloud.ledger.read(look)


async def becomes(cloud: SimulatedCloud, volume_id: str, wanted: str) -> None:
    async def reached() -> bool:
        return await status(cloud, volume_id) == wanted

    await cloud.until(reached, f"the volume to be {wanted}")


async def volumes_of(cloud: SimulatedCloud, server_id: str) -> list[dict[str, Any]]:
    answer = await cloud.send("GET", f"/compute/v2.1/servers/{server_id}/os-volume_attachments")
    return list(answer.json()["volumeAttachments"])


@pytest.mark.parametrize("goes", [True, False])
async def test_a_server_boots_from_a_new_volume(cloud_of: CloudOf, goes: bool) -> None:
    cloud = await cloud_of(hosts=1)
    server_id = await cloud.build(**from_image(cloud, delete_on_termination=goes))
    await built(cloud, server_id)
    (root,) = await volumes_of(cloud, server_id)
    assert (root["device"], await status(cloud, root["volumeId"])) == ("/dev/vda", "in-use")
    assert (await cloud.volume.node.store.exports()) == {root["volumeId"]: root["attachment_id"]}
    answer = await cloud.send("DELETE", f"/compute/v2.1/servers/{server_id}/os-volume_attachments/{root['volumeId']}")
    assert answer.status_code == 400, "what a server boots from cannot be taken from it"
    await deleted(cloud, server_id)
    await becomes(cloud, root["volumeId"], "gone" if goes else "available")
    assert (await cloud.volume.node.store.exports()) == {}
    assert await cloud.clean() == []


async def test_a_server_comes_with_volumes_that_are_there(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    one, two = await blank_volume(cloud), await blank_volume(cloud)
    local = {"source_type": "image", "destination_type": "local", "uuid": cloud.furnished.image_id, "boot_index": 0}
    server_id = await cloud.build(
        block_device_mapping_v2=[local, existing(one, tag="data"), existing(two, delete_on_termination=True)]
    )
    await built(cloud, server_id)
    assert [(seen["volumeId"], seen["device"], seen["tag"]) for seen in await volumes_of(cloud, server_id)] == [
        (one, "/dev/vdb", "data"),
        (two, "/dev/vdc", None),
    ]
    taken = await cloud.post_server(block_device_mapping_v2=[local, existing(one)])
    assert taken.status_code == 400, "a volume that is in use"
    await deleted(cloud, server_id)
    await becomes(cloud, one, "available")
    await becomes(cloud, two, "gone")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["assemble_disks", "ask_for_network", "start_guest"])
async def test_a_node_that_dies_goes_on(cloud_of: CloudOf, step: str, when: str) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at(when, step, cloud.node_dies)
    server_id = await cloud.build(**from_image(cloud, delete_on_termination=True))
    await built(cloud, server_id)
    await deleted(cloud, server_id)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_volume_node_dies_while_the_volume_is_made(cloud_of: CloudOf, when: str) -> None:
    cloud = await cloud_of(hosts=1)

    async def die(moment: object) -> None:
        await cloud.die_here("volume")

    cloud.steps.at(when, "make_volume", die)
    server_id = await cloud.build(**from_image(cloud, delete_on_termination=True))
    await built(cloud, server_id)
    assert cloud.steps.fired[when, "make_volume"] == 1
    await deleted(cloud, server_id)


async def test_a_volume_that_cannot_be_made_is_an_error_with_a_reason(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    cloud.steps.at("before", "make_volume", fail)
    server_id = await cloud.build(**from_image(cloud, delete_on_termination=True))
    server = await failed(cloud, server_id)
    assert server.fault is not None
    assert "could not be made" in server.fault.message
    await deleted(cloud, server_id)


async def test_a_build_that_fails_gives_its_volumes_back(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    volume_id = await bootable_volume(cloud)
    cloud.steps.at("before", "start_guest", fail, times=3)
    server_id = await cloud.build(imageRef="", block_device_mapping_v2=[existing(volume_id, boot_index=0)])
    await failed(cloud, server_id)
    assert (await cloud.volume.node.store.exports()) == {}
    await deleted(cloud, server_id)
    await becomes(cloud, volume_id, "available")


async def test_nothing_boots_from_a_volume_that_is_not_bootable(cloud_of: CloudOf) -> None:
    """Nor from a snapshot of one, or a copy; as a disk beside another it is as good as any, and a blank one is anybody's wish."""
    cloud = await cloud_of(hosts=1, services=(COMPUTE, VOLUME))
    volume_id = await blank_volume(cloud)
    root = existing(volume_id, boot_index=0)
    refused = await cloud.post_server(imageRef="", block_device_mapping_v2=[root])
    assert (refused.status_code, "is not bootable" in refused.text) == (400, True), refused.text
    made = await cloud.send("POST", "/volume/v3/snapshots", {"snapshot": {"volume_id": volume_id}})
    snapshot_id = made.json()["snapshot"]["id"]

    async def taken() -> bool:
        shown = (await cloud.send("GET", f"/volume/v3/snapshots/{snapshot_id}")).json()["snapshot"]
        return bool(shown["status"] == "available")

    await cloud.until(taken, "the snapshot")
    copy = {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot_id, "boot_index": 0, "volume_size": 1}
    refused = await cloud.post_server(imageRef="", block_device_mapping_v2=[{**copy, "delete_on_termination": True}])
    assert (refused.status_code, "is not bootable" in refused.text) == (400, True), refused.text
    assert (await status(cloud, volume_id), len((await cloud.send("GET", "/volume/v3/volumes")).json()["volumes"])) == (
        "available",
        1,
    )
    blank = {"source_type": "blank", "destination_type": "volume", "boot_index": 0, "volume_size": 1}
    await built(
        cloud, other := await cloud.build(imageRef="", block_device_mapping_v2=[{**blank, "delete_on_termination": True}])
    )
    await cloud.delete(other)
    await cloud.wait_for(other, "DELETED")
    said = await cloud.send("POST", f"/volume/v3/volumes/{volume_id}/action", {"os-set_bootable": {"bootable": True}})
    assert said.status_code == 200
    await built(cloud, server_id := await cloud.build(imageRef="", block_device_mapping_v2=[root]))
    await deleted(cloud, server_id)


@pytest.mark.parametrize("times", [1, UNDO_TRIES])
async def test_a_volume_that_was_served_unheard_is_let_go_of_when_the_bus_is_back(cloud_of: CloudOf, times: int) -> None:
    """Seed 20358: no answer came, and the bus was away when the node wanted to let go: it was served to nobody for ever."""
    cloud = await cloud_of(hosts=1)
    volume_id = await bootable_volume(cloud)

    async def away() -> None:
        assert list(await cloud.volume.node.store.exports()) == [volume_id]
        assert await status(cloud, volume_id) != "available", "it is given to the next while this server is served"
        raise Unavailable("The message broker is away.")

    cloud.messages.lose("ExportGiven", times=11)  # those of half a minute, asked for every three seconds
    for _ in range(times):
        cloud.messages.strike("ExportNotWanted", away)
    server_id = await cloud.build(imageRef="", block_device_mapping_v2=[existing(volume_id, boot_index=0)])
    await failed(cloud, server_id)
    assert cloud.messages.struck["ExportNotWanted"] == times
    await becomes(cloud, volume_id, "available")
    assert await cloud.volume.node.store.exports() == {}
    await deleted(cloud, server_id)


async def test_what_is_served_to_nobody_is_ended_at_the_next_hello(cloud_of: CloudOf) -> None:
    """An attachment that failed: no answer came, and as long as its node tried to let go, the bus was away."""
    cloud = await cloud_of(hosts=1)
    store = cloud.volume.node.store
    local = {"source_type": "image", "destination_type": "local", "uuid": cloud.furnished.image_id, "boot_index": 0}
    server_id = await cloud.build(block_device_mapping_v2=[local, existing(await blank_volume(cloud))])
    await built(cloud, server_id)
    served = await store.exports()

    async def away() -> None:
        raise Unavailable("The message broker is away.")

    cloud.messages.lose("ExportGiven", times=11)
    for _ in range(UNDO_TRIES):
        cloud.messages.strike("ExportNotWanted", away)
    await DEEDS["attach_volume"].ask(cloud, server_id)
    assert (await DEEDS["attach_volume"].ended(cloud, server_id)).status == "ACTIVE"
    assert cloud.messages.struck["ExportNotWanted"] == UNDO_TRIES
    await store.make(order("unknown"))
    await store.export("unknown", "another", False)
    assert len(await store.exports()) == 3

    async def ended() -> bool:
        return len(await store.exports()) < 3

    await cloud.until(ended, "the next hello")
    assert await store.exports() == {**served, "unknown": "another"}, "what the ledger never heard of is only named"
    await store.remove("unknown")
    await deleted(cloud, server_id)


def order(volume_id: str) -> VolumeOrder:
    now = time.time()
    return VolumeOrder(
        work_id="w", work="create", volume_id=volume_id, node=NodeName("volume"), size_gb=1, deadline=now + 60, ordered_at=now
    )


def world(tx: Any) -> VolumeWorld:
    return VolumeWorld(books=tx, terms=VolumeTerms(now=time.time(), ticket=lambda image_id, node, until: ""))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("work", ["extend", "snapshot"])
async def test_work_on_a_volume_outlives_its_node(cloud_of: CloudOf, work: str, when: str) -> None:
    cloud = await cloud_of(hosts=1)
    volume_id = await blank_volume(cloud)
    caller = Caller(user_id=cloud.furnished.admin_id, user_name="admin", project_id=cloud.furnished.project_id)

    async def die(moment: object) -> None:
        await cloud.die_here("volume")

    step = WORKS[work].steps[0].name
    cloud.steps.at(when, step, die)

    def ask(tx: Any) -> None:
        if work == "extend":
            extend_volume(tx.volumes.volumes.get(volume_id), 2, world(tx))
        else:
            create_snapshot(NewSnapshot(volume_id=volume_id, name="s"), caller, world(tx))

    await cloud.ledger.write(ask)

    def done(tx: Any) -> bool:
        if work == "extend":
            return bool(tx.volumes.volumes.get(volume_id).size_gb == 2)
        return [one.status for one in tx.volumes.snapshots.of_volume(volume_id)] == ["available"]

    await cloud.until(lambda: cloud.ledger.read(done), "the work")
    assert cloud.steps.fired[when, step] == 1
    assert await status(cloud, volume_id) == "available"


async def test_an_audit_finds_what_is_nobodys(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    volume_id = await blank_volume(cloud)
    store = cloud.volume.node.store
    await store.export(volume_id, "an-attachment-that-is-over", False)
    assert [finding.kind for finding in await cloud.audit()] == ["volume served to nobody"]
    await store.remove(volume_id)
    assert [finding.kind for finding in await cloud.audit()] == ["volume without files"]
    await cloud.ledger.write(lambda tx: tx.volumes.volumes.remove(volume_id))
    await store.make(order("leftover"))
    assert [(finding.kind, finding.about) for finding in await cloud.audit()] == [("volume files without volume", "leftover")]
    await store.remove("leftover")
    assert await cloud.audit() == []
