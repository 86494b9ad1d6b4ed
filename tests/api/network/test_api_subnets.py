"""/v2.0/subnets: defaults, every refusal with its type, changes."""

from typing import Any

import pytest

from tests.api.network.conftest import Client


async def test_defaults_are_neutrons(alice: Client) -> None:
    network = await alice.network()
    made = await alice.subnet(network["id"], "10.1.0.0/24")
    assert made["gateway_ip"] == "10.1.0.1" and made["enable_dhcp"] is True
    assert made["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    assert made["dns_nameservers"] == [] and made["host_routes"] == [] and made["ipv6_ra_mode"] is None
    assert (await alice.ok("GET", f"/v2.0/networks/{network['id']}"))["network"]["subnets"] == [made["id"]]
    assert (await alice.ok("GET", f"/v2.0/subnets/{made['id']}"))["subnet"] == made
    six = await alice.subnet(network["id"], "2001:db8::/64", ipv6_ra_mode="slaac", ipv6_address_mode="slaac")
    assert six["gateway_ip"] == "2001:db8::1"
    assert six["allocation_pools"] == [{"start": "2001:db8::2", "end": "2001:db8::ffff:ffff:ffff:ffff"}]


async def test_everything_said_is_kept(alice: Client) -> None:
    network = await alice.network()
    said: dict[str, Any] = {
        "name": "s",
        "gateway_ip": None,
        "enable_dhcp": False,
        "allocation_pools": [{"start": "10.1.0.20", "end": "10.1.0.30"}, {"start": "10.1.0.5", "end": "10.1.0.7"}],
        "dns_nameservers": ["9.9.9.9", "8.8.8.8"],
        "host_routes": [{"destination": "192.168.0.0/16", "nexthop": "10.1.0.9"}],
        "tags": ["x"],
    }
    made = await alice.subnet(network["id"], **said)
    assert made["allocation_pools"] == said["allocation_pools"][::-1]
    assert {name: made[name] for name in said if name != "allocation_pools"} == {
        name: value for name, value in said.items() if name != "allocation_pools"
    }


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"cidr": "10.1.0.5/24"}, 400, ""),
    ({"cidr": "no"}, 400, ""),
    ({"cidr": "10.1.0.0"}, 400, ""),
    ({"cidr": "0.0.0.0/0"}, 400, ""),
    ({"cidr": "224.0.0.0/24"}, 400, "InvalidInput"),
    ({"cidr": "10.9.0.0/31"}, 400, "InvalidInput"),
    ({"ip_version": 6}, 400, "InvalidInput"),
    ({"ip_version": 5}, 400, ""),
    ({"gateway_ip": "10.2.0.1"}, 400, "InvalidInput"),
    ({"gateway_ip": "10.1.0.255"}, 400, "InvalidInput"),
    ({"gateway_ip": "::1"}, 400, "InvalidInput"),
    ({"allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.2"}]}, 400, "InvalidAllocationPool"),
    ({"allocation_pools": [{"start": "a", "end": "b"}]}, 400, "InvalidAllocationPool"),
    ({"allocation_pools": [{"start": "10.1.0.9"}]}, 400, ""),
    ({"allocation_pools": [{"start": "10.1.0.200", "end": "10.1.1.9"}]}, 400, "OutOfBoundsAllocationPool"),
    ({"allocation_pools": [{"start": "10.1.0.1", "end": "10.1.0.9"}]}, 409, "GatewayConflictWithAllocationPools"),
    (
        {"allocation_pools": [{"start": "10.1.0.2", "end": "10.1.0.9"}, {"start": "10.1.0.9", "end": "10.1.0.12"}]},
        409,
        "OverlappingAllocationPools",
    ),
    ({"dns_nameservers": ["x"]}, 400, ""),
    ({"dns_nameservers": ["1.1.1.1", "1.1.1.1"]}, 400, ""),
    ({"dns_nameservers": [f"1.1.1.{n}" for n in range(1, 8)]}, 400, "DNSNameServersExhausted"),
    ({"host_routes": [{"destination": "x", "nexthop": "10.1.0.1"}]}, 400, ""),
    ({"host_routes": [{"destination": "192.168.0.0/16", "nexthop": "::1"}]}, 400, "InvalidInput"),
    ({"ipv6_ra_mode": "slaac"}, 400, "InvalidInput"),
    ({"network_id": "11111111-1111-1111-1111-111111111111"}, 404, "NetworkNotFound"),
    ({"colour": "red"}, 400, ""),
    ({"cidr": "10.0.128.0/17"}, 400, "InvalidInput"),
]


