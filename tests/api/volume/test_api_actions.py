"""POST /volumes/{id}/action, snapshots and their actions, attachments: what is ordered, and what each state allows."""

from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from kilonova.model.caller import Caller
from kilonova.model.volume_wish import AttachWish
from tests.api.volume.conftest import MISSING_ID, Client, Node

SERVER = "22222222-2222-2222-2222-222222222222"
OWNER = Caller(user_id="u1", user_name="alice", project_id="p-alice", roles=frozenset({"member", "reader"}))


@pytest.fixture
async def volume(alice: Client, node: Node) -> str:
    """The id of one that is available."""
    made = await alice.volume(name="v")
    await node.work()
    return str(made["id"])


async def attach(node: Node, volume_id: str) -> str:
    """As a server's order does; the attachment's id."""

    def write(tx: Transaction) -> str:
        link = tx.volumes.reserve(AttachWish(volume_id=volume_id, server_id=SERVER), OWNER, 1.0)
        tx.volumes.attached(link.attachment_id, 2.0)
        return link.attachment_id

    return await node.ledger.write(write)


async def test_extending(alice: Client, node: Node, volume: str) -> None:
    for size in (0, 1, "x"):
        await alice.act(volume, "os-extend", {"new_size": size}, status=400)
    await alice.act(volume, "os-extend", {"new_size": 3})
    assert (await alice.shown("volume", volume))["status"] == "extending"
    (order,) = await node.orders()
    assert (order.work, order.size_gb, order.attached) == ("extend", 3, False)
    await node.work()
    assert (await alice.shown("volume", volume))["size"] == 3
    await attach(node, volume)
    await alice.act(volume, "os-extend", {"new_size": 4}, status=400, version="3.41")
    await alice.act(volume, "os-extend", {"new_size": 4})
    assert (await node.orders())[0].attached
    await node.work("no room")
    shown = await alice.shown("volume", volume)
    assert (shown["status"], shown["size"]) == ("error_extending", 3)


async def test_flags_and_image_metadata(alice: Client, volume: str) -> None:
    for flag in (True, False):
        await alice.act(volume, "os-set_bootable", {"bootable": flag}, status=200)
        await alice.act(volume, "os-update_readonly_flag", {"readonly": flag})
        shown = await alice.shown("volume", volume)
        assert (shown["bootable"], shown["metadata"]["readonly"]) == (str(flag).lower(), str(flag))
    await alice.act(volume, "os-set_bootable", {"bootable": "perhaps"}, status=400)
    said = await alice.act(volume, "os-set_image_metadata", {"metadata": {"a": "b", "c": "d"}}, status=200)
    assert said == {"metadata": {"a": "b", "c": "d"}}
    await alice.act(volume, "os-unset_image_metadata", {"key": "a"}, status=200)
    assert await alice.act(volume, "os-show_image_metadata", {}, status=200) == {"metadata": {"c": "d"}}
    await alice.act(volume, "os-unset_image_metadata", {"key": "a"}, status=404)
    for action, said in (("os-nothing", {}), ("os-extend", None), ("os-set_image_metadata", {})):
        await alice.act(volume, action, said, status=400)
    await alice.act(MISSING_ID, "os-show_image_metadata", {}, status=404)


async def test_upload(alice: Client, node: Node, volume: str) -> None:
    said = (await alice.act(volume, "os-volume_upload_image", {"image_name": "i", "disk_format": "qcow2"}))[
        "os-volume_upload_image"
    ]
    assert (said["status"], said["image_name"], said["disk_format"], said["visibility"]) == ("uploading", "i", "qcow2", "private")
    assert said["volume_type"]["name"] == "__DEFAULT__"
    (order,) = await node.orders()
    assert (order.work, order.upload_image_id, order.upload_format) == ("upload", said["image_id"], "qcow2")
    await alice.act(volume, "os-volume_upload_image", {"image_name": "i"}, status=400)
    await node.work("the network")
    assert (await alice.shown("volume", volume))["status"] == "available"
    images = await node.ledger.read(lambda tx: tx.images.in_status(list(type_of_status())))
    assert [one.id for one in images] == []
    for bad in ({"image_name": ""}, {"image_name": "i", "disk_format": "vhd"}, {"image_name": "i", "visibility": "secret"}):
        await alice.act(volume, "os-volume_upload_image", bad, status=400)
    await alice.act(volume, "os-volume_upload_image", {"image_name": "i", "visibility": "public"}, status=403)


def type_of_status() -> Any:
    from kilonova.model.images import ImageStatus

    return ImageStatus


