"""Limits and quotas; zones, services, hypervisors."""

from typing import Any

from tests.api.compute.conftest import Compute


async def test_limits_count_what_is_used(compute: Compute) -> None:
    await compute.server()
    limits = (await compute.send("GET", "/limits")).json()["limits"]
    assert limits["rate"] == []
    assert (limits["absolute"]["totalInstancesUsed"], limits["absolute"]["totalRAMUsed"]) == (1, 512)
    assert "maxPersonality" not in limits["absolute"] and "maxImageMeta" not in limits["absolute"]
    old = (await compute.send("GET", "/limits", version="2.1")).json()["limits"]["absolute"]
    assert (old["maxPersonality"], old["maxImageMeta"], old["maxSecurityGroups"], old["totalFloatingIpsUsed"]) == (5, 128, -1, 0)
    asked = await compute.admin("GET", f"/limits?tenant_id={compute.project}")
    assert asked.json()["limits"]["absolute"]["totalInstancesUsed"] == 1
    assert (await compute.send("GET", "/limits?tenant_id=other")).status_code == 403


async def test_quota_sets(compute: Compute) -> None:
    path = f"/os-quota-sets/{compute.project}"
    quota = (await compute.send("GET", path)).json()["quota_set"]
    assert quota == {
        "id": compute.project, "instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "key_pairs": 100,
        "server_groups": 10, "server_group_members": 10,
    }  # fmt: skip
    old = (await compute.send("GET", path, version="2.1")).json()["quota_set"]
    assert (old["injected_files"], old["floating_ips"]) == (5, -1)
    changed = (await compute.admin("PUT", path, {"quota_set": {"cores": "5", "ram": -1}})).json()["quota_set"]
    assert (changed["cores"], changed["ram"], "id" in changed) == (5, -1, False)
    detail = (await compute.send("GET", path + "/detail")).json()["quota_set"]
    assert detail["cores"] == {"limit": 5, "in_use": 0, "reserved": 0}
    assert (await compute.admin("DELETE", path)).status_code == 202
    assert (await compute.send("GET", path)).json()["quota_set"]["cores"] == 20
    assert (await compute.send("GET", path + "/defaults")).json()["quota_set"]["cores"] == 20
    old_change = {"quota_set": {"floating_ips": 3, "injected_files": 2}}
    kept = (await compute.admin("PUT", path, old_change, version="2.35")).json()["quota_set"]
    assert (kept["injected_files"], kept["floating_ips"], kept["fixed_ips"]) == (2, 3, -1)
    assert (await compute.send("GET", "/limits", version="2.35")).json()["limits"]["absolute"]["maxTotalFloatingIps"] == 3
    detail = (await compute.send("GET", path + "/detail", version="2.35")).json()["quota_set"]
    assert detail["floating_ips"] == {"limit": 3, "in_use": 0, "reserved": 0}
    for later in ("2.36", "2.57"):
        assert (await compute.admin("PUT", path, {"quota_set": {"floating_ips": 3}}, version=later)).status_code == 400


NO_QUOTAS: list[dict[str, Any]] = [
    {"cores": -2},
    {"cores": "x"},
    {"cores": None},
    {"colour": 1},
    {"instances": 0},
    {"injected_files": 1},
    {"ram": 2**40},
]


async def test_no_quota(compute: Compute) -> None:
    await compute.server()
    path = f"/os-quota-sets/{compute.project}"
    for wrong in NO_QUOTAS:
        assert (await compute.admin("PUT", path, {"quota_set": wrong})).status_code == 400, wrong
    assert (await compute.admin("PUT", path, {"quota_set": {"instances": 0, "force": True}})).status_code == 200
    assert (await compute.send("PUT", path, {"quota_set": {}})).status_code == 403
    assert (await compute.send("GET", "/os-quota-sets/other")).status_code == 403
    assert (await compute.admin("PUT", path + "?user_id=u", {"quota_set": {"ram": 10**6}})).status_code == 400


