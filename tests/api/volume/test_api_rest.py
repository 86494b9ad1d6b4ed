"""Types, QoS specs, transfers, quotas, and what the service says of itself and of its nodes."""

from typing import Any

import httpx

from kilonova.api.rights import Right
from kilonova.api.volume.routes import RIGHTS, ROUTES
from tests.api.volume.conftest import MISSING_ID, Client, Node


def test_every_route_has_a_right_and_only_version_documents_are_for_everyone() -> None:
    assert {handler for methods in ROUTES.values() for handler in methods.values()} == set(RIGHTS)
    assert [handler.__name__ for handler, right in RIGHTS.items() if right is Right.ANYONE] == ["root", "v3"]


async def test_version_documents(as_: Any) -> None:
    answer: httpx.Response = await as_("nobody").call("GET", "")
    (version,) = answer.json()["versions"]
    assert (answer.status_code, version["id"], version["min_version"], version["version"]) == (300, "v3.0", "3.0", "3.71")
    answer = await as_("nobody").call("GET", "/v3/")
    assert answer.status_code == 200 and answer.json()["versions"] == [version]


async def test_volume_types(alice: Client, admin: Client, node: Node) -> None:
    body = {"volume_type": {"name": "fast", "description": "d", "extra_specs": {"storage_protocol": "nbd"}}}
    await alice.refused("POST", "/types", body, status=403)
    made = (await admin.ok("POST", "/types", body, status=200))["volume_type"]
    assert made["is_public"] is True and made["extra_specs"] == {"storage_protocol": "nbd"}
    await admin.refused("POST", "/types", body, status=409)
    await admin.refused("POST", "/types", {"volume_type": {"name": " "}}, status=400)
    path = f"/types/{made['id']}"
    assert (await alice.ok("GET", path))["volume_type"]["extra_specs"] == {}
    assert {one["name"] for one in (await alice.ok("GET", "/types"))["volume_types"]} == {"__DEFAULT__", "fast"}
    assert (await alice.ok("GET", "/types/default"))["volume_type"]["name"] == "__DEFAULT__"
    changed = (await admin.ok("PUT", path, {"volume_type": {"name": "faster"}}))["volume_type"]
    assert (changed["name"], changed["description"]) == ("faster", "d")
    await admin.refused("PUT", path, {"volume_type": {"name": ""}}, status=400)
    await admin.refused("PUT", path, {"volume_type": {}}, status=400)
    volume = await alice.volume(volume_type="faster")
    assert volume["status"] == "creating" and volume["volume_type"] == "faster"
    assert "still in use" in await admin.refused("DELETE", path, status=400)
    await node.work()
    await alice.act(volume["id"], "os-retype", {"new_type": "faster"}, status=400)
    await alice.act(volume["id"], "os-retype", {"new_type": "__DEFAULT__", "migration_policy": "never"})
    assert (await alice.shown("volume", volume["id"]))["volume_type"] == "__DEFAULT__"
    await admin.ok("DELETE", path)
    await admin.refused("DELETE", path, status=404)
    default = (await alice.ok("GET", "/types/default"))["volume_type"]["id"]
    await admin.refused("DELETE", f"/types/{default}", status=400)
    assert (await admin.ok("GET", f"/types/{default}/encryption")) == {}


async def test_extra_specs(admin: Client) -> None:
    made = (await admin.ok("POST", "/types", {"volume_type": {"name": "t"}}, status=200))["volume_type"]
    path = f"/types/{made['id']}/extra_specs"
    assert (await admin.ok("POST", path, {"extra_specs": {"a": "b"}}, status=200)) == {"extra_specs": {"a": "b"}}
    assert (await admin.ok("PUT", f"{path}/a", {"a": "c"})) == {"a": "c"}
    assert (await admin.ok("GET", f"{path}/a")) == {"a": "c"}
    assert (await admin.ok("GET", path)) == {"extra_specs": {"a": "c"}}
    bodies: tuple[dict[str, Any], ...] = ({"extra_specs": None}, {"extra_specs": ["x"]}, {"extra_specs": {}}, {})
    for bad in bodies:
        await admin.refused("POST", path, bad, status=400)
    await admin.refused("PUT", f"{path}/a", {"b": "c"}, status=400)
    await admin.refused("PUT", f"{path}/a", {"a": "c", "b": "c"}, status=400)
    await admin.refused("GET", f"{path}/nothing", status=404)
    await admin.ok("DELETE", f"{path}/a")
    await admin.refused("DELETE", f"{path}/a", status=404)
    await admin.refused("GET", f"/types/{MISSING_ID}/extra_specs", status=404)