async def test_what_admins_put_right(alice: Client, admin: Client, node: Node, volume: str) -> None:
    await alice.act(volume, "os-reset_status", {"status": "error"}, status=403)
    await alice.act(volume, "os-force_delete", {}, status=403)
    for status in ("error", "creating", "maintenance", "available"):
        await admin.act(volume, "os-reset_status", {"status": status})
        assert (await alice.shown("volume", volume))["status"] == status
    for bad in ({"status": "happy"}, {}, {"attach_status": "glued"}):
        await admin.act(volume, "os-reset_status", bad, status=400)
    await admin.act(volume, "os-reset_status", {"status": "attaching"})
    await admin.act(volume, "os-force_delete", {})
    assert await node.work() == ["delete"]
    await alice.refused("GET", f"/volumes/{volume}", status=404)


async def test_a_late_word_on_what_is_over_changes_nothing(alice: Client, admin: Client, node: Node, volume: str) -> None:
    await alice.act(volume, "os-extend", {"new_size": 5})
    (order,) = await node.orders()
    await admin.act(volume, "os-reset_status", {"status": "available"})
    await node.says(order)
    assert (await alice.shown("volume", volume))["size"] == 1


async def test_snapshots(alice: Client, bob: Client, node: Node, volume: str) -> None:
    made = await alice.snapshot(volume, name="s", metadata={"a": "b"})
    assert (made["status"], made["size"], made["volume_id"]) == ("creating", 1, volume)
    await alice.ok("DELETE", f"/snapshots/{made['id']}", status=400)
    assert await node.work() == ["snapshot"]
    shown = await alice.shown("snapshot", made["id"])
    assert (shown["status"], shown["os-extended-snapshot-attributes:progress"]) == ("available", "100%")
    assert (
        shown["user_id"] == "u1"
        and "user_id" not in (await alice.ok("GET", f"/snapshots/{made['id']}", version="3.40"))["snapshot"]
    )
    changed = (await alice.ok("PUT", f"/snapshots/{made['id']}", {"snapshot": {"display_name": "t"}}))["snapshot"]
    assert changed["name"] == "t" and "os-extended-snapshot-attributes:progress" not in changed
    assert [one["id"] for one in (await alice.ok("GET", "/snapshots/detail?status=available&name=t"))["snapshots"]] == [
        made["id"]
    ]
    assert (await alice.ok("GET", "/snapshots?limit=0"))["snapshots"] == []
    assert (await alice.ok("PUT", f"/snapshots/{made['id']}/metadata/a", {"meta": {"a": "c"}})) == {"meta": {"a": "c"}}
    await bob.refused("GET", f"/snapshots/{made['id']}", status=404)
    for body, status in (({"volume_id": MISSING_ID}, 404), ({"volume_id": None}, 404), ({"name": "x"}, 400)):
        await alice.refused("POST", "/snapshots", {"snapshot": body}, status=status)
    await alice.refused("PUT", f"/snapshots/{made['id']}", {"snapshot": {}}, status=400)
    await alice.refused("GET", f"/snapshots?marker={MISSING_ID}", status=404)
    await alice.ok("DELETE", f"/snapshots/{made['id']}")
    assert await node.work() == ["delete_snapshot"]
    await alice.refused("GET", f"/snapshots/{made['id']}", status=404)


async def test_a_volume_in_use_is_snapshotted_by_force_and_since_3_66_always(alice: Client, node: Node, volume: str) -> None:
    await attach(node, volume)
    body = {"snapshot": {"volume_id": volume}}
    assert "in-use" in await alice.refused("POST", "/snapshots", body, status=400, version="3.65")
    await alice.ok("POST", "/snapshots", {"snapshot": {"volume_id": volume, "force": True}}, version="3.65")
    await alice.ok("POST", "/snapshots", body)
    await alice.refused("POST", "/snapshots", {"snapshot": {"volume_id": volume, "force": False}}, status=400)
    assert all(order.attached for order in await node.orders())


async def test_snapshot_actions(alice: Client, admin: Client, node: Node, volume: str) -> None:
    made = await alice.snapshot(volume)
    await node.work()
    path = f"/snapshots/{made['id']}/action"
    await alice.refused("POST", path, {"os-reset_status": {"status": "error"}}, status=403)
    await admin.refused("POST", path, {"os-reset_status": {"status": "happy"}}, status=400)
    await admin.ok("POST", path, {"os-reset_status": {"status": "creating"}})
    await alice.ok("POST", path, {"os-update_snapshot_status": {"status": "error", "progress": "80%"}})
    shown = await alice.shown("snapshot", made["id"])
    assert (shown["status"], shown["os-extended-snapshot-attributes:progress"]) == ("error", "80%")
    await alice.refused("POST", path, {"os-update_snapshot_status": {"status": "available"}}, status=400)
    await alice.refused("POST", path, {"os-dance": {}}, status=400)
    await alice.refused("POST", path, {"os-force_delete": {}}, status=403)
    await admin.ok("POST", path, {"os-force_delete": {}})
    assert await node.work() == ["delete_snapshot"]