async def test_zones(compute: Compute) -> None:
    assert (await compute.send("GET", "/os-availability-zone")).json() == {
        "availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    }
    assert (await compute.send("GET", "/os-availability-zone/detail")).status_code == 403
    zone = (await compute.admin("GET", "/os-availability-zone/detail")).json()["availabilityZoneInfo"][0]
    assert zone["hosts"]["host-1"]["nova-compute"]["available"] is True


async def test_services(compute: Compute) -> None:
    service = (await compute.admin("GET", "/os-services?binary=nova-compute")).json()["services"][0]
    assert (service["host"], service["status"], service["state"], service["forced_down"]) == ("host-1", "enabled", "up", False)
    assert (await compute.admin("GET", "/os-services?host=none")).json() == {"services": []}
    assert (await compute.admin("GET", "/os-services?colour=red")).status_code == 400
    path = f"/os-services/{service['id']}"
    off = (await compute.admin("PUT", path, {"status": "disabled", "disabled_reason": "broken"})).json()["service"]
    assert (off["status"], off["disabled_reason"]) == ("disabled", "broken")
    on = (await compute.admin("PUT", path, {"status": "enabled"})).json()["service"]
    assert (on["status"], on["disabled_reason"]) == ("enabled", None)
    assert (await compute.admin("PUT", path, {})).status_code == 400
    assert (await compute.admin("PUT", path, {"status": "enabled", "disabled_reason": "x"})).status_code == 400
    down = (await compute.admin("PUT", path, {"forced_down": True})).json()["service"]
    assert (down["forced_down"], down["state"], down["status"]) == (True, "down", "enabled")
    hypervisor = (await compute.admin("GET", "/os-hypervisors/detail")).json()["hypervisors"][0]
    assert (hypervisor["state"], hypervisor["status"]) == ("down", "enabled")
    assert (await compute.admin("PUT", path, {"forced_down": False})).json()["service"]["state"] == "up"
    nobody = "/os-services/0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"
    assert (await compute.admin("PUT", nobody, {"status": "enabled"})).status_code == 404
    assert (await compute.admin("PUT", "/os-services/none", {"status": "enabled"})).status_code == 400
    assert (await compute.admin("DELETE", path)).status_code == 409, "it is up"
    assert (await compute.admin("DELETE", nobody)).status_code == 404
    assert (await compute.admin("DELETE", "/os-services/none")).status_code == 400
    await compute.admin("PUT", path, {"forced_down": True})
    assert (await compute.admin("DELETE", path)).status_code == 204
    assert (await compute.admin("GET", "/os-services?binary=nova-compute")).json() == {"services": []}
    assert (await compute.send("GET", "/os-services")).status_code == 403


async def test_services_as_they_were(compute: Compute) -> None:
    service = (await compute.admin("GET", "/os-services", version="2.1")).json()["services"][0]
    assert isinstance(service["id"], int) and "forced_down" not in service
    named = {"host": "host-1", "binary": "nova-compute"}
    off = await compute.admin("PUT", "/os-services/disable-log-reason", {**named, "disabled_reason": "r"}, version="2.1")
    assert off.json() == {"service": {**named, "status": "disabled", "disabled_reason": "r"}}
    forced = await compute.admin("PUT", "/os-services/force-down", {**named, "forced_down": True}, version="2.11")
    assert forced.json() == {"service": {**named, "forced_down": True}}
    assert (await compute.admin("PUT", "/os-services/force-down", named, version="2.11")).status_code == 400
    on = await compute.admin("PUT", "/os-services/enable", named, version="2.1")
    assert on.json() == {"service": {**named, "status": "enabled"}}
    assert (await compute.admin("PUT", "/os-services/enable", {**named, "host": "x"}, version="2.1")).status_code == 404
    assert (await compute.admin("PUT", "/os-services/explode", named, version="2.1")).status_code == 404


async def test_hypervisors(compute: Compute) -> None:
    brief = (await compute.admin("GET", "/os-hypervisors?with_servers=true")).json()["hypervisors"]
    assert set(brief[0]) == {"id", "hypervisor_hostname", "state", "status", "servers"}
    shown = (await compute.admin("GET", f"/os-hypervisors/{brief[0]['id']}")).json()["hypervisor"]
    assert (shown["hypervisor_type"], shown["uptime"], "vcpus" in shown) == ("QEMU", None, False)
    services = (await compute.admin("GET", "/os-services")).json()["services"]
    assert shown["service"]["id"] == services[0]["id"]
    assert (await compute.admin("GET", "/os-hypervisors?hypervisor_hostname_pattern=host")).status_code == 200
    for wrong in ("hypervisor_hostname_pattern=nobody", "marker=x", "limit=x", "colour=1"):
        assert (await compute.admin("GET", f"/os-hypervisors?{wrong}")).status_code in (400, 404)
    assert (await compute.admin("GET", "/os-hypervisors/none")).status_code == 404
    assert (await compute.admin("GET", "/os-hypervisors/statistics")).status_code == 404
    assert (await compute.send("GET", "/os-hypervisors")).status_code == 403


async def test_hypervisors_as_they_were(compute: Compute) -> None:
    old = (await compute.admin("GET", "/os-hypervisors/detail", version="2.1")).json()["hypervisors"][0]
    assert (old["vcpus"], old["memory_mb"], old["free_disk_gb"], old["cpu_info"]) == (8, 16384, 100, "{}")
    assert isinstance(old["id"], int) and "uptime" not in old
    later = (await compute.admin("GET", "/os-hypervisors/detail", version="2.87")).json()["hypervisors"][0]
    assert later["cpu_info"] == {}
    statistics = await compute.admin("GET", "/os-hypervisors/statistics", version="2.1")
    assert statistics.json()["hypervisor_statistics"]["count"] == 1
    for path, status in (
        (f"{old['id']}/uptime", 200),
        ("host/search", 200),
        ("host/servers", 200),
        ("x/search", 404),
        ("9/uptime", 404),
    ):
        assert (await compute.admin("GET", f"/os-hypervisors/{path}", version="2.1")).status_code == status


async def test_quotas_of_one_user(compute: Compute) -> None:
    path = f"/os-quota-sets/{compute.project}"
    changed = await compute.admin("PUT", path + "?user_id=u", {"quota_set": {"cores": 3}})
    assert (changed.json()["quota_set"]["cores"], changed.json()["quota_set"]["ram"]) == (3, 51200)
    assert (await compute.send("GET", path + "?user_id=u")).json()["quota_set"]["cores"] == 3
    assert (await compute.send("GET", path + "?user_id=other")).json()["quota_set"]["cores"] == 20
    assert (await compute.send("GET", path + "/detail?user_id=u")).json()["quota_set"]["cores"]["limit"] == 3
    assert (await compute.admin("DELETE", path + "?user_id=u")).status_code == 202
    assert (await compute.send("GET", path + "?user_id=u")).json()["quota_set"]["cores"] == 20


async def test_quotas_of_a_project_that_is_none(compute: Compute) -> None:
    for method, path in (("GET", ""), ("GET", "/detail"), ("GET", "/defaults"), ("PUT", "")):
        assert (await compute.admin(method, f"/os-quota-sets/nobody{path}", {"quota_set": {}})).status_code == 400
    assert (await compute.admin("DELETE", "/os-quota-sets/nobody")).status_code == 202


async def test_quota_classes(compute: Compute) -> None:
    path = "/os-quota-class-sets/default"
    old = (await compute.admin("GET", path, version="2.1")).json()["quota_class_set"]
    assert old["id"] == "default" and old["floating_ips"] == -1 and "server_groups" not in old and old["injected_files"] == 5
    changed = (await compute.admin("PUT", path, {"quota_class_set": {"cores": 7}})).json()["quota_class_set"]
    assert changed["cores"] == 7 and "id" not in changed and "injected_files" not in changed
    assert (await compute.send("GET", f"/os-quota-sets/{compute.project}")).json()["quota_set"]["cores"] == 7
    assert (await compute.send("GET", f"/os-quota-sets/{compute.project}/defaults")).json()["quota_set"]["cores"] == 7
    assert (await compute.admin("PUT", f"/os-quota-sets/{compute.project}", {"quota_set": {"ram": 1}})).status_code == 200
    assert (await compute.admin("PUT", path, {"quota_class_set": {"cores": 8}})).status_code == 200
    assert (await compute.send("GET", f"/os-quota-sets/{compute.project}")).json()["quota_set"]["cores"] == 8
    for_networks = {"quota_class_set": {"floating_ips": 99, "security_groups": "3"}}
    kept = (await compute.admin("PUT", path, for_networks, version="2.49")).json()["quota_class_set"]
    assert (kept["floating_ips"], kept["security_groups"], kept["fixed_ips"]) == (99, 3, -1)
    assert (await compute.admin("GET", path, version="2.1")).json()["quota_class_set"]["floating_ips"] == 99
    of_project = (await compute.send("GET", f"/os-quota-sets/{compute.project}", version="2.35")).json()["quota_set"]
    assert (of_project["floating_ips"], of_project["cores"]) == (99, 8)
    for version, wrong in (
        ("2.104", {"cores": -2}),
        ("2.104", {"injected_files": 1}),
        ("2.49", {"server_groups": 1}),
        ("2.50", {"floating_ips": 1}),
    ):
        assert (await compute.admin("PUT", path, {"quota_class_set": wrong}, version=version)).status_code == 400
    for version in ("2.49", "2.104"):
        assert (await compute.admin("PUT", path, {}, version=version)).status_code == 400
    assert (await compute.admin("PUT", f"/os-quota-class-sets/{'x' * 256}", {"quota_class_set": {}})).status_code == 400
    assert (await compute.send("GET", path)).status_code == 403