async def test_a_type_no_node_can_hold(alice: Client, admin: Client, node: Node) -> None:
    await admin.ok("POST", "/types", {"volume_type": {"name": "t", "extra_specs": {"multiattach": "<is> True"}}}, status=200)
    made = await alice.volume(volume_type="t")
    assert (await alice.shown("volume", made["id"]))["status"] == "error"
    assert await node.orders() == []


async def test_private_types(alice: Client, bob: Client, admin: Client, node: Node) -> None:
    body = {"volume_type": {"name": "p", "os-volume-type-access:is_public": False}}
    made = (await admin.ok("POST", "/types", body, status=200))["volume_type"]
    path = f"/types/{made['id']}"
    await alice.refused("POST", "/volumes", {"volume": {"size": 1, "volume_type": made["id"]}}, status=404)
    await admin.ok("POST", f"{path}/action", {"addProjectAccess": {"project": "p-alice"}})
    await admin.refused("POST", f"{path}/action", {"addProjectAccess": {"project": "p-alice"}}, status=409)
    access = (await admin.ok("GET", f"{path}/os-volume-type-access"))["volume_type_access"]
    assert access == [{"volume_type_id": made["id"], "project_id": "p-alice"}]
    await alice.volume(volume_type="p")
    await bob.refused("GET", path, status=404)
    assert len((await admin.ok("GET", "/types?is_public=false"))["volume_types"]) == 1
    await admin.ok("POST", f"{path}/action", {"removeProjectAccess": {"project": "p-alice"}})
    await admin.refused("POST", f"{path}/action", {"removeProjectAccess": {"project": "p-alice"}}, status=404)
    await admin.refused("POST", f"{path}/action", {"dance": {}}, status=400)
    default = (await alice.ok("GET", "/types/default"))["volume_type"]["id"]
    await admin.refused("GET", f"/types/{default}/os-volume-type-access", status=404)


async def test_qos_specs(alice: Client, admin: Client) -> None:
    body = {"qos_specs": {"name": "q", "consumer": "front-end", "iops": "5"}}
    await alice.refused("POST", "/qos-specs", body, status=403)
    made = (await admin.ok("POST", "/qos-specs", body, status=200))["qos_specs"]
    assert made["specs"] == {"iops": "5"} and made["consumer"] == "front-end"
    path = f"/qos-specs/{made['id']}"
    assert (await admin.ok("GET", "/qos-specs"))["qos_specs"] == [made]
    assert (await admin.ok("PUT", path, {"qos_specs": {"a": "b"}})) == {"qos_specs": {"a": "b"}}
    await admin.ok("PUT", f"{path}/delete_keys", {"keys": ["a"]}, status=202)
    await admin.refused("PUT", f"{path}/delete_keys", {"keys": ["a"]}, status=400)
    default = (await admin.ok("GET", "/types/default"))["volume_type"]["id"]
    await admin.ok("GET", f"{path}/associate?vol_type_id={default}", status=202)
    assert [one["id"] for one in (await admin.ok("GET", f"{path}/associations"))["qos_associations"]] == [default]
    await admin.refused("DELETE", path, status=400)
    await admin.ok("GET", f"{path}/disassociate?vol_type_id={default}", status=202)
    await admin.ok("GET", f"{path}/disassociate_all", status=202)
    await admin.refused("GET", f"{path}/associate", status=400)
    for bad in ({"name": ""}, {"name": "r", "consumer": "nobody"}):
        await admin.refused("POST", "/qos-specs", {"qos_specs": bad}, status=400)
    await admin.refused("POST", "/qos-specs", body, status=409)
    await admin.ok("DELETE", path)
    await admin.refused("GET", path, status=404)


