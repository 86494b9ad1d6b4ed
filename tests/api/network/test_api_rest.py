"""Quotas, tags, extensions, agents, zones, versions, unknown paths, and bodies that are nonsense."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from kilonova.api.network.service import RIGHTS, ROUTES
from kilonova.api.world import ApiWorld
from kilonova.ledger.hosts import nodes
from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


async def test_quotas_of_a_project(alice: Client, admin: Client) -> None:
    assert (await alice.ok("GET", "/v2.0/quotas/tenant"))["tenant"]["tenant_id"] == "p-alice"
    limits = (await alice.ok("GET", "/v2.0/quotas/p-alice"))["quota"]
    assert limits["network"] == 100 and limits["port"] == 500
    await alice.refused("PUT", "/v2.0/quotas/p-alice", {"quota": {"network": 1}}, status=403)
    for path in ("", "/default", "/details", "/details.json"):
        await alice.refused("GET", f"/v2.0/quotas/p-bob{path}", status=403)
    await alice.refused("GET", "/v2.0/quotas", status=403)
    changed = (await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {"network": 1, "subnet": -1}}))["quota"]
    assert changed == {**limits, "network": 1, "subnet": -1}
    for bad in ({"network": -2}, {"network": "many"}, {"colour": 1}, {"network": 2**40}):
        await admin.refused("PUT", "/v2.0/quotas/p-alice", {"quota": bad}, status=400)
    network = await alice.network()
    await alice.refused("POST", "/v2.0/networks", {"network": {}}, status=409, kind="OverQuota")
    await alice.ok("DELETE", f"/v2.0/networks/{network['id']}")
    await alice.network()
    assert (await admin.ok("GET", "/v2.0/quotas"))["quotas"][0]["project_id"] == "p-alice"
    for path in ("details", "details.json"):
        details = (await alice.ok("GET", f"/v2.0/quotas/p-alice/{path}"))["quota"]
        assert details["network"] == {"limit": 1, "used": 1, "reserved": 0}
    await admin.ok("DELETE", "/v2.0/quotas/p-alice")
    await admin.refused("DELETE", "/v2.0/quotas/p-alice", status=404)
    assert (await alice.ok("GET", "/v2.0/quotas/p-alice"))["quota"] == limits
    assert (await alice.ok("GET", "/v2.0/quotas/p-alice/default"))["quota"] == limits


@pytest.mark.parametrize(
    ("resource", "path", "body"),
    [
        ("subnet", "/v2.0/subnets", {"subnet": {"cidr": "10.0.0.0/24", "ip_version": 4}}),
        ("port", "/v2.0/ports", {"port": {}}),
        ("security_group", "/v2.0/security-groups", {"security_group": {"name": "x"}}),
    ],
)
async def test_every_quota_counts(alice: Client, admin: Client, resource: str, path: str, body: dict[str, Any]) -> None:
    network = await alice.network()
    if resource != "security_group":
        body = {resource: {**body[resource], "network_id": network["id"]}}
    await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {resource: 0}})
    await alice.refused("POST", path, body, status=409, kind="OverQuota")


async def test_fifty_at_once_against_a_quota(alice: Client, admin: Client) -> None:
    network = await alice.network()
    await alice.subnet(network["id"])
    await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {"port": 17}})
    body = {"port": {"network_id": network["id"]}}
    answers = await asyncio.gather(*[alice.call("POST", "/v2.0/ports", body) for _ in range(50)])
    made = [one.json()["port"] for one in answers if one.status_code == 201]
    refused = [one.json()["NeutronError"]["type"] for one in answers if one.status_code == 409]
    assert len(made) == 17 and refused == ["OverQuota"] * 33
    assert len({one["fixed_ips"][0]["ip_address"] for one in made}) == 17
    assert len((await alice.ok("GET", "/v2.0/ports"))["ports"]) == 17


async def test_tags_of_every_noun(alice: Client, bob: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    port = await alice.port(network["id"])
    for path in (
        f"/v2.0/networks/{network['id']}",
        f"/v2.0/subnets/{subnet['id']}",
        f"/v2.0/ports/{port['id']}",
        f"/v2.0/security-groups/{port['security_groups'][0]}",
    ):
        assert (await alice.ok("PUT", f"{path}/tags", {"tags": ["b", "a", "b"]}))["tags"] == ["a", "b"]
        await alice.ok("PUT", f"{path}/tags/c", status=201)
        await alice.ok("GET", f"{path}/tags/c", status=204)
        await alice.ok("DELETE", f"{path}/tags/a")
        assert (await alice.ok("GET", f"{path}/tags"))["tags"] == ["b", "c"]
        await alice.refused("GET", f"{path}/tags/a", status=404, kind="TagNotFound")
        await alice.refused("DELETE", f"{path}/tags/a", status=404, kind="TagNotFound")
        await alice.refused("PUT", f"{path}/tags", {"tags": [1]}, status=400)
        await alice.refused("PUT", f"{path}/tags/{'x' * 256}", status=400)
        await bob.refused("PUT", f"{path}/tags", {"tags": []}, status=404)
        await alice.ok("DELETE", f"{path}/tags")
        assert (await alice.ok("GET", f"{path}/tags"))["tags"] == []


async def test_filters_by_tag(alice: Client) -> None:
    for name, tags in (("ab", ["a", "b"]), ("a", ["a"]), ("none", [])):
        await alice.network(name=name, tags=tags)
    for query, names in (
        ("tags=a,b", {"ab"}),
        ("tags-any=a,b", {"ab", "a"}),
        ("not-tags=a,b", {"a", "none"}),
        ("not-tags-any=a,b", {"none"}),
    ):
        found = (await alice.ok("GET", f"/v2.0/networks?{query}"))["networks"]
        assert {one["name"] for one in found} == names, query


async def test_what_there_is(alice: Client, admin: Client, as_: Any) -> None:
    for path in ("", "/"):
        versions = (await as_("nobody").ok("GET", path))["versions"]
        assert versions[0]["id"] == "v2.0" and versions[0]["links"][0]["href"] == "http://cloud/network/v2.0/"
    assert {one["collection"] for one in (await alice.ok("GET", "/v2.0/"))["resources"]} >= {"networks", "ports"}
    aliases = {one["alias"] for one in (await alice.ok("GET", "/v2.0/extensions"))["extensions"]}
    assert {"security-group", "port-security", "quotas", "standard-attr-tag"} <= aliases and "bgp" not in aliases
    assert (await alice.ok("GET", "/v2.0/extensions/quotas"))["extension"]["alias"] == "quotas"
    await alice.refused("GET", "/v2.0/extensions/bgp", status=404, kind="ExtensionNotFound")
    assert (await admin.ok("GET", "/v2.0/agents"))["agents"] == []
    await admin.refused("GET", f"/v2.0/agents/{MISSING}", status=404, kind="AgentNotFound")
    assert (await alice.ok("GET", "/v2.0/agents"))["agents"] == []
    assert (await alice.ok("GET", "/v2.0/availability_zones"))["availability_zones"][0]["name"] == "nova"
    for path in ("/v2.0/trunks", "/v3", "/v2.0/networks/x/y"):
        await alice.refused("GET", path, status=404)
    await alice.refused("PATCH", "/v2.0/networks", {}, status=405)
    await as_("nobody").refused("GET", "/v2.0/extensions", status=401)


async def test_network_nodes_are_agents(admin: Client, world: ApiWorld) -> None:
    ledger: Any = world.ledger
    common = {"created_at": 1.0}
    rows = [
        {"name": "n1", "role": "network", "id": "a1", "last_seen": time.time(), **common},
        {"name": "n2", "role": "network", "id": "a2", "last_seen": 5.0, **common},
        {"name": "c1", "role": "compute", "id": "a3", "last_seen": 5.0, **common},
    ]
    await ledger.write(lambda transaction: transaction.connection.execute(insert(nodes), rows) and None)
    shown = (await admin.ok("GET", "/v2.0/agents"))["agents"]
    assert [(one["host"], one["alive"]) for one in shown] == [("n1", True), ("n2", False)]
    assert shown[1]["heartbeat_timestamp"] == "1970-01-01 00:00:05"
    assert [one["id"] for one in (await admin.ok("GET", "/v2.0/agents?host=n2"))["agents"]] == ["a2"]
    assert (await admin.ok("GET", "/v2.0/agents/a1"))["agent"]["binary"] == "kilonova-network"


def test_every_route_has_a_right() -> None:
    assert {handler for methods in ROUTES.values() for handler in methods.values()} == set(RIGHTS)


NONSENSE: list[bytes] = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"{}",
    b"\xff\xfe",
    b"[" * 5000,
    b'{"X": null}',
    b'{"X": []}',
    b'{"X": {}, "Y": 1}',
    b'{"X": "text"}',
    b'{"X": {"name": 7}}',
    b'{"X": {"name": null}}',
    b'{"X": {"name": "a\\u0000b"}}',
    b'{"X": {"name": "\\ud800"}}',
    b'{"X": {"name": "' + b"x" * 256 + b'"}}',
    b'{"X": {"tags": "a"}}',
    b'{"X": {"mtu": 1e400}}',
    b'{"X": {"mtu": 99999999999999999999999}}',
    b'{"X": {"network_id": {"a": 1}, "cidr": [], "ip_version": {}}}',
    b'{"X": {"network_id": "\\u0000", "cidr": "::/0", "ip_version": 6}}',
    b'{"X": {"network_id": "n", "cidr": "1.2.3.4/99", "ip_version": 1e9}}',
    b'{"X": {"network_id": "n", "fixed_ips": {}}}',
    b'{"X": {"network_id": "n", "fixed_ips": [null]}}',
    b'{"X": {"security_group_id": "\xf0\x9f\x92\xa5", "direction": "ingress", "port_range_min": 99999999999999999999}}',
    b'{"Xs": []}',
    b'{"Xs": {}}',
    b'{"Xs": [7]}',
    b'{"Xs": [{}], "X": {}}',
    b'{"tags": [null]}',
]


@pytest.mark.parametrize("body", NONSENSE)
async def test_nonsense_is_never_our_fault(alice: Client, body: bytes) -> None:
    nouns = {"networks": "network", "subnets": "subnet", "ports": "port"}
    nouns |= {"security-groups": "security_group", "security-group-rules": "security_group_rule"}
    for path, noun in nouns.items():
        raw = body.replace(b"X", noun.encode())
        for method, url in (
            ("POST", f"/v2.0/{path}"),
            ("PUT", f"/v2.0/{path}/{MISSING}"),
            ("PUT", f"/v2.0/{path}/{MISSING}/tags"),
        ):
            answer = await alice.call(method, url, content=raw)
            fine = answer.status_code == 201 and b"mtu" not in raw
            assert fine or 400 <= answer.status_code < 500, (method, url, raw[:99], answer.status_code, answer.text)


@pytest.mark.parametrize(
    "query",
    [
        "name=%00",
        "id=%ff",
        "limit=x",
        "limit=99999999999999",
        "marker=%00",
        "marker=",
        "sort_key=",
        "fields=",
        "tags=",
        "=",
        "&&",
        "mtu=%E0",
    ],
)
async def test_odd_queries_are_never_our_fault(alice: Client, query: str) -> None:
    for path in ("networks", "subnets", "ports", "security-groups", "security-group-rules"):
        answer: httpx.Response = await alice.call("GET", f"/v2.0/{path}?{query}")
        assert answer.status_code < 500, (path, answer.text)
        gone = await alice.call("GET", f"/v2.0/{path}/%00")
        assert gone.status_code == 404


async def test_how_many_addresses_are_left(alice: Client, admin: Client) -> None:
    network = await alice.network(name="n")
    subnet = await alice.subnet(network["id"], "10.1.0.0/29", name="s")
    await alice.port(network["id"])
    (shown,) = (await admin.ok("GET", f"/v2.0/network-ip-availabilities?network_id={network['id']}"))["network_ip_availabilities"]
    assert (shown["total_ips"], shown["used_ips"], shown["project_id"]) == (5, 1, "p-alice")
    assert shown["subnet_ip_availability"] == [
        {"subnet_id": subnet["id"], "subnet_name": "s", "cidr": "10.1.0.0/29", "ip_version": 4, "total_ips": 5, "used_ips": 1}
    ]
    one = await admin.ok("GET", f"/v2.0/network-ip-availabilities/{network['id']}")
    assert one["network_ip_availability"] == shown
    none = await admin.ok("GET", "/v2.0/network-ip-availabilities?ip_version=6")
    assert none["network_ip_availabilities"] == []
    await admin.refused("GET", f"/v2.0/network-ip-availabilities/{MISSING}", status=404, kind="NetworkNotFound")
    await alice.refused("GET", "/v2.0/network-ip-availabilities", status=403)


async def test_who_makes_routers(alice: Client, as_: Any) -> None:
    (provider,) = (await alice.ok("GET", "/v2.0/service-providers"))["service_providers"]
    assert provider["service_type"] == "L3_ROUTER_NAT" and provider["default"]
    await as_("nobody").refused("GET", "/v2.0/service-providers", status=401)


async def test_everything_that_has_tags(alice: Client, admin: Client) -> None:
    network = await alice.network(**{})
    outside = await admin.network(**{"router:external": True})
    await admin.subnet(outside["id"], "203.0.113.0/24")
    made = {
        "networks": network,
        "subnets": await alice.subnet(network["id"]),
        "ports": await alice.port(network["id"]),
        "routers": (await alice.ok("POST", "/v2.0/routers", {"router": {}}))["router"],
        "subnetpools": (await alice.ok("POST", "/v2.0/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}))[
            "subnetpool"
        ],
        "security-groups": (await alice.ok("POST", "/v2.0/security-groups", {"security_group": {"name": "g"}}))["security_group"],
        "floatingips": (await alice.ok("POST", "/v2.0/floatingips", {"floatingip": {"floating_network_id": outside["id"]}}))[
            "floatingip"
        ],
    }
    for nouns, thing in made.items():
        path = f"/v2.0/{nouns}/{thing['id']}/tags"
        assert (await alice.ok("PUT", path, {"tags": ["b", "a"]}))["tags"] == ["a", "b"]
        await alice.ok("PUT", f"{path}/c", status=201)
        await alice.ok("GET", f"{path}/c", status=204)
        found = (await alice.ok("GET", f"/v2.0/{nouns}?tags=a,c"))[nouns.replace("-", "_")]
        assert [one["id"] for one in found] == [thing["id"]] and found[0]["tags"] == ["a", "b", "c"]
        await alice.ok("DELETE", f"{path}/a")
        await alice.refused("DELETE", f"{path}/a", status=404, kind="TagNotFound")
        await alice.refused("GET", f"{path}/a", status=404, kind="TagNotFound")
        assert (await alice.ok("GET", path))["tags"] == ["b", "c"]
        await alice.ok("DELETE", path)
        await alice.refused("PUT", path, {"tags": "x"}, status=400)
        nowhere = f"/v2.0/{nouns}/{MISSING}/tags"
        for method, where in (("GET", nowhere), ("DELETE", nowhere), ("PUT", f"{nowhere}/a")):
            await alice.refused(method, where, status=404)


LISTS = sorted(path for path, methods in ROUTES.items() if "GET" in methods and "{" not in path and path)


@pytest.mark.parametrize("path", LISTS)
async def test_lists_are_for_who_has_a_token(admin: Client, as_: Any, path: str) -> None:
    assert await admin.ok("GET", path)
    await as_("nobody").refused("GET", path, status=401)