@pytest.mark.parametrize(("said", "status", "kind"), REFUSED)
async def test_what_is_unsound_is_refused(alice: Client, said: dict[str, Any], status: int, kind: str) -> None:
    network = await alice.network()
    await alice.subnet(network["id"], "10.0.192.0/24")
    body = {"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4, **said}
    await alice.refused("POST", "/v2.0/subnets", {"subnet": body}, status=status, kind=kind)
    assert len((await alice.ok("GET", "/v2.0/subnets"))["subnets"]) == 1


@pytest.mark.parametrize(
    "modes",
    [
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"},
        {"ipv6_ra_mode": "other"},
        {"ipv6_address_mode": "slaac", "enable_dhcp": False},
        {"ipv6_address_mode": "slaac", "cidr": "2001:db8::/80"},
    ],
)
async def test_ipv6_modes_that_contradict(alice: Client, modes: dict[str, Any]) -> None:
    network = await alice.network()
    body = {"network_id": network["id"], "cidr": "2001:db8::/64", "ip_version": 6, **modes}
    await alice.refused("POST", "/v2.0/subnets", {"subnet": body}, status=400)


async def test_changes(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"], allocation_pools=[{"start": "10.1.0.10", "end": "10.1.0.12"}])
    path = f"/v2.0/subnets/{subnet['id']}"
    said = {"name": "n", "gateway_ip": "10.1.0.2", "dns_nameservers": ["1.1.1.1"], "enable_dhcp": False, "host_routes": []}
    changed = (await alice.ok("PUT", path, {"subnet": said}))["subnet"]
    assert {name: changed[name] for name in said} == said and changed["revision_number"] == 1
    kind = "GatewayConflictWithAllocationPools"
    await alice.refused("PUT", path, {"subnet": {"gateway_ip": "10.1.0.11"}}, status=409, kind=kind)
    first = await alice.port(network["id"])
    assert first["fixed_ips"][0]["ip_address"] == "10.1.0.10"
    pools = [{"start": "10.1.0.10", "end": "10.1.0.11"}]
    assert (await alice.ok("PUT", path, {"subnet": {"allocation_pools": pools}}))["subnet"]["allocation_pools"] == pools
    assert (await alice.port(network["id"]))["fixed_ips"][0]["ip_address"] == "10.1.0.11"
    body = {"port": {"network_id": network["id"]}}
    await alice.refused("POST", "/v2.0/ports", body, status=409, kind="IpAddressGenerationFailure")
    for fixed in ("network_id", "cidr", "ip_version", "tenant_id", "id"):
        await alice.refused("PUT", path, {"subnet": {fixed: "x"}}, status=400)
    await alice.refused("DELETE", path, status=409, kind="SubnetInUse")


async def test_the_gateway_that_a_port_holds_stays(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    port = await alice.port(network["id"], fixed_ips=[{"ip_address": "10.1.0.1"}])
    path = f"/v2.0/subnets/{subnet['id']}"
    await alice.refused("PUT", path, {"subnet": {"gateway_ip": None}}, status=409, kind="GatewayIpInUse")
    await alice.ok("DELETE", f"/v2.0/ports/{port['id']}")
    assert (await alice.ok("PUT", path, {"subnet": {"gateway_ip": None}}))["subnet"]["gateway_ip"] is None
    await alice.ok("DELETE", path)
    await alice.refused("DELETE", path, status=404, kind="SubnetNotFound")


async def test_who_sees_and_who_may(alice: Client, bob: Client, admin: Client) -> None:
    private = await alice.network()
    hidden = await alice.subnet(private["id"])
    shared = await admin.network(shared=True)
    seen = await admin.subnet(shared["id"])
    outside = await admin.network(**{"router:external": True})
    await admin.subnet(outside["id"])
    assert [one["id"] for one in (await bob.ok("GET", "/v2.0/subnets"))["subnets"]] == [seen["id"]]
    await bob.refused("GET", f"/v2.0/subnets/{hidden['id']}", status=404)
    body = {"subnet": {"network_id": shared["id"], "cidr": "10.7.0.0/24", "ip_version": 4}}
    await bob.refused("POST", "/v2.0/subnets", body, status=403)
    await bob.refused("PUT", f"/v2.0/subnets/{seen['id']}", {"subnet": {"name": "x"}}, status=403)
    await bob.refused("DELETE", f"/v2.0/subnets/{seen['id']}", status=403)
    for query, count in (("ip_version=4", 3), ("cidr=10.1.0.0/24", 3), ("shared=true", 1), (f"network_id={private['id']}", 1)):
        assert len((await admin.ok("GET", f"/v2.0/subnets?{query}"))["subnets"]) == count, query


async def test_a_subnet_whose_addresses_guests_make_comes_and_goes_under_ports(alice: Client) -> None:
    network = await alice.network()
    await alice.subnet(network["id"])
    port = await alice.port(network["id"])
    for mode in ("slaac", "dhcpv6-stateless"):
        subnet = await alice.subnet(network["id"], "fd00:7::/64", ipv6_ra_mode=mode, ipv6_address_mode=mode)
        shown = (await alice.ok("GET", f"/v2.0/ports/{port['id']}"))["port"]["fixed_ips"]
        assert len(shown) == 2 and shown[0] == port["fixed_ips"][0]
        assert shown[1]["subnet_id"] == subnet["id"] and shown[1]["ip_address"].startswith("fd00:7::f816:3eff:fe")
        await alice.ok("DELETE", f"/v2.0/subnets/{subnet['id']}")
        assert (await alice.ok("GET", f"/v2.0/ports/{port['id']}"))["port"]["fixed_ips"] == port["fixed_ips"]
