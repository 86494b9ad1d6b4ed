"""Routers: their life, gateways, interfaces and extra routes, and every way to ask for what cannot be."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
async def outside(admin: Client) -> dict[str, Any]:
    """An external network with one subnet."""
    network = await admin.network(name="out", **{"router:external": True})
    await admin.subnet(network["id"], "203.0.113.0/24", enable_dhcp=False)
    return network


async def router(client: Client, **said: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await client.ok("POST", "/v2.0/routers", {"router": said}))["router"]
    return made


async def add(client: Client, router_id: str, *, status: int = 200, kind: str = "", **said: Any) -> Any:
    path = f"/v2.0/routers/{router_id}/add_router_interface"
    if status != 200:
        return await client.refused("PUT", path, said, status=status, kind=kind)
    return await client.ok("PUT", path, said)


async def drop(client: Client, router_id: str, *, status: int = 200, kind: str = "", **said: Any) -> Any:
    path = f"/v2.0/routers/{router_id}/remove_router_interface"
    if status != 200:
        return await client.refused("PUT", path, said, status=status, kind=kind)
    return await client.ok("PUT", path, said)


async def test_the_life_of_a_router(alice: Client, bob: Client, admin: Client) -> None:
    made = await router(alice, name="r", description="d", tags=["t"], availability_zone_hints=["nova"])
    assert made["status"] == "ACTIVE" and made["external_gateway_info"] is None and made["routes"] == []
    assert made["project_id"] == made["tenant_id"] == "p-alice" and "ha" not in made
    path = f"/v2.0/routers/{made['id']}"
    assert (await alice.ok("GET", path))["router"] == made
    shown = (await admin.ok("GET", path))["router"]
    assert (shown["ha"], shown["distributed"], shown["flavor_id"]) == (False, False, None)
    changed = (await alice.ok("PUT", path, {"router": {"name": "s", "admin_state_up": False}}))["router"]
    assert (changed["name"], changed["admin_state_up"], changed["description"]) == ("s", False, "d")
    assert changed["revision_number"] > made["revision_number"]
    assert [one["id"] for one in (await alice.ok("GET", "/v2.0/routers?name=s&tags=t"))["routers"]] == [made["id"]]
    assert (await bob.ok("GET", "/v2.0/routers"))["routers"] == []
    for method, body in (("GET", None), ("PUT", {"router": {"name": "x"}}), ("DELETE", None)):
        await bob.refused(method, path, body, status=404, kind="RouterNotFound")
    await alice.ok("PUT", f"{path}/tags/red", status=201)
    assert (await alice.ok("GET", f"{path}/tags"))["tags"] == ["red", "t"]
    await alice.ok("DELETE", path)
    await alice.refused("GET", path, status=404, kind="RouterNotFound")


async def test_what_cannot_be_said_of_a_router(alice: Client, admin: Client) -> None:
    for said in ({"ha": True}, {"distributed": True}):
        await alice.refused("POST", "/v2.0/routers", {"router": said}, status=403, kind="PolicyNotAuthorized")
        await admin.refused("POST", "/v2.0/routers", {"router": said}, status=400)
    assert (await router(admin, ha=False))["ha"] is False
    await alice.refused("POST", "/v2.0/routers", {"router": {"availability_zone_hints": ["mars"]}}, status=404)
    await alice.refused("POST", "/v2.0/routers", {"router": {"flavor_id": MISSING}}, status=400)
    await alice.refused("POST", "/v2.0/routers", {"router": {"routes": []}}, status=400)
    await alice.refused("POST", "/v2.0/routers", {"router": {"project_id": "p-bob"}}, status=403)
    await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {"router": 0}})
    await alice.refused("POST", "/v2.0/routers", {"router": {}}, status=409, kind="OverQuota")


async def test_a_gateway_comes_and_goes(alice: Client, admin: Client, outside: dict[str, Any]) -> None:
    made = await router(alice, external_gateway_info={"network_id": outside["id"]})
    gateway = made["external_gateway_info"]
    assert (gateway["network_id"], gateway["enable_snat"]) == (outside["id"], True)
    (fixed,) = gateway["external_fixed_ips"]
    path = f"/v2.0/routers/{made['id']}"
    ends = f"/v2.0/ports?device_id={made['id']}&device_owner=network:router_gateway"
    (port,) = (await admin.ok("GET", ends))["ports"]
    assert port["fixed_ips"] == [fixed] and port["project_id"] == "" and not port["port_security_enabled"]
    assert (await alice.ok("GET", ends))["ports"] == []
    await admin.refused("DELETE", f"/v2.0/ports/{port['id']}", status=409, kind="ServicePortInUse")
    await admin.refused("DELETE", f"/v2.0/networks/{outside['id']}", status=409, kind="NetworkInUse")
    body = {"network": {"router:external": False}}
    await admin.refused("PUT", f"/v2.0/networks/{outside['id']}", body, status=409, kind="ExternalNetworkInUse")
    nothing: tuple[dict[str, Any] | None, ...] = ({}, None)
    for empty in nothing:
        changed = (await alice.ok("PUT", path, {"router": {"external_gateway_info": empty}}))["router"]
        assert changed["external_gateway_info"] is None
    assert (await admin.ok("GET", ends))["ports"] == []
    wish = {"network_id": outside["id"], "enable_snat": False, "external_fixed_ips": [{"ip_address": "203.0.113.77"}]}
    await alice.refused("PUT", path, {"router": {"external_gateway_info": wish}}, status=403)
    changed = (await admin.ok("PUT", path, {"router": {"external_gateway_info": wish}}))["router"]["external_gateway_info"]
    assert changed["enable_snat"] is False and changed["external_fixed_ips"][0]["ip_address"] == "203.0.113.77"
    wish["external_fixed_ips"] = [{"ip_address": "203.0.113.78"}]
    changed = (await admin.ok("PUT", path, {"router": {"external_gateway_info": wish}}))["router"]["external_gateway_info"]
    assert [one["ip_address"] for one in changed["external_fixed_ips"]] == ["203.0.113.78"]
    await alice.ok("DELETE", path)
    assert (await admin.ok("GET", ends))["ports"] == []


async def test_gateways_that_cannot_be(alice: Client, admin: Client, outside: dict[str, Any]) -> None:
    made = await router(alice)
    path = f"/v2.0/routers/{made['id']}"
    inside = await alice.network()
    for said, status in (
        ({"network_id": MISSING}, 404),
        ({"network_id": inside["id"]}, 400),
        ({"enable_snat": True}, 400),
        ({"colour": 1}, 400),
    ):
        await alice.refused("PUT", path, {"router": {"external_gateway_info": said}}, status=status)
    subnet = await alice.subnet(inside["id"], "203.0.113.0/25")
    await add(alice, made["id"], subnet_id=subnet["id"])
    said = {"network_id": outside["id"]}
    message = await alice.refused("PUT", path, {"router": {"external_gateway_info": said}}, status=400)
    assert "overlaps" in message
    assert (await alice.ok("GET", path))["router"]["external_gateway_info"] is None


async def test_interfaces_by_subnet_and_by_port(alice: Client, outside: dict[str, Any]) -> None:
    made = await router(alice)
    network = await alice.network()
    one, two = await alice.subnet(network["id"], "10.1.0.0/24"), await alice.subnet(network["id"], "10.2.0.0/24")
    added = await add(alice, made["id"], subnet_id=one["id"])
    assert added["subnet_ids"] == [one["id"]] and added["network_id"] == network["id"] and added["id"] == made["id"]
    port = (await alice.ok("GET", f"/v2.0/ports/{added['port_id']}"))["port"]
    assert (port["device_owner"], port["device_id"]) == ("network:router_interface", made["id"])
    assert port["fixed_ips"] == [{"subnet_id": one["id"], "ip_address": "10.1.0.1"}] and port["security_groups"] == []
    own = await alice.port(network["id"], fixed_ips=[{"subnet_id": two["id"]}])
    assert (await add(alice, made["id"], port_id=own["id"]))["subnet_id"] == two["id"]
    await alice.refused("DELETE", f"/v2.0/routers/{made['id']}", status=409, kind="RouterInUse")
    await alice.refused("DELETE", f"/v2.0/ports/{own['id']}", status=409, kind="ServicePortInUse")
    await alice.refused("DELETE", f"/v2.0/subnets/{one['id']}", status=409, kind="SubnetInUse")
    gone = await drop(alice, made["id"], subnet_id=one["id"])
    assert (gone["port_id"], gone["subnet_id"]) == (added["port_id"], one["id"])
    await drop(alice, made["id"], subnet_id=one["id"], status=404, kind="RouterInterfaceNotFoundForSubnet")
    await drop(alice, made["id"], port_id=own["id"], subnet_id=one["id"], status=409, kind="SubnetMismatchForPort")
    await drop(alice, made["id"], port_id=own["id"])
    await alice.refused("GET", f"/v2.0/ports/{own['id']}", status=404)
    await drop(alice, made["id"], port_id=own["id"], status=404, kind="RouterInterfaceNotFound")
    await alice.ok("DELETE", f"/v2.0/routers/{made['id']}")


async def test_interfaces_that_cannot_be(alice: Client, as_: Callable[[str], Client]) -> None:
    made = await router(alice)
    network, other = await alice.network(), await alice.network()
    subnet = await alice.subnet(network["id"])
    await add(alice, made["id"], subnet_id=subnet["id"])
    twin = await alice.subnet(other["id"], "10.1.0.128/25")
    blind = await alice.subnet(other["id"], "10.3.0.0/24", gateway_ip=None)
    foreign = await alice.subnet(other["id"], "fd00::/64", ipv6_address_mode="slaac")
    taken = await alice.port(network["id"], device_id="something")
    bare = await alice.port(network["id"], fixed_ips=[])
    again = await alice.port(network["id"])
    for said, status, kind in (
        ({}, 400, "BadRequest"),
        ({"subnet_id": subnet["id"], "port_id": again["id"]}, 400, "BadRequest"),
        ({"subnet_id": subnet["id"]}, 400, "BadRequest"),
        ({"subnet_id": twin["id"]}, 400, "BadRequest"),
        ({"subnet_id": blind["id"]}, 400, "BadRequest"),
        ({"subnet_id": foreign["id"]}, 400, "BadRequest"),
        ({"subnet_id": MISSING}, 404, "SubnetNotFound"),
        ({"port_id": MISSING}, 404, "PortNotFound"),
        ({"port_id": taken["id"]}, 409, "PortInUse"),
        ({"port_id": bare["id"]}, 400, "BadRequest"),
        ({"port_id": again["id"]}, 400, "BadRequest"),
    ):
        await add(alice, made["id"], status=status, kind=kind, **said)
    await add(alice, MISSING, subnet_id=subnet["id"], status=404, kind="RouterNotFound")
    await add(as_("reader"), made["id"], subnet_id=subnet["id"], status=403)


async def test_ipv6_subnets_of_one_network_share_a_port(alice: Client) -> None:
    made = await router(alice)
    network = await alice.network()
    one, two = await alice.subnet(network["id"], "fd00:1::/64"), await alice.subnet(network["id"], "fd00:2::/64")
    first = await add(alice, made["id"], subnet_id=one["id"])
    assert (await add(alice, made["id"], subnet_id=two["id"]))["port_id"] == first["port_id"]
    port = (await alice.ok("GET", f"/v2.0/ports/{first['port_id']}"))["port"]
    assert sorted(ip["ip_address"] for ip in port["fixed_ips"]) == ["fd00:1::1", "fd00:2::1"]
    await drop(alice, made["id"], subnet_id=one["id"])
    port = (await alice.ok("GET", f"/v2.0/ports/{first['port_id']}"))["port"]
    assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["fd00:2::1"]


async def test_extra_routes(alice: Client) -> None:
    made = await router(alice)
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    await add(alice, made["id"], subnet_id=subnet["id"])
    path = f"/v2.0/routers/{made['id']}"
    route = {"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}
    assert (await alice.ok("PUT", path, {"router": {"routes": [route]}}))["router"]["routes"] == [route]
    await drop(alice, made["id"], subnet_id=subnet["id"], status=409, kind="RouterInterfaceInUseByRoute")
    more = {"destination": "10.8.0.0/16", "nexthop": "10.1.0.8"}
    added = (await alice.ok("PUT", f"{path}/add_extraroutes", {"router": {"routes": [route, more]}}))["router"]
    assert added["routes"] == [route, more]
    left = (await alice.ok("PUT", f"{path}/remove_extraroutes", {"router": {"routes": [route]}}))["router"]
    assert left["routes"] == [more]
    for bad, kind in (
        ({"destination": "10.9.0.0/16", "nexthop": "10.7.0.9"}, "InvalidRoutes"),
        ({"destination": "10.9.0.0/16", "nexthop": "10.1.0.1"}, "InvalidRoutes"),
        ({"destination": "10.9.0.0/99", "nexthop": "10.1.0.9"}, "HTTPBadRequest"),
    ):
        await alice.refused("PUT", path, {"router": {"routes": [bad]}}, status=400, kind=kind)
        await alice.refused("PUT", f"{path}/add_extraroutes", {"router": {"routes": [bad]}}, status=400, kind=kind)
    for change in ("add", "remove"):
        where = f"/v2.0/routers/{MISSING}/{change}_extraroutes"
        await alice.refused("PUT", where, {"router": {"routes": [route]}}, status=404, kind="RouterNotFound")
    many = [{"destination": f"10.9.{n}.0/24", "nexthop": "10.1.0.9"} for n in range(31)]
    await alice.refused("PUT", path, {"router": {"routes": many}}, status=400, kind="RoutesExhausted")
    await alice.refused("PUT", path, {"router": {"routes": [route, route]}}, status=400)
    assert (await alice.ok("PUT", path, {"router": {"routes": None}}))["router"]["routes"] == []
    await drop(alice, made["id"], subnet_id=subnet["id"])
