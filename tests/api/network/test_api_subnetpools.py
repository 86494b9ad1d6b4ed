"""Subnet pools and address scopes, the subnets that come from pools, and changes that hold for one revision only."""

from typing import Any

from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


async def pool(client: Client, *prefixes: str, **said: Any) -> dict[str, Any]:
    body = {"subnetpool": {"name": "pool", "prefixes": list(prefixes), **said}}
    made: dict[str, Any] = (await client.ok("POST", "/v2.0/subnetpools", body))["subnetpool"]
    return made


async def taken(client: Client, **said: Any) -> dict[str, Any]:
    """A subnet on a network of its own."""
    network = await client.network()
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, **said}}
    made: dict[str, Any] = (await client.ok("POST", "/v2.0/subnets", body))["subnet"]
    return made


async def test_the_life_of_a_pool(alice: Client, bob: Client) -> None:
    made = await pool(alice, "10.0.0.0/9", "10.128.0.0/9", "192.168.0.0/16", default_prefixlen=24, tags=["t"])
    assert made["prefixes"] == ["10.0.0.0/8", "192.168.0.0/16"] and made["ip_version"] == 4
    assert (made["min_prefixlen"], made["default_prefixlen"], made["max_prefixlen"]) == ("8", "24", "32")
    path = f"/v2.0/subnetpools/{made['id']}"
    assert (await alice.ok("GET", path))["subnetpool"] == made
    changed = (await alice.ok("PUT", path, {"subnetpool": {"name": "q", "min_prefixlen": 16, "default_quota": 512}}))[
        "subnetpool"
    ]
    assert (changed["name"], changed["min_prefixlen"], changed["default_quota"]) == ("q", "16", 512)
    assert [one["id"] for one in (await alice.ok("GET", "/v2.0/subnetpools?name=q&ip_version=4"))["subnetpools"]] == [made["id"]]
    await bob.refused("GET", path, status=404, kind="SubnetPoolNotFound")
    await alice.ok("DELETE", path)
    await alice.refused("GET", path, status=404)


async def test_pools_that_cannot_be(alice: Client, admin: Client) -> None:
    for said, status, kind in (
        ({"prefixes": []}, 400, "EmptySubnetPoolPrefixList"),
        ({"prefixes": ["10.0.0.0/8", "fd00::/8"]}, 400, "PrefixVersionMismatch"),
        ({"prefixes": ["10.0.0.0/99"]}, 400, "HTTPBadRequest"),
        ({"min_prefixlen": 24, "default_prefixlen": 16}, 400, "IllegalSubnetPoolPrefixBounds"),
        ({"max_prefixlen": 16, "default_prefixlen": 24}, 400, "IllegalSubnetPoolPrefixBounds"),
        ({"max_prefixlen": 64}, 400, "IllegalSubnetPoolPrefixBounds"),
        ({"default_quota": -1}, 400, "HTTPBadRequest"),
        ({"shared": True}, 403, "PolicyNotAuthorized"),
        ({"is_default": True}, 403, "PolicyNotAuthorized"),
        ({"address_scope_id": MISSING}, 404, "AddressScopeNotFound"),
    ):
        body = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], **said}}
        await alice.refused("POST", "/v2.0/subnetpools", body, status=status, kind=kind)
    made = await pool(alice, "10.0.0.0/16")
    path = f"/v2.0/subnetpools/{made['id']}"
    body = {"subnetpool": {"prefixes": ["10.0.0.0/17"]}}
    await alice.refused("PUT", path, body, status=400, kind="IllegalSubnetPoolUpdate")
    await pool(admin, "10.0.0.0/8", is_default=True, shared=True)
    body = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "is_default": True}}
    await admin.refused("POST", "/v2.0/subnetpools", body, status=400, kind="InvalidInput")
    await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {"subnetpool": 1}})
    await alice.refused("POST", "/v2.0/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}, status=409)


async def test_subnets_from_a_pool(alice: Client) -> None:
    made = await pool(alice, "10.0.0.0/23", default_prefixlen=24, min_prefixlen=20)
    one = await taken(alice, subnetpool_id=made["id"])
    assert (one["cidr"], one["gateway_ip"], one["subnetpool_id"]) == ("10.0.0.0/24", "10.0.0.1", made["id"])
    assert (await taken(alice, subnetpool_id=made["id"], prefixlen=26))["cidr"] == "10.0.1.0/26"
    assert (await taken(alice, subnetpool_id=made["id"], cidr="10.0.1.128/25"))["cidr"] == "10.0.1.128/25"
    assert (await taken(alice, subnetpool_id=made["id"], prefixlen=26))["cidr"] == "10.0.1.64/26"
    network = await alice.network()
    for said, status, kind in (
        ({}, 409, "SubnetAllocationError"),
        ({"cidr": "10.0.1.0/25"}, 409, "SubnetAllocationError"),
        ({"cidr": "10.9.0.0/24"}, 409, "SubnetAllocationError"),
        ({"prefixlen": 18}, 400, "MinPrefixSubnetAllocationError"),
        ({"prefixlen": 24, "cidr": "10.0.0.0/24"}, 400, "BadRequest"),
        ({"ip_version": 6}, 400, "BadRequest"),
        ({"subnetpool_id": MISSING}, 404, "SubnetPoolNotFound"),
        ({"subnetpool_id": None}, 400, "BadRequest"),
        ({"subnetpool_id": None, "use_default_subnetpool": True}, 400, "BadRequest"),
    ):
        body = {"subnet": {"network_id": network["id"], "ip_version": 4, "subnetpool_id": made["id"], **said}}
        await alice.refused("POST", "/v2.0/subnets", body, status=status, kind=kind)
    await alice.refused("DELETE", f"/v2.0/subnetpools/{made['id']}", status=400, kind="SubnetPoolDeleteError")
    await alice.ok("DELETE", f"/v2.0/subnets/{one['id']}")
    assert (await taken(alice, subnetpool_id=made["id"]))["cidr"] == "10.0.0.0/24"


async def test_quota_default_and_affinity(alice: Client, admin: Client) -> None:
    made = await pool(alice, "10.0.0.0/16", default_prefixlen=24, default_quota=256)
    first = await taken(alice, subnetpool_id=made["id"])
    body = {"subnet": {"network_id": first["network_id"], "ip_version": 4, "cidr": "172.16.0.0/24"}}
    await alice.ok("POST", "/v2.0/subnets", body)
    other = await pool(alice, "10.1.0.0/16", default_prefixlen=24)
    body = {"subnet": {"network_id": first["network_id"], "ip_version": 4, "subnetpool_id": other["id"]}}
    await alice.refused("POST", "/v2.0/subnets", body, status=400, kind="NetworkSubnetPoolAffinityError")
    network = await alice.network()
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "subnetpool_id": made["id"]}}
    await alice.refused("POST", "/v2.0/subnets", body, status=409, kind="SubnetPoolQuotaExceeded")
    six = await pool(admin, "fd00::/48", default_prefixlen=64, is_default=True, shared=True)
    subnet = await taken(alice, ip_version=6, use_default_subnetpool=True)
    assert (subnet["cidr"], subnet["subnetpool_id"]) == ("fd00::/64", six["id"])
    await alice.refused("PUT", f"/v2.0/subnetpools/{six['id']}", {"subnetpool": {"name": "x"}}, status=403)


