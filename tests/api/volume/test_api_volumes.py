"""/volumes: made of nothing, of images, snapshots and volumes; listed, changed, deleted; what a node's word makes of them."""

from typing import Any

import pytest

from tests.api.volume.conftest import MISSING_ID, Client, Node


async def test_a_volume_from_its_making_to_its_end(alice: Client, node: Node) -> None:
    made = await alice.volume(name="v", description="d", metadata={"a": "b"})
    assert (made["status"], made["size"], made["volume_type"], made["bootable"]) == ("creating", 1, "__DEFAULT__", "false")
    assert made["attachments"] == [] and made["metadata"] == {"a": "b"} and made["availability_zone"] == "nova"
    assert "os-vol-tenant-attr:tenant_id" not in made
    (order,) = await node.orders()
    assert (order.work, order.volume_id, order.size_gb, order.node) == ("create", made["id"], 1, "cellar")
    await node.work()
    shown = await alice.shown("volume", made["id"])
    assert shown["status"] == "available" and shown["os-vol-tenant-attr:tenant_id"] == "p-alice"
    assert "os-vol-host-attr:host" not in shown
    changed = (await alice.ok("PUT", f"/volumes/{made['id']}", {"volume": {"name": "w", "description": None}}))["volume"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("w", None, {"a": "b"})
    await alice.ok("DELETE", f"/volumes/{made['id']}")
    assert (await alice.shown("volume", made["id"]))["status"] == "deleting"
    assert await node.work() == ["delete"]
    await alice.refused("GET", f"/volumes/{made['id']}", status=404)
    await alice.refused("DELETE", f"/volumes/{made['id']}", status=404)


async def test_with_the_project_in_the_path_and_without(alice: Client, node: Node) -> None:
    made = await alice.volume()
    assert (await alice.ok("GET", f"/p-alice/volumes/{made['id']}"))["volume"]["id"] == made["id"]
    assert made["links"][0]["href"] == f"http://cloud/volume/v3/p-alice/volumes/{made['id']}"
    assert await alice.refused("GET", "/p-bob/volumes", status=400) == "Malformed request url"
    await alice.refused("GET", "/volumes/", status=404)
    await alice.refused("DELETE", "/p-alice/volumes/", status=404)


async def test_an_image_becomes_a_volume(alice: Client, bob: Client, node: Node) -> None:
    image = await node.has_image(min_disk=1, properties={"os_distro": "debian"})
    made = await alice.volume(2, imageRef=image)
    assert made["bootable"] == "true"
    (order,) = await node.orders()
    assert order.image is not None and order.image.id == image and order.image.virtual_size == 2 << 30
    await node.work()
    told = (await alice.shown("volume", made["id"]))["volume_image_metadata"]
    assert told["image_id"] == image and told["os_distro"] == "debian" and told["checksum"] == "m5" and told["min_disk"] == "1"
    body = {"volume": {"size": 1, "imageRef": image}}
    assert "2GB is larger than volume size 1GB" in await alice.refused("POST", "/volumes", body, status=400)
    assert "Invalid image" in await bob.refused("POST", "/volumes", {"volume": {"size": 3, "imageRef": image}}, status=400)


async def test_a_volume_and_its_snapshot_become_volumes(alice: Client, node: Node) -> None:
    first = await alice.volume(2)
    body = {"volume": {"source_volid": first["id"]}}
    assert "available" in await alice.refused("POST", "/volumes", body, status=400)
    await node.work()
    await alice.act(first["id"], "os-set_bootable", {"bootable": True}, status=200)
    snapshot = await alice.snapshot(first["id"])
    await node.work()
    copy = await alice.volume(None, source_volid=first["id"])
    restored = await alice.volume(3, snapshot_id=snapshot["id"])
    assert (copy["size"], copy["source_volid"], copy["bootable"]) == (2, first["id"], "true")
    assert (restored["size"], restored["snapshot_id"], restored["bootable"]) == (3, snapshot["id"], "true")
    asked = {(order.source_volume_id, order.source_snapshot_id) for order in await node.orders()}
    assert asked == {(first["id"], ""), (first["id"], snapshot["id"])}
    for source in ({"source_volid": first["id"]}, {"snapshot_id": snapshot["id"]}):
        assert "cannot be smaller" in await alice.refused("POST", "/volumes", {"volume": {"size": 1, **source}}, status=400)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 400),
        ({"size": 0}, 400),
        ({"size": -1}, 400),
        ({"size": "#$%"}, 400),
        ({"size": 2**40}, 400),
        ({"size": 1, "name": "x" * 256}, 400),
        ({"size": 1, "metadata": {"k": 1}}, 400),
        ({"size": 1, "metadata": {"": "v"}}, 400),
        ({"size": 1, "availability_zone": "mars"}, 400),
        ({"size": 1, "volume_type": MISSING_ID}, 404),
        ({"size": 1, "snapshot_id": MISSING_ID}, 404),
        ({"size": 1, "source_volid": MISSING_ID}, 404),
        ({"size": 1, "snapshot_id": "no-uuid"}, 400),
        ({"size": 1, "imageRef": MISSING_ID}, 400),
        ({"size": 1, "backup_id": MISSING_ID}, 404),
        ({"size": 1, "consistencygroup_id": MISSING_ID}, 404),
        ({"size": 1, "snapshot_id": MISSING_ID, "source_volid": MISSING_ID}, 400),
    ],
)
async def test_what_cannot_be_made(alice: Client, node: Node, said: dict[str, Any], status: int) -> None:
    await alice.refused("POST", "/volumes", {"volume": said}, status=status)
    await alice.refused("POST", "/volumes", {"volum": said}, status=400)
    assert await node.orders() == []


