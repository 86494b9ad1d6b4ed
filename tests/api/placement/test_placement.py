"""Placement: hosts and claims as providers, inventories, allocations and candidates; and that nobody writes."""

import re
from typing import Any

import pytest

from kilonova.api.placement.service import ROUTES
from tests.api.placement.conftest import NEWEST, Placed

WHOLE = {"VCPU": 64, "MEMORY_MB": 65536, "DISK_GB": 1000}
TINY = {"VCPU": 1, "MEMORY_MB": 64, "DISK_GB": 1}


async def test_versions(placed: Placed) -> None:
    root = await placed.api.get("/placement/", None)
    (version,) = root.json()["versions"]
    assert (version["min_version"], version["max_version"], version["status"]) == ("1.0", "1.39", "CURRENT")
    for said, told in (("placement latest", "1.39"), ("placement 1.14", "1.14"), ("compute 2.1", "1.0"), ("", "1.0")):
        answer = await placed.get("/resource_providers", said)
        assert (answer.status_code, answer.headers["openstack-api-version"]) == (200, f"placement {told}")
        assert answer.headers["vary"] == "openstack-api-version"
    answer = await placed.get("/resource_providers", "placement 1.40")
    assert answer.status_code == 406 and answer.json()["errors"][0]["max_version"] == "1.39"
    assert (await placed.get("/resource_providers", "placement x")).status_code == 400


async def test_only_admins_and_only_reading(placed: Placed) -> None:
    member, _ = await placed.api.tenant("somebody")
    assert (await placed.api.get("/placement/resource_providers", None)).status_code == 401
    answer = await placed.api.get("/placement/resource_providers", member)
    assert answer.status_code == 403 and answer.json()["errors"][0]["title"] == "Forbidden"
    for path, methods in ROUTES.items():
        for method in methods.keys() - {"GET"}:
            where = "/placement" + re.sub(r"\{\w+\}", placed.h[placed.busy], path)
            answer = await placed.api.send(method, where, json={}, headers={"openstack-api-version": NEWEST})
            (error,) = answer.json()["errors"]
            assert (answer.status_code, error["status"], error["code"]) == (405, 405, "placement.undefined_code"), (method, path)
            assert "read-only" in error["detail"] and error["request_id"] == answer.headers["x-openstack-request-id"]
            assert (await placed.api.send(method, where, member, json={})).status_code == 403


async def test_errors_have_codes_since_1_23(placed: Placed) -> None:
    for version, codes in (("placement 1.22", [False]), ("placement 1.23", [True])):
        answer = await placed.get("/resource_providers/" + "0" * 8, version)
        assert answer.status_code == 404 and ["code" in error for error in answer.json()["errors"]] == codes


async def test_a_provider(placed: Placed) -> None:
    one = await placed.json(f"/resource_providers/{placed.h[placed.busy]}")
    assert (one["name"], one["uuid"], one["root_provider_uuid"]) == (placed.busy, placed.h[placed.busy], one["uuid"])
    assert one["parent_provider_uuid"] is None and [link["rel"] for link in one["links"]] == [
        *("self", "inventories", "usages", "aggregates", "traits", "allocations")
    ]
    for link in one["links"]:
        assert (await placed.get(link["href"].removeprefix("/placement"))).status_code == 200, link
    old = await placed.json(f"/resource_providers/{placed.h[placed.busy]}", "placement 1.0")
    assert "root_provider_uuid" not in old and [link["rel"] for link in old["links"]] == ["self", "inventories", "usages"]


async def test_what_it_has_and_what_is_used(placed: Placed) -> None:
    path = f"/resource_providers/{placed.h[placed.busy]}"
    has = await placed.json(path + "/inventories")
    assert {name: inventory["total"] for name, inventory in has["inventories"].items()} == WHOLE
    vcpu = {"total": 64, "reserved": 0, "min_unit": 1, "max_unit": 256, "step_size": 1, "allocation_ratio": 4.0}
    generation = {"resource_provider_generation": has["resource_provider_generation"]}
    assert await placed.json(path + "/inventories/VCPU") == {**vcpu, **generation}
    assert (await placed.get(path + "/inventories/VGPU")).status_code == 404
    assert await placed.json(path + "/usages") == {"usages": TINY, **generation}
    idle = await placed.json(f"/resource_providers/{placed.h[placed.idle]}/usages")
    assert (
        set(idle["usages"].values()) == {0} and idle["resource_provider_generation"] != generation["resource_provider_generation"]
    )
    allocations = await placed.json(path + "/allocations")
    assert allocations == {"allocations": {placed.server: {"resources": TINY, "consumer_generation": 1}}, **generation}
    traits = (await placed.json(path + "/traits"))["traits"]
    assert "COMPUTE_NODE" in traits and "COMPUTE_STATUS_DISABLED" not in traits


