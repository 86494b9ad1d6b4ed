"""Server groups in every form they have had; and what a server says of its own."""

from typing import Any

import pytest

from kilonova.ledger.transaction import Transaction
from tests.api.compute.conftest import Compute

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


async def group(compute: Compute, name: str = "g", policy: str = "affinity", **more: Any) -> dict[str, Any]:
    answer = await compute.send("POST", "/os-server-groups", {"server_group": {"name": name, "policy": policy, **more}})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["server_group"]
    return found


async def test_made_shown_listed_deleted(compute: Compute) -> None:
    made = await group(compute, policy="anti-affinity", rules={"max_server_per_host": "3"})
    assert (made["policy"], made["rules"], made["members"], made["project_id"]) == (
        "anti-affinity", {"max_server_per_host": 3}, [], compute.project,
    )  # fmt: skip
    assert (await compute.send("GET", f"/os-server-groups/{made['id']}")).json()["server_group"] == made
    other = await group(compute, "h", "soft-affinity")
    listed = (await compute.send("GET", "/os-server-groups?limit=1&offset=1")).json()["server_groups"]
    assert [one["id"] for one in listed] == [other["id"]]
    assert (await compute.send("GET", "/os-server-groups", who=compute.stranger)).json() == {"server_groups": []}
    assert len((await compute.admin("GET", "/os-server-groups?all_projects=True")).json()["server_groups"]) == 2
    assert (await compute.send("DELETE", f"/os-server-groups/{made['id']}")).status_code == 204
    assert (await compute.send("GET", f"/os-server-groups/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("2.1", {"id", "name", "policies", "members", "metadata"}),
        ("2.13", {"id", "name", "policies", "members", "metadata", "project_id", "user_id"}),
        ("2.64", {"id", "name", "policy", "rules", "members", "project_id", "user_id"}),
    ],
)
async def test_as_it_was(compute: Compute, version: str, keys: set[str]) -> None:
    form = {"policy": "affinity"} if version == "2.64" else {"policies": ["affinity"]}
    made = await compute.send("POST", "/os-server-groups", {"server_group": {"name": "g", **form}}, version=version)
    assert made.status_code == 200 and set(made.json()["server_group"]) == keys
    listed = (await compute.send("GET", "/os-server-groups", version=version)).json()["server_groups"]
    assert set(listed[0]) == keys and listed[0].get("policies", ["affinity"]) == ["affinity"]


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("2.1", {"name": "g"}),
    ("2.1", {"name": "g", "policies": []}),
    ("2.1", {"name": "g", "policies": ["affinity", "anti-affinity"]}),
    ("2.14", {"name": "g", "policies": ["soft-affinity"]}),
    ("2.15", {"name": "g", "policies": ["storage-affinity"]}),
    ("2.63", {"name": "g", "policy": "affinity"}),
    ("2.64", {"name": "g", "policies": ["affinity"]}),
    ("2.64", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"colour": 2}}),
    ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
    ("2.64", {"name": "", "policy": "affinity"}),
    ("2.64", {"name": "x" * 256, "policy": "affinity"}),
]


@pytest.mark.parametrize(("version", "fields"), WRONG)
async def test_no_group(compute: Compute, version: str, fields: dict[str, Any]) -> None:
    answer = await compute.send("POST", "/os-server-groups", {"server_group": fields}, version=version)
    assert answer.status_code == 400, answer.text


async def test_others_do_not_see_it_and_nothing_unknown_is_asked(compute: Compute) -> None:
    path = f"/os-server-groups/{(await group(compute))['id']}"
    for method in ("GET", "DELETE"):
        assert (await compute.send(method, path, who=compute.stranger)).status_code == 404
        assert (await compute.send(method, f"/os-server-groups/{NOBODY}")).status_code == 404
    assert (await compute.admin("GET", path)).status_code == 200
    assert (await compute.send("GET", "/os-server-groups?colour=red")).status_code == 400
    assert (await compute.send("GET", "/os-server-groups?colour=red", version="2.74")).status_code == 200
    assert (await compute.send("GET", path + "?colour=red")).status_code == 400
    assert (await compute.send("GET", path + "?colour=red", version="2.101")).status_code == 200


async def test_the_quota_counts_them(compute: Compute) -> None:
    quota = {"quota_set": {"server_groups": 1}}
    assert (await compute.admin("PUT", f"/os-quota-sets/{compute.project}", quota)).status_code == 200
    await group(compute)
    refused = await compute.send("POST", "/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}})
    assert refused.status_code == 403
    limits = (await compute.send("GET", "/limits")).json()["limits"]["absolute"]
    assert (limits["maxServerGroups"], limits["totalServerGroupsUsed"]) == (1, 1)
    detail = (await compute.send("GET", f"/os-quota-sets/{compute.project}/detail")).json()["quota_set"]
    assert detail["server_groups"] == {"limit": 1, "in_use": 1, "reserved": 0}


async def test_members_and_hints_are_shown(compute: Compute) -> None:
    made = await group(compute)
    hints = {"group": made["id"], "query": '[">=", "$free_ram_mb", 1]'}
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": NOBODY, "networks": "none"}, "os:scheduler_hints": hints}
    answer = await compute.send("POST", "/servers", body)
    assert answer.status_code == 202, answer.text
    server = answer.json()["server"]["id"]
    assert compute.desk.wishes[-1].hints == hints

    def join(books: Transaction) -> None:
        books.server_groups.join(made["id"], server)

    await compute.change(join)
    assert (await compute.send("GET", f"/os-server-groups/{made['id']}")).json()["server_group"]["members"] == [server]
    shown = (await compute.send("GET", f"/servers/{server}")).json()["server"]
    assert (shown["server_groups"], shown["scheduler_hints"]) == ([made["id"]], hints)
    assert "scheduler_hints" not in (await compute.send("GET", f"/servers/{server}", version="2.99")).json()["server"]
    await compute.send("DELETE", f"/servers/{server}")
    assert (await compute.send("GET", f"/os-server-groups/{made['id']}")).json()["server_group"]["members"] == []


@pytest.mark.parametrize(
    "hints",
    [
        {"group": "g"},
        {"group": 1},
        {"same_host": ["x"]},
        {"different_host": {}},
        {"build_near_host_ip": "x"},
        {"cidr": "24"},
        {"query": 7},
        {"different_cell": [1]},
        {"target_cell": ""},
    ],
)
async def test_no_hints(compute: Compute, hints: dict[str, Any]) -> None:
    body = {"server": {"name": "s", "flavorRef": "1", "imageRef": NOBODY, "networks": "none"}, "os:scheduler_hints": hints}
    assert (await compute.send("POST", "/servers", body)).status_code == 400