async def test_address_scopes(alice: Client, bob: Client) -> None:
    body = {"address_scope": {"name": "s", "ip_version": 4}}
    scope = (await alice.ok("POST", "/v2.0/address-scopes", body))["address_scope"]
    path = f"/v2.0/address-scopes/{scope['id']}"
    assert (await alice.ok("GET", path))["address_scope"] == scope and scope["project_id"] == "p-alice"
    await bob.refused("GET", path, status=404, kind="AddressScopeNotFound")
    assert (await alice.ok("PUT", path, {"address_scope": {"name": "z"}}))["address_scope"]["name"] == "z"
    assert len((await alice.ok("GET", "/v2.0/address-scopes?name=z"))["address_scopes"]) == 1
    made = await pool(alice, "10.0.0.0/16", address_scope_id=scope["id"])
    for prefix, status, kind in (
        ("10.0.1.0/24", 409, "AddressScopePrefixConflict"),
        ("fd00::/48", 400, "IllegalSubnetPoolIpVersionAssociation"),
    ):
        again = {"subnetpool": {"name": "p", "prefixes": [prefix], "address_scope_id": scope["id"]}}
        await alice.refused("POST", "/v2.0/subnetpools", again, status=status, kind=kind)
    await alice.refused("DELETE", path, status=409, kind="AddressScopeInUse")
    await alice.refused("PUT", path, {"address_scope": {"shared": True}}, status=403)
    await alice.refused("POST", "/v2.0/address-scopes", {"address_scope": {"ip_version": 5}}, status=400)
    await alice.ok("DELETE", f"/v2.0/subnetpools/{made['id']}")
    await alice.ok("DELETE", path)


async def test_changes_for_one_revision_only(alice: Client) -> None:
    network = await alice.network(name="n")
    path = f"/v2.0/networks/{network['id']}"

    now = network["revision_number"]
    for method, body in (("PUT", {"network": {"name": "x"}}), ("DELETE", None)):
        answer = await alice.call(method, path, body, extra={"If-Match": f"revision_number={now + 5}"})
        assert answer.status_code == 412 and answer.json()["NeutronError"]["type"] == "RevisionNumberConstraintFailed"
    changed = await alice.call("PUT", path, {"network": {"name": "x"}}, extra={"If-Match": f"revision_number={now}"})
    assert changed.status_code == 200 and changed.json()["network"]["revision_number"] == now + 1
    assert (await alice.call("DELETE", path, extra={"If-Match": "whatever"})).status_code == 400
    assert (await alice.call("DELETE", path, extra={"If-Match": f"revision_number={now + 1}"})).status_code == 204