async def test_aggregates(placed: Placed) -> None:
    path = f"/resource_providers/{placed.h[placed.idle]}/aggregates"
    assert (await placed.json(path))["aggregates"] == [placed.aggregate]
    assert await placed.json(path, "placement 1.1") == {"aggregates": [placed.aggregate]}
    assert (await placed.json(f"/resource_providers/{placed.h[placed.busy]}/aggregates"))["aggregates"] == []
    assert (await placed.get(path, "placement 1.0")).status_code == 404


async def test_filters_of_providers(placed: Placed) -> None:
    both, busy, idle = sorted(placed.h), placed.h[placed.busy], placed.h[placed.idle]
    for query, expected in {
        "": both,
        f"name={placed.idle}": [placed.idle],
        f"uuid={busy}": [placed.busy],
        f"in_tree={idle}": [placed.idle],
        f"in_tree={placed.aggregate}": [],
        "resources=VCPU:256,DISK_GB:1": [placed.idle],
        "resources=VCPU:257": [],
        "resources=VGPU:1": [],
        f"member_of={placed.aggregate}": [placed.idle],
        f"member_of=in:{placed.aggregate},{busy}": [placed.idle],
        f"member_of=!{placed.aggregate}": [placed.busy],
        f"member_of={placed.aggregate}&member_of={busy}": [],
        "required=COMPUTE_NODE,!COMPUTE_STATUS_DISABLED": both,
        "required=COMPUTE_STATUS_DISABLED": [],
        "required=in:COMPUTE_STATUS_DISABLED,COMPUTE_NODE": both,
        "required=HW_CPU_X86_AVX2": [],
    }.items():
        assert await placed.names(query) == expected, query


@pytest.mark.parametrize(
    ("query", "version"),
    [
        *(("colour=red", "1.39"), ("uuid=x", "1.39"), ("in_tree=x", "1.39"), ("member_of=x", "1.39"), ("resources=VCPU", "1.39")),
        *(("resources=VCPU:0", "1.39"), ("resources=VCPU:x", "1.39"), ("resources=CPUS:1", "1.39"), ("required=lower", "1.39")),
        *(("required=CUSTOM_UNKNOWN", "1.39"), ("required=", "1.39"), ("resources=VCPU:99999999999", "1.39")),
        *(("resources=VCPU:1", "1.3"), ("required=COMPUTE_NODE", "1.17"), ("required=!COMPUTE_NODE", "1.21")),
        *(("required=in:COMPUTE_NODE", "1.38"), ("required=A&required=B", "1.38"), ("member_of=a&member_of=b", "1.23")),
    ],
)
async def test_queries_that_make_no_sense(placed: Placed, query: str, version: str) -> None:
    answer = await placed.get(f"/resource_providers?{query}", f"placement {version}")
    assert answer.status_code == 400 and answer.json()["errors"][0]["status"] == 400, answer.text


async def test_what_a_server_and_a_project_have(placed: Placed) -> None:
    told = await placed.json(f"/allocations/{placed.server}")
    (one,) = told["allocations"].items()
    assert one[0] == placed.h[placed.busy] and one[1]["resources"] == TINY
    owner = {"project_id": "p", "user_id": "u", "consumer_generation": 1, "consumer_type": "INSTANCE"}
    assert {name: told[name] for name in owner} == owner
    assert set(await placed.json(f"/allocations/{placed.server}", "placement 1.11")) == {"allocations"}
    assert await placed.json(f"/allocations/{placed.aggregate}") == {"allocations": {}}
    assert await placed.json("/usages?project_id=p", "placement 1.9") == {"usages": TINY}
    counted = {"consumer_count": 1, **TINY}
    assert await placed.json("/usages?project_id=p&user_id=u") == {"usages": {"INSTANCE": counted}}
    assert await placed.json("/usages?project_id=p&consumer_type=all") == {"usages": {"all": counted}}
    for query in ("project_id=other", "project_id=p&user_id=other", "project_id=p&consumer_type=unknown"):
        assert await placed.json(f"/usages?{query}") == {"usages": {}}
    assert (await placed.get("/usages")).status_code == 400
    assert (await placed.get("/usages?project_id=p", "placement 1.8")).status_code == 404


def _hosts(placed: Placed, answer: Any) -> list[str]:
    found = [next(iter(request["allocations"])) for request in answer["allocation_requests"]]
    assert set(found) == set(answer["provider_summaries"])
    return sorted(name for name, one in placed.h.items() if one in found)