async def test_transfers(alice: Client, bob: Client, node: Node) -> None:
    volume = (await alice.volume())["id"]
    await node.work()
    await alice.snapshot(volume)
    await node.work()
    for path, version in (("/os-volume-transfer", "3.0"), ("/volume-transfers", "latest")):
        made = (await alice.ok("POST", path, {"transfer": {"volume_id": volume, "name": "t"}}, version=version))["transfer"]
        assert (await alice.shown("volume", volume))["status"] == "awaiting-transfer"
        shown = (await alice.ok("GET", f"{path}/{made['id']}", version=version))["transfer"]
        assert shown == {name: value for name, value in made.items() if name != "auth_key"}
        assert ("source_project_id" in shown) == (version == "latest")
        assert len((await alice.ok("GET", f"{path}/detail", version=version))["transfers"]) == 1
        assert (await bob.ok("GET", path, version=version))["transfers"] == []
        await alice.refused("POST", path, {"transfer": {"volume_id": volume}}, status=400, version=version)
        await alice.ok("DELETE", f"{path}/{made['id']}", version=version)
        assert (await alice.shown("volume", volume))["status"] == "available"
    await alice.refused("GET", "/volume-transfers", status=404, version="3.54")
    made = (await alice.ok("POST", "/volume-transfers", {"transfer": {"volume_id": volume}}))["transfer"]
    accept = f"/volume-transfers/{made['id']}/accept"
    await bob.refused("POST", accept, {"accept": {"auth_key": "wrong"}}, status=400)
    await bob.ok("POST", accept, {"accept": {"auth_key": made["auth_key"]}})
    await bob.refused("POST", accept, {"accept": {"auth_key": made["auth_key"]}}, status=404)
    shown = await bob.shown("volume", volume)
    assert (shown["status"], shown["os-vol-tenant-attr:tenant_id"], shown["user_id"]) == ("available", "p-bob", "u2")
    assert len((await bob.ok("GET", "/snapshots"))["snapshots"]) == 1
    await alice.refused("GET", f"/volumes/{volume}", status=404)


