"""Flavors, their extra specs, and who may use the private ones."""

from typing import Any

from tests.api.compute.conftest import Compute

NEW = {"name": "big", "ram": 4096, "vcpus": "4", "disk": 40, "id": "big", "OS-FLV-EXT-DATA:ephemeral": 5, "swap": 64}


async def test_list_and_show(compute: Compute) -> None:
    brief = (await compute.send("GET", "/flavors")).json()["flavors"]
    assert [flavor["id"] for flavor in brief] == ["1", "2"]
    assert set(brief[0]) == {"id", "name", "links", "description"}
    detailed = (await compute.send("GET", "/flavors/detail?minRam=600")).json()["flavors"]
    assert [(flavor["ram"], flavor["extra_specs"], flavor["swap"]) for flavor in detailed] == [(2048, {"hw:x": "1"}, 0)]
    old = (await compute.send("GET", "/flavors/2", version="2.1")).json()["flavor"]
    assert old["swap"] == "" and "extra_specs" not in old and "description" not in old
    assert (await compute.send("GET", "/flavors/none")).status_code == 404


NO_QUESTIONS = ["minRam=x", "limit=-1", "sort_key=colour", "marker=none", "sort_dir=up", "colour=1"]


async def test_no_question(compute: Compute) -> None:
    for query in NO_QUESTIONS:
        assert (await compute.send("GET", f"/flavors?{query}")).status_code == 400


async def test_pages_and_order(compute: Compute) -> None:
    page = (await compute.send("GET", "/flavors?limit=1&sort_key=memory_mb&sort_dir=desc")).json()
    assert [flavor["id"] for flavor in page["flavors"]] == ["2"]
    more = (await compute.send("GET", page["flavors_links"][0]["href"])).json()
    assert [flavor["id"] for flavor in more["flavors"]] == ["1"]


async def test_make_describe_delete(compute: Compute) -> None:
    made = (await compute.admin("POST", "/flavors", {"flavor": {**NEW, "description": "d"}})).json()["flavor"]
    assert (made["id"], made["vcpus"], made["swap"], made["description"]) == ("big", 4, 64, "d")
    assert (await compute.admin("POST", "/flavors", {"flavor": NEW})).status_code == 409
    changed = await compute.admin("PUT", "/flavors/big", {"flavor": {"description": "e"}})
    assert changed.json()["flavor"]["description"] == "e"
    assert (await compute.admin("PUT", "/flavors/big", {"flavor": {"description": "e"}}, version="2.54")).status_code == 404
    assert (await compute.admin("DELETE", "/flavors/big")).status_code == 202
    assert (await compute.admin("DELETE", "/flavors/big")).status_code == 404
    assert (await compute.send("POST", "/flavors", {"flavor": NEW})).status_code == 403
    assert (await compute.admin("POST", "/flavors", {"flavor": {**NEW, "id": "auto"}})).json()["flavor"]["id"].count("-") == 4


NO_FLAVORS: list[dict[str, Any]] = [
    {"ram": 0},
    {"vcpus": -1},
    {"disk": "x"},
    {"name": ""},
    {"name": " x"},
    {"id": "a/b"},
    {"rxtx_factor": 0},
    {"rxtx_factor": "nan"},
    {"ram": 2**40},
    {"colour": 1},
    {"os-flavor-access:is_public": "perhaps"},
    {"description": "x" * 70000},
    {"swap": -1},
]


async def test_no_flavor(compute: Compute) -> None:
    for wrong in NO_FLAVORS:
        assert (await compute.admin("POST", "/flavors", {"flavor": {**NEW, **wrong}})).status_code == 400


async def test_description_came_in_2_55(compute: Compute) -> None:
    assert (await compute.admin("POST", "/flavors", {"flavor": {**NEW, "description": "d"}}, version="2.54")).status_code == 400


async def test_extra_specs(compute: Compute) -> None:
    path = "/flavors/1/os-extra_specs"
    assert (await compute.admin("POST", path, {"extra_specs": {"a": "1", "b": 2}})).json() == {
        "extra_specs": {"a": "1", "b": "2"}
    }
    assert (await compute.send("GET", path)).json() == {"extra_specs": {"a": "1", "b": "2"}}
    assert (await compute.admin("PUT", path + "/a", {"a": "x"})).json() == {"a": "x"}
    assert (await compute.send("GET", path + "/a")).json() == {"a": "x"}
    assert (await compute.admin("DELETE", path + "/a")).status_code == 200
    assert (await compute.admin("DELETE", path + "/a")).status_code == 404
    assert (await compute.send("GET", path + "/a")).status_code == 404
    assert (await compute.admin("PUT", path + "/a", {"b": "x"})).status_code == 400
    assert (await compute.admin("POST", path, {"extra_specs": {"a/b": "1"}})).status_code == 400
    assert (await compute.send("POST", path, {"extra_specs": {}})).status_code == 403


async def test_private_flavors(compute: Compute) -> None:
    await compute.admin("POST", "/flavors", {"flavor": {**NEW, "os-flavor-access:is_public": False}})
    assert (await compute.send("GET", "/flavors/big")).status_code == 404
    give = {"addTenantAccess": {"tenant": compute.project}}
    listed = {"flavor_access": [{"flavor_id": "big", "tenant_id": compute.project}]}
    assert (await compute.admin("POST", "/flavors/big/action", give)).json() == listed
    assert (await compute.admin("POST", "/flavors/big/action", give)).status_code == 409
    assert (await compute.admin("GET", "/flavors/big/os-flavor-access")).json() == listed
    assert (await compute.send("GET", "/flavors/big")).status_code == 200
    assert [f["id"] for f in (await compute.send("GET", "/flavors")).json()["flavors"]] == ["1", "2", "big"]
    assert [f["id"] for f in (await compute.send("GET", "/flavors", who=compute.stranger)).json()["flavors"]] == ["1", "2"]
    assert [f["id"] for f in (await compute.admin("GET", "/flavors?is_public=false")).json()["flavors"]] == ["big"]
    assert len((await compute.admin("GET", "/flavors?is_public=none")).json()["flavors"]) == 3
    take = {"removeTenantAccess": {"tenant": compute.project}}
    assert (await compute.admin("POST", "/flavors/big/action", take)).json() == {"flavor_access": []}
    assert (await compute.admin("POST", "/flavors/big/action", take)).status_code == 404
    assert (await compute.admin("POST", "/flavors/1/action", give)).status_code == 409
    assert (await compute.admin("GET", "/flavors/1/os-flavor-access")).status_code == 404
    assert (await compute.admin("POST", "/flavors/1/action", {"fly": {}})).status_code == 400
    assert (await compute.admin("POST", "/flavors/1/action", {"addTenantAccess": {}})).status_code == 400