async def test_candidates(placed: Placed) -> None:
    both = sorted(placed.h)
    for query, expected in {
        "resources=VCPU:1,MEMORY_MB:64,DISK_GB:1": both,
        "resources=VCPU:256": [placed.idle],
        "resources=MEMORY_MB:65537": [],
        f"resources=VCPU:1&member_of={placed.aggregate}": [placed.idle],
        f"resources=VCPU:1&in_tree={placed.h[placed.busy]}": [placed.busy],
        "resources=VCPU:1&required=!COMPUTE_NODE": [],
        "resources=VCPU:1&root_required=COMPUTE_NODE": both,
        "resources=VCPU:1&root_required=COMPUTE_STATUS_DISABLED": [],
        "resources=VCPU:100&resources1=VCPU:156": [placed.idle],
        "resources_A=VCPU:1&resources_B=DISK_GB:1&group_policy=none": both,
        "resources1=VCPU:1&resources2=DISK_GB:1&group_policy=isolate": [],
        f"resources=VCPU:1&resources1=DISK_GB:1&member_of1=!{placed.aggregate}": [placed.busy],
    }.items():
        assert _hosts(placed, await placed.json(f"/allocation_candidates?{query}")) == expected, query
    one = await placed.json("/allocation_candidates?resources=VCPU:1&resources1=DISK_GB:2&limit=1")
    ((host, wanted),) = one["allocation_requests"][0]["allocations"].items()
    assert wanted == {"resources": {"VCPU": 1, "DISK_GB": 2}}
    assert one["allocation_requests"][0]["mappings"] == {"": [host], "1": [host]}
    summary = one["provider_summaries"][host]
    assert set(summary["resources"]) == set(WHOLE) and summary["resources"]["VCPU"]["capacity"] == 256
    assert summary["root_provider_uuid"] == host and "COMPUTE_NODE" in summary["traits"]


async def test_candidates_as_older_clients_know_them(placed: Placed) -> None:
    old = await placed.json("/allocation_candidates?resources=VCPU:1", "placement 1.10")
    request, summary = old["allocation_requests"][0], next(iter(old["provider_summaries"].values()))
    assert request["allocations"][0]["resources"] == {"VCPU": 1} and "uuid" in request["allocations"][0]["resource_provider"]
    assert set(summary) == {"resources"} and set(summary["resources"]) == {"VCPU"}
    assert (await placed.get("/allocation_candidates?resources=VCPU:1", "placement 1.9")).status_code == 404
    for query in (
        "",
        "limit=0&resources=VCPU:1",
        "resources=VCPU:1&x=1",
        "resources1=VCPU:1&resources2=VCPU:1",
        "required1=COMPUTE_NODE",
    ):
        assert (await placed.get(f"/allocation_candidates?{query}")).status_code == 400, query
    for query, version in (("resources1=VCPU:1", "1.24"), ("resources_A=VCPU:1", "1.32"), ("resources=VCPU:1&limit=1", "1.15")):
        assert (await placed.get(f"/allocation_candidates?{query}", f"placement {version}")).status_code == 400, query


async def test_words(placed: Placed) -> None:
    names = [one["name"] for one in (await placed.json("/resource_classes"))["resource_classes"]]
    assert {"VCPU", "MEMORY_MB", "DISK_GB", "VGPU"} <= set(names)
    assert (await placed.json("/resource_classes/VCPU"))["name"] == "VCPU"
    assert (await placed.get("/resource_classes/CPUS")).status_code == 404
    assert "COMPUTE_NODE" in (await placed.json("/traits"))["traits"]
    assert (await placed.json("/traits?name=startswith:COMPUTE_ST"))["traits"] == ["COMPUTE_STATUS_DISABLED"]
    assert (await placed.json("/traits?name=in:COMPUTE_NODE,X"))["traits"] == ["COMPUTE_NODE"]
    assert (await placed.json("/traits?associated=false"))["traits"] == ["COMPUTE_STATUS_DISABLED"]
    assert (await placed.get("/traits/COMPUTE_NODE")).status_code == 204
    for path, status in (("/traits/CUSTOM_X", 404), ("/traits?name=x", 400), ("/traits?associated=x", 400), ("/traits?x=1", 400)):
        assert (await placed.get(path)).status_code == status, path


async def test_a_disabled_host_has_a_trait_and_a_catalogue_an_entry(placed: Placed) -> None:
    await placed.api.ledger.write(
        lambda tx: tx.hosts.set_enabled(
            next(host.service_id for host in tx.hosts.hosts() if host.name == placed.busy), False, "x"
        )
    )
    assert await placed.names("required=COMPUTE_STATUS_DISABLED") == [placed.busy]
    catalogue = (await placed.api.get("/identity/v3/auth/catalog")).json()["catalog"]
    (entry,) = [service for service in catalogue if service["type"] == "placement"]
    assert {endpoint["url"] for endpoint in entry["endpoints"]} == {"http://cloud.test/placement"}