async def test_quotas_hold(alice: Client, bob: Client, admin: Client, node: Node) -> None:
    path = "/os-quota-sets/p-alice"
    shown = (await alice.ok("GET", path))["quota_set"]
    assert (shown["id"], shown["volumes"], shown["gigabytes"], shown["volumes___DEFAULT__"]) == ("p-alice", 10, 1000, -1)
    await bob.refused("GET", path, status=403)
    await alice.refused("PUT", path, {"quota_set": {"volumes": 1}}, status=403)
    for bad in ({"volumes": -2}, {"volumes": "x"}, {"shoes": 2}):
        await admin.refused("PUT", path, {"quota_set": bad}, status=400)
    changed = (await admin.ok("PUT", path, {"quota_set": {"volumes": "2", "gigabytes": 4, "snapshots": 1}}))["quota_set"]
    assert changed["volumes"] == 2 and "id" not in changed
    volume = (await alice.volume(2))["id"]
    assert "gigabytes" in await alice.refused("POST", "/volumes", {"volume": {"size": 3}}, status=413)
    await node.work()
    await alice.snapshot(volume)
    await node.work()
    assert "snapshots" in await alice.refused("POST", "/snapshots", {"snapshot": {"volume_id": volume}}, status=413)
    await alice.act(volume, "os-extend", {"new_size": 3}, status=413)
    used = (await alice.ok("GET", f"{path}?usage=true"))["quota_set"]
    assert used["gigabytes"] == {"limit": 4, "in_use": 4, "reserved": 0} and used["volumes___DEFAULT__"]["in_use"] == 1
    absolute = (await alice.ok("GET", "/limits"))["limits"]["absolute"]
    assert (absolute["maxTotalVolumes"], absolute["totalGigabytesUsed"], absolute["totalSnapshotsUsed"]) == (2, 4, 1)
    assert (await admin.ok("GET", "/limits?project_id=p-alice"))["limits"]["absolute"] == absolute
    await admin.ok("PUT", path, {"quota_set": {"per_volume_gigabytes": 1, "gigabytes": -1}})
    await alice.refused("POST", "/volumes", {"volume": {"size": 2}}, status=413)
    await admin.ok("DELETE", path, status=200)
    assert (await alice.ok("GET", path))["quota_set"]["volumes"] == 10
    assert (await admin.ok("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"volumes": 7}}))["quota_class_set"][
        "volumes"
    ] == 7
    assert (await alice.ok("GET", f"{path}/defaults"))["quota_set"]["volumes"] == 7
    assert (await admin.ok("GET", "/os-quota-class-sets/default"))["quota_class_set"]["id"] == "default"
    await admin.refused("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"shoes": 7}}, status=400)


async def test_services_and_hosts(alice: Client, admin: Client, node: Node) -> None:
    await alice.refused("GET", "/os-services", status=403)
    volume = (await alice.volume(3))["id"]
    (service,) = (await admin.ok("GET", "/os-services?binary=cinder-volume&host=cellar"))["services"]
    assert (service["host"], service["status"], service["state"]) == ("cellar@kilonova", "enabled", "up")
    assert (await admin.ok("GET", "/os-services?host=attic"))["services"] == []
    body = {"host": "cellar@kilonova", "binary": "cinder-volume", "disabled_reason": "dust"}
    assert (await admin.ok("PUT", "/os-services/disable-log-reason", body))["disabled_reason"] == "dust"
    await alice.volume()
    assert len(await node.orders()) == 1  # nothing new goes to a node that is disabled
    assert (await admin.ok("GET", "/scheduler-stats/get_pools"))["pools"] == []
    assert (await admin.ok("PUT", "/os-services/enable", body))["status"] == "enabled"
    (pool,) = (await admin.ok("GET", "/scheduler-stats/get_pools?detail=true"))["pools"]
    assert pool["name"] == "cellar@kilonova#kilonova" and pool["capabilities"]["storage_protocol"] == "nbd"
    assert (await admin.ok("GET", "/capabilities/cellar@kilonova"))["namespace"] == "OS::Storage::Capabilities::cellar@kilonova"
    (host,) = (await admin.ok("GET", "/os-hosts"))["hosts"]
    assert (host["host_name"], host["service-status"]) == ("cellar@kilonova", "available")
    whole, mine = (one["resource"] for one in (await admin.ok("GET", "/os-hosts/cellar@kilonova"))["host"])
    assert (whole["project"], whole["total_volume_gb"], mine["project"], mine["volume_count"]) == ("(total)", "3", "p-alice", "1")
    for path in ("/os-hosts/attic", "/capabilities/attic"):
        await admin.refused("GET", path, status=404)
    for action, said, status in (
        ("enable", {**body, "host": "attic"}, 404),
        ("disable", {**body, "binary": "cinder-cellar"}, 404),
        ("disable", {"host": "cellar"}, 400),
        ("disable-log-reason", {"host": "cellar", "binary": "cinder-volume"}, 400),
        ("freeze", {"host": "attic"}, 400),
        ("paint", body, 404),
    ):
        await admin.refused("PUT", f"/os-services/{action}", said, status=status)
    assert volume


async def test_what_it_says_of_itself(alice: Client, node: Node) -> None:
    aliases = {one["alias"] for one in (await alice.ok("GET", "/extensions"))["extensions"]}
    assert "os-volume-transfer" in aliases and not aliases & {"backups", "os-volume-manage", "consistencygroups"}
    zones = (await alice.ok("GET", "/os-availability-zone"))["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": True}}]
    (filters,) = (await alice.ok("GET", "/resource_filters?resource=volume"))["resource_filters"]
    assert {"name", "status", "metadata", "bootable"} <= set(filters["filters"])
    await alice.refused("GET", "/resource_filters", status=404, version="3.32")
    for path in ("/backups", "/groups", "/consistencygroups", "/nothing"):
        await alice.refused("GET", path, status=404)