async def test_revert(alice: Client, node: Node, volume: str) -> None:
    first, second = (await alice.snapshot(volume))["id"], (await alice.snapshot(volume))["id"]
    await node.work()
    await alice.act(volume, "revert", {"snapshot_id": second}, status=404, version="3.39")
    assert "latest" in (await alice.act(volume, "revert", {"snapshot_id": first}, status=400))["badRequest"]["message"]
    await alice.act(volume, "revert", {"snapshot_id": second})
    assert (await alice.shown("volume", volume))["status"] == "reverting"
    assert (await alice.shown("snapshot", second))["status"] == "restoring"
    assert await node.work() == ["revert"]
    assert (await alice.shown("volume", volume))["status"] == "available"
    assert (await alice.shown("snapshot", second))["status"] == "available"
    await alice.act(volume, "os-extend", {"new_size": 2})
    await node.work()
    await alice.act(volume, "revert", {"snapshot_id": second}, status=409)


async def test_attaching_by_hand(alice: Client, admin: Client, node: Node, volume: str) -> None:
    await alice.act(volume, "os-reserve", {})
    assert (await alice.shown("volume", volume))["status"] == "attaching"
    await alice.act(volume, "os-reserve", {}, status=400)
    await alice.act(volume, "os-unreserve", {})
    await alice.act(volume, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/dev/vdc"})
    shown = await alice.shown("volume", volume)
    (one,) = shown["attachments"]
    assert (shown["status"], one["server_id"], one["device"], one["id"]) == ("in-use", SERVER, "/dev/vdc", volume)
    await alice.act(volume, "os-begin_detaching", {})
    await alice.act(volume, "os-roll_detaching", {})
    assert "attached" in await alice.refused("DELETE", f"/volumes/{volume}", status=400)
    await alice.act(volume, "os-detach", {"attachment_id": MISSING_ID}, status=404)
    await alice.act(volume, "os-detach", {})
    assert (await alice.shown("volume", volume))["status"] == "available"
    for bad in ({"mountpoint": "/dev/vdc"}, {"instance_uuid": "x", "mountpoint": "/dev/vdc"}, {"instance_uuid": SERVER}):
        await alice.act(volume, "os-attach", bad, status=400)
    await alice.act(volume, "os-initialize_connection", {"connector": {}}, status=501)
    await alice.act(volume, "os-force_detach", {}, status=403)
    await admin.act(volume, "os-force_detach", {"connector": None, "attachment_id": None})


async def test_what_a_server_has_is_let_go_by_compute_only(alice: Client, admin: Client, node: Node, volume: str) -> None:
    attachment = await attach(node, volume)
    for client, action in ((alice, "os-detach"), (admin, "os-force_detach"), (alice, "os-begin_detaching")):
        said = await client.act(volume, action, {"attachment_id": attachment} if "force" in action else {}, status=409)
        assert "Compute API" in said["conflictingRequest"]["message"]
    assert "Compute API" in await alice.refused("DELETE", f"/attachments/{attachment}", status=409)
    shown = (await alice.ok("GET", f"/attachments/{attachment}"))["attachment"]
    assert (shown["status"], shown["instance"], shown["volume_id"]) == ("attached", SERVER, volume)


async def test_attachments(alice: Client, bob: Client, volume: str) -> None:
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": SERVER}}
    await alice.refused("POST", "/attachments", body, status=404, version="3.26")
    made = (await alice.ok("POST", "/attachments", body, status=200))["attachment"]
    assert made["status"] == "reserved" and (await alice.shown("volume", volume))["status"] == "reserved"
    await alice.refused("POST", "/attachments", body, status=400)
    path = f"/attachments/{made['id']}"
    assert (await alice.ok("GET", f"/attachments?instance_id={SERVER}"))["attachments"][0].keys() == {
        "id",
        "status",
        "instance",
        "volume_id",
    }
    assert (await alice.ok("GET", "/attachments/detail"))["attachments"] == [made]
    assert (await bob.ok("GET", "/attachments"))["attachments"] == []
    await bob.refused("GET", path, status=404)
    await alice.refused("PUT", path, {"attachment": {"connector": {"host": "h"}}}, status=501)
    await alice.refused("POST", f"{path}/action", {"os-complete": {}}, status=404, version="3.43")
    await alice.refused("POST", f"{path}/action", {"os-dance": {}}, status=400)
    await alice.ok("POST", f"{path}/action", {"os-complete": {}}, status=204)
    assert (await alice.shown("volume", volume))["status"] == "in-use"
    await alice.refused("POST", f"{path}/action", {"os-complete": {}}, status=409)
    assert (await alice.ok("DELETE", path, status=200)) == {"attachments": []}
    assert (await alice.shown("volume", volume))["status"] == "available"
    await alice.refused("DELETE", path, status=404)
