"""Security groups and networks as the compute API passed them on until 2.35; no bare metal."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kilonova.api.compute.service import SERVICE
from kilonova.api.identity.service import SERVICE as IDENTITY
from tests.api.cloud import CloudApi, running_cloud

NOBODY = "0f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f"


class Old:
    """An ordinary member that speaks 2.1."""

    def __init__(self, cloud: CloudApi, token: str) -> None:
        self.cloud, self.token = cloud, token

    async def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        if json is not None:
            more["json"] = json
        return await self.cloud.send(method, "/compute/v2.1" + path, self.token, **more)


@pytest.fixture
async def old(tmp_path: Path) -> AsyncIterator[Old]:
    async with running_cloud(tmp_path, [IDENTITY, SERVICE]) as cloud:
        token, _ = await cloud.tenant("alice")
        yield Old(cloud, token)


async def group(old: Old, name: str = "web") -> str:
    answer = await old("POST", "/os-security-groups", {"security_group": {"name": name, "description": "d"}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["security_group"]["id"])


async def test_groups(old: Old) -> None:
    listed = (await old("GET", "/os-security-groups")).json()["security_groups"]
    assert [one["name"] for one in listed] == ["default"]
    assert {rule["group"]["name"] for rule in listed[0]["rules"]} == {"default"}, "only what is let in is shown"
    made = await group(old)
    shown = (await old("GET", f"/os-security-groups/{made}")).json()["security_group"]
    assert (shown["name"], shown["description"], shown["rules"]) == ("web", "d", [])
    named = {"security_group": {"name": "w", "description": ""}}
    assert (await old("PUT", f"/os-security-groups/{made}", named)).json()["security_group"]["name"] == "w"
    assert len((await old("GET", "/os-security-groups?limit=1&offset=1")).json()["security_groups"]) == 1
    assert len((await old("GET", "/os-security-groups?limit=0")).json()["security_groups"]) == 2
    assert (await old("DELETE", f"/os-security-groups/{made}")).status_code == 202
    assert (await old("GET", f"/os-security-groups/{made}")).status_code == 404


async def test_no_groups(old: Old) -> None:
    default = (await old("GET", "/os-security-groups")).json()["security_groups"][0]["id"]
    body = {"security_group": {"name": "x", "description": "d"}}
    for method, json in (("GET", None), ("PUT", body), ("DELETE", None)):
        assert (await old(method, f"/os-security-groups/{NOBODY}", json)).status_code == 404
        assert (await old(method, "/os-security-groups/17", json)).status_code == 400
    assert (await old("DELETE", f"/os-security-groups/{default}")).status_code == 400
    assert (await old("PUT", f"/os-security-groups/{default}", body)).status_code == 400
    for wrong in ({"name": "x" * 256, "description": ""}, {"name": "x"}, {"name": 1, "description": ""}):
        assert (await old("POST", "/os-security-groups", {"security_group": wrong})).status_code == 400
    for number in range(9):
        await group(old, f"g{number}")
    full = await old("POST", "/os-security-groups", body)
    assert full.status_code == 403 and set(full.json()) == {"forbidden"}
    later = await old("GET", "/os-security-groups", headers={"openstack-api-version": "compute 2.36"})
    assert later.status_code == 404


async def test_rules(old: Old) -> None:
    made = await group(old)

    async def rule(**fields: Any) -> httpx.Response:
        body = {"security_group_rule": {"parent_group_id": made, **fields}}
        return await old("POST", "/os-security-group-rules", body)

    first = (await rule(ip_protocol="tcp", from_port=22, to_port="22", cidr="10.1.2.3/8")).json()["security_group_rule"]
    assert (first["from_port"], first["ip_range"], first["group"]) == (22, {"cidr": "10.1.2.3/8"}, {})
    ping = (await rule(ip_protocol="icmp", from_port=-1, to_port=-1)).json()["security_group_rule"]
    assert (ping["from_port"], ping["to_port"], ping["ip_range"]) == (-1, -1, {"cidr": "0.0.0.0/0"})
    other = await group(old, "db")
    between = (await rule(ip_protocol="tcp", group_id=other)).json()["security_group_rule"]
    assert (between["from_port"], between["to_port"], between["group"]["name"], between["ip_range"]) == (1, 65535, "db", {})
    assert len((await old("GET", f"/os-security-groups/{made}")).json()["security_group"]["rules"]) == 3
    assert (await old("DELETE", f"/os-security-group-rules/{first['id']}")).status_code == 202
    assert (await old("DELETE", f"/os-security-group-rules/{first['id']}")).status_code == 404
    assert (await old("DELETE", "/os-security-group-rules/17")).status_code == 400
    tcp = {"ip_protocol": "tcp", "from_port": 1, "to_port": 2}
    for wrong in (
        {},
        {"ip_protocol": "tcp"},
        {**tcp, "from_port": 9},
        {**tcp, "to_port": 65536},
        {**tcp, "from_port": "x"},
        {**tcp, "ip_protocol": "gre"},
        {**tcp, "cidr": "nonsense"},
        {"ip_protocol": "icmp", "from_port": 256, "to_port": 0},
        {"ip_protocol": "icmp", "from_port": -1, "to_port": -1},
    ):
        assert (await rule(**wrong)).status_code == 400, wrong
    assert (await rule(**tcp, parent_group_id=NOBODY)).status_code == 404
    assert (await rule(**tcp, group_id=NOBODY)).status_code == 404
    assert (await rule(**tcp, parent_group_id="x")).status_code == 400


async def test_networks(old: Old) -> None:
    def furnish(books: Any) -> str:
        from kilonova.model.caller import Caller
        from kilonova.model.network_wish import NewNetwork

        admin = Caller(user_id="a", user_name="a", project_id="p", roles=frozenset({"admin", "member", "reader"}))
        for wish in (NewNetwork(name="theirs"), NewNetwork(name="out", external=True)):
            books.networks.networks.create(wish, admin, 0.0)
        return str(books.networks.networks.create(NewNetwork(name="net", shared=True), admin, 1.0).id)

    network = await old.cloud.ledger.write(furnish)
    seen = (await old("GET", "/os-tenant-networks")).json()["networks"]
    assert {"id": network, "label": "net", "cidr": "None"} in seen and {one["label"] for one in seen} == {"net", "out"}
    assert (await old("GET", f"/os-tenant-networks/{network}")).json()["network"]["label"] == "net"
    shown = (await old("GET", f"/os-networks/{network}")).json()["network"]
    assert (shown["label"], shown["cidr"], "vlan" in shown) == ("net", None, False)
    listed = (await old.cloud.get("/compute/v2.1/os-networks")).json()["networks"]
    assert "vlan" in listed[0] and sorted(one["label"] for one in listed) == ["net", "out", "theirs"], "an admin sees all"
    for path in ("os-networks", "os-tenant-networks"):
        assert (await old("GET", f"/{path}/{NOBODY}")).status_code == 404
        assert (await old("GET", f"/{path}", headers={"openstack-api-version": "compute 2.36"})).status_code == 404


async def test_no_bare_metal(old: Old) -> None:
    assert (await old.cloud.get("/compute/v2.1/os-baremetal-nodes")).status_code == 501
    assert (await old.cloud.get(f"/compute/v2.1/os-baremetal-nodes/{NOBODY}")).status_code == 404
    assert (await old("GET", "/os-baremetal-nodes")).status_code == 403


async def test_groups_of_a_server_that_is_none(old: Old) -> None:
    assert (await old("GET", f"/servers/{NOBODY}/os-security-groups")).status_code == 404


async def test_floating_addresses(old: Old) -> None:
    def furnish(books: Any) -> None:
        from kilonova.model.caller import Caller
        from kilonova.model.network_wish import NewNetwork, NewSubnet

        admin = Caller(user_id="a", user_name="a", project_id="p", roles=frozenset({"admin", "member", "reader"}))
        network = books.networks.networks.create(NewNetwork(name="out", external=True), admin, 1.0)
        books.networks.subnets.create(NewSubnet(network_id=network.id, cidr="172.24.4.0/24", ip_version=4), admin, 1.0)

    assert (await old("POST", "/os-floating-ips", {"pool": "out"})).status_code == 404, "there is no pool yet"
    await old.cloud.ledger.write(furnish)
    assert (await old("GET", "/os-floating-ip-pools")).json() == {"floating_ip_pools": [{"name": "out"}]}
    made = (await old("POST", "/os-floating-ips", {"pool": "out"})).json()["floating_ip"]
    assert (made["pool"], made["instance_id"], made["fixed_ip"]) == ("out", None, None) and made["ip"].startswith("172.24.4.")
    assert (await old("POST", "/os-floating-ips")).status_code == 200
    assert (await old("GET", f"/os-floating-ips/{made['id']}")).json()["floating_ip"] == made
    assert len((await old("GET", "/os-floating-ips")).json()["floating_ips"]) == 2
    assert (await old("POST", "/os-floating-ips", {"pool": "none"})).status_code == 404
    assert (await old("POST", "/os-floating-ips", {"pool": 1})).status_code == 400
    assert (await old("DELETE", f"/os-floating-ips/{made['id']}")).status_code == 202
    for gone in (made["id"], NOBODY, "17"):
        for method in ("GET", "DELETE"):
            assert (await old(method, f"/os-floating-ips/{gone}")).status_code == 404
    newer = {"openstack-api-version": "compute 2.36"}
    for path in ("os-floating-ips", "os-floating-ip-pools"):
        assert (await old("GET", f"/{path}", headers=newer)).status_code == 404