async def test_without_a_node_a_volume_ends_in_error_and_its_project_is_told(alice: Client, bob: Client, node: Node) -> None:
    await node.is_up(until=0.0)
    made = await alice.volume()
    assert made["status"] == "creating"
    assert (await alice.shown("volume", made["id"]))["status"] == "error"
    (message,) = (await alice.ok("GET", "/messages"))["messages"]
    assert message["resource_uuid"] == made["id"] and "Could not find any available weighted backend" in message["user_message"]
    assert (await alice.ok("GET", f"/messages/{message['id']}"))["message"] == message
    assert (await bob.ok("GET", "/messages"))["messages"] == []
    await bob.refused("DELETE", f"/messages/{message['id']}", status=404)
    await alice.ok("DELETE", f"/messages/{message['id']}", status=204)
    await alice.refused("GET", f"/messages/{message['id']}", status=404)
    await alice.ok("DELETE", f"/volumes/{made['id']}")
    await alice.refused("GET", f"/volumes/{made['id']}", status=404)


async def test_work_that_fails_says_why(alice: Client, node: Node) -> None:
    made = await alice.volume()
    await node.work("the disk is full")
    assert (await alice.shown("volume", made["id"]))["status"] == "error"
    (message,) = (await alice.ok("GET", f"/messages?resource_uuid={made['id']}"))["messages"]
    assert message["user_message"] == "create volume: the disk is full"
    await alice.ok("DELETE", f"/volumes/{made['id']}")
    await node.work("busy")
    assert (await alice.shown("volume", made["id"]))["status"] == "error_deleting"
    assert (await alice.refused("DELETE", f"/volumes/{made['id']}", status=400)).startswith("Invalid volume")


async def test_others_do_not_see_it(alice: Client, bob: Client, admin: Client, as_: Any, node: Node) -> None:
    made = await alice.volume(name="mine")
    path = f"/volumes/{made['id']}"
    for method, body in (("GET", None), ("PUT", {"volume": {"name": "x"}}), ("DELETE", None)):
        await bob.refused(method, path, body, status=404)
    assert (await bob.ok("GET", "/volumes"))["volumes"] == []
    assert (await bob.ok("GET", "/volumes?all_tenants=1"))["volumes"] == []
    assert (await admin.ok("GET", "/volumes"))["volumes"] == []
    assert len((await admin.ok("GET", "/volumes?all_tenants=1&project_id=p-alice"))["volumes"]) == 1
    shown = await admin.shown("volume", made["id"])
    assert shown["os-vol-host-attr:host"] == "cellar@kilonova#kilonova" and shown["os-vol-mig-status-attr:migstat"] is None
    assert (await as_("reader").shown("volume", made["id"]))["name"] == "mine"
    await as_("reader").refused("POST", "/volumes", {"volume": {"size": 1}}, status=403)
    await as_("nobody").refused("GET", "/volumes", status=401)


async def test_deleting_with_snapshots(alice: Client, node: Node) -> None:
    made = await alice.volume()
    await node.work()
    await alice.snapshot(made["id"])
    await alice.snapshot(made["id"])
    await node.work()
    assert "snapshots" in await alice.refused("DELETE", f"/volumes/{made['id']}", status=400)
    await alice.ok("DELETE", f"/volumes/{made['id']}?cascade=true")
    assert await node.work() == ["delete_snapshot", "delete_snapshot", "delete"]
    await alice.refused("GET", f"/volumes/{made['id']}", status=404)
    assert (await alice.ok("GET", "/snapshots"))["snapshots"] == []


async def test_lists_are_filtered_sorted_and_paged(alice: Client, node: Node) -> None:
    ids = [(await alice.volume(n, name=f"v{n}", metadata={"n": str(n)}))["id"] for n in (1, 2, 3)]
    await node.work()

    async def names(query: str) -> list[str]:
        return [one["name"] for one in (await alice.ok("GET", f"/volumes/detail?{query}"))["volumes"]]

    assert await names("") == ["v3", "v2", "v1"]
    assert await names("sort=name:asc") == ["v1", "v2", "v3"]
    assert await names("sort_key=size") == ["v3", "v2", "v1"]
    assert await names("sort_key=size&sort_dir=asc&limit=2") == ["v1", "v2"]
    assert await names("name=v2") == ["v2"] and await names("name~=v") == ["v3", "v2", "v1"]
    assert await names("status=available&metadata={'n':%20'3'}") == ["v3"]
    assert await names("size=1") == ["v1"] and await names("bootable=true") == []
    assert await names("created_at=gt:2000-01-01T00:00:00") == ["v3", "v2", "v1"]
    assert await names("created_at=lt:2000-01-01T00:00:00") == []
    assert await names("offset=1&limit=1") == ["v2"] and await names("limit=0") == []
    assert await names(f"marker={ids[1]}") == ["v1"]
    page = await alice.ok("GET", "/volumes?limit=2&with_count=true")
    assert page["count"] == 3 and len(page["volumes"]) == 2 and set(page["volumes"][0]) == {"id", "name", "links"}
    following = page["volumes_links"][0]["href"].removeprefix("http://cloud/volume/v3")
    assert [one["name"] for one in (await alice.ok("GET", following))["volumes"]] == ["v1"]
    await alice.refused("GET", f"/volumes?marker={MISSING_ID}", status=404)
    for bad in ("limit=x", "limit=-1", "offset=-1", "sort_key=nothing", "sort=name:up", "metadata=x", "with_count=maybe"):
        await alice.refused("GET", f"/volumes?{bad}", status=400)
    await alice.refused("GET", "/volumes?shoe_size=43", status=400)
    await alice.ok("GET", "/volumes?shoe_size=43", version="3.30")
    summary = (await alice.ok("GET", "/volumes/summary"))["volume-summary"]
    assert summary == {"total_size": 6, "total_count": 3, "metadata": {"n": ["1", "2", "3"]}}


async def test_what_each_version_shows(alice: Client, node: Node) -> None:
    made = await alice.volume()
    path = f"/volumes/{made['id']}"
    oldest = (await alice.ok("GET", path, version="3.0"))["volume"]
    newest = (await alice.ok("GET", path))["volume"]
    later = {"group_id", "service_uuid", "shared_targets", "volume_type_id", "consumes_quota"}
    assert newest.keys() - oldest.keys() == later
    assert "volume_type_id" not in (await alice.ok("GET", path, version="3.62"))["volume"]
    await alice.refused("GET", "/volumes/summary", status=404, version="3.11")
    assert "metadata" not in (await alice.ok("GET", "/volumes/summary", version="3.12"))["volume-summary"]
    await alice.refused("GET", path, status=406, version="3.999")
    await alice.refused("GET", path, status=400, version="three")
    answer = await alice.call("GET", f"/v3{path}", version="3.59")
    assert answer.headers["OpenStack-API-Version"] == "volume 3.59"


async def test_metadata(alice: Client, bob: Client, node: Node) -> None:
    made = await alice.volume(metadata={"a": "1"})
    path = f"/volumes/{made['id']}/metadata"
    assert (await alice.ok("POST", path, {"metadata": {"b": "2"}}, status=200))["metadata"] == {"a": "1", "b": "2"}
    assert (await alice.ok("PUT", path, {"metadata": {"c": "3"}}))["metadata"] == {"c": "3"}
    assert (await alice.ok("PUT", f"{path}/c", {"meta": {"c": "4"}}))["meta"] == {"c": "4"}
    assert (await alice.ok("GET", f"{path}/c"))["meta"] == {"c": "4"}
    assert (await alice.ok("GET", path))["metadata"] == {"c": "4"}
    await alice.refused("PUT", f"{path}/c", {"meta": {"d": "4"}}, status=400)
    await alice.refused("PUT", f"{path}/c", {"meta": {"c": "4", "d": "5"}}, status=400)
    await alice.refused("POST", path, {"metadata": {"x": "y" * 256}}, status=400)
    await alice.refused("GET", f"{path}/nothing", status=404)
    await alice.refused("DELETE", f"{path}/nothing", status=404)
    await bob.refused("GET", path, status=404)
    await alice.ok("DELETE", f"{path}/c", status=200)
    assert (await alice.ok("GET", path))["metadata"] == {}
