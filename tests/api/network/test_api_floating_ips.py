"""Floating IPs: made, led to a port and away from it, ended; and what stands in their way."""

from typing import Any

import pytest

from tests.api.network.conftest import Client
from tests.api.network.test_api_routers import MISSING, add, drop, outside, router

__all__ = ["outside"]


@pytest.fixture
async def way(alice: Client, outside: dict[str, Any]) -> dict[str, Any]:
    """A network of Alice's with a router that leads out."""
    made = await router(alice, external_gateway_info={"network_id": outside["id"]})
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    await add(alice, made["id"], subnet_id=subnet["id"])
    return {"router": made["id"], "network": network["id"], "subnet": subnet["id"]}


async def floating(client: Client, network: dict[str, Any], **said: Any) -> dict[str, Any]:
    body = {"floatingip": {"floating_network_id": network["id"], **said}}
    made: dict[str, Any] = (await client.ok("POST", "/v2.0/floatingips", body))["floatingip"]
    return made


async def test_one_leads_to_a_port_and_away_again(
    alice: Client, bob: Client, admin: Client, outside: dict[str, Any], way: dict[str, Any]
) -> None:
    made = await floating(alice, outside, description="d")
    assert (made["status"], made["port_id"], made["router_id"], made["port_details"]) == ("DOWN", None, None, None)
    assert made["floating_ip_address"].startswith("203.0.113.")
    path = f"/v2.0/floatingips/{made['id']}"
    port = await alice.port(way["network"], name="p")
    led = (await alice.ok("PUT", path, {"floatingip": {"port_id": port["id"]}}))["floatingip"]
    assert (led["port_id"], led["router_id"]) == (port["id"], way["router"])
    assert led["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"] and led["description"] == "d"
    assert led["port_details"]["name"] == "p" and led["port_details"]["mac_address"] == port["mac_address"]
    described = (await alice.ok("PUT", path, {"floatingip": {"description": "e"}}))["floatingip"]
    assert (described["port_id"], described["description"]) == (port["id"], "e")
    for query in (f"port_id={port['id']}", f"router_id={way['router']}", f"floating_network_id={outside['id']}"):
        assert [one["id"] for one in (await alice.ok("GET", f"/v2.0/floatingips?{query}"))["floatingips"]] == [made["id"]]
    await drop(alice, way["router"], subnet_id=way["subnet"], status=409, kind="RouterInterfaceInUseByFloatingIP")
    body = {"router": {"external_gateway_info": None}}
    kind = "RouterExternalGatewayInUseByFloatingIp"
    await alice.refused("PUT", f"/v2.0/routers/{way['router']}", body, status=409, kind=kind)
    away = (await alice.ok("PUT", path, {"floatingip": {"port_id": None}}))["floatingip"]
    assert (away["port_id"], away["fixed_ip_address"], away["router_id"], away["status"]) == (None, None, None, "DOWN")
    for method in ("GET", "DELETE"):
        await bob.refused(method, path, status=404, kind="FloatingIPNotFound")
    await bob.refused("PUT", path, {"floatingip": {"port_id": None}}, status=404, kind="FloatingIPNotFound")
    held = f"/v2.0/ports?device_owner=network:floatingip&device_id={made['id']}"
    assert len((await admin.ok("GET", held))["ports"]) == 1 and (await alice.ok("GET", held))["ports"] == []
    await alice.ok("DELETE", path)
    assert (await admin.ok("GET", held))["ports"] == []
    await alice.refused("GET", path, status=404)


async def test_a_port_that_ends_lets_go(alice: Client, outside: dict[str, Any], way: dict[str, Any]) -> None:
    port = await alice.port(way["network"])
    made = await floating(alice, outside, port_id=port["id"])
    assert made["router_id"] == way["router"]
    await alice.ok("DELETE", f"/v2.0/ports/{port['id']}")
    shown = (await alice.ok("GET", f"/v2.0/floatingips/{made['id']}"))["floatingip"]
    assert (shown["port_id"], shown["fixed_ip_address"], shown["router_id"]) == (None, None, None)


async def test_a_port_that_gives_its_address_back_lets_go(alice: Client, outside: dict[str, Any], way: dict[str, Any]) -> None:
    port = await alice.port(way["network"])
    made = await floating(alice, outside, port_id=port["id"])
    await alice.ok("PUT", f"/v2.0/ports/{port['id']}", {"port": {"fixed_ips": [{"ip_address": "10.1.0.200"}]}})
    assert (await alice.ok("GET", f"/v2.0/floatingips/{made['id']}"))["floatingip"]["port_id"] is None


async def test_ports_with_several_addresses(alice: Client, outside: dict[str, Any], way: dict[str, Any]) -> None:
    ips = ["10.1.0.50", "10.1.0.51"]
    port = await alice.port(way["network"], fixed_ips=[{"ip_address": ip} for ip in ips])
    body = {"floatingip": {"floating_network_id": outside["id"], "port_id": port["id"]}}
    assert "multiple" in await alice.refused("POST", "/v2.0/floatingips", body, status=400)
    made = await floating(alice, outside, port_id=port["id"], fixed_ip_address=ips[0])
    path = f"/v2.0/floatingips/{made['id']}"
    changed = (await alice.ok("PUT", path, {"floatingip": {"port_id": port["id"], "fixed_ip_address": ips[1]}}))["floatingip"]
    assert changed["fixed_ip_address"] == ips[1]
    again = {**body["floatingip"], "fixed_ip_address": ips[1]}
    kind = "FloatingIPPortAlreadyAssociated"
    await alice.refused("POST", "/v2.0/floatingips", {"floatingip": again}, status=409, kind=kind)
    wrong = {**body["floatingip"], "fixed_ip_address": "10.1.0.99"}
    await alice.refused("POST", "/v2.0/floatingips", {"floatingip": wrong}, status=400, kind="BadRequest")


async def test_an_external_network_ends_with_its_idle_floating_ips(
    alice: Client, admin: Client, outside: dict[str, Any], way: dict[str, Any]
) -> None:
    other = await admin.network(**{"router:external": True})
    await admin.subnet(other["id"], "198.51.100.0/24")
    idle = await floating(alice, other)
    await admin.ok("DELETE", f"/v2.0/networks/{other['id']}")
    await alice.refused("GET", f"/v2.0/floatingips/{idle['id']}", status=404)
    port = await alice.port(way["network"])
    used = await floating(alice, outside, port_id=port["id"])
    idle = await floating(alice, outside)
    await admin.refused("DELETE", f"/v2.0/networks/{outside['id']}", status=409, kind="NetworkInUse")
    for one in (used, idle):
        await alice.ok("GET", f"/v2.0/floatingips/{one['id']}")


async def test_an_address_asked_for_by_name(admin: Client, alice: Client, outside: dict[str, Any]) -> None:
    said = {"floating_ip_address": "203.0.113.99"}
    body = {"floatingip": {"floating_network_id": outside["id"], **said}}
    await alice.refused("POST", "/v2.0/floatingips", body, status=403, kind="PolicyNotAuthorized")
    made = await floating(admin, outside, project_id="p-alice", **said)
    assert made["floating_ip_address"] == "203.0.113.99" and made["project_id"] == "p-alice"
    await admin.refused("POST", "/v2.0/floatingips", body, status=409, kind="IpAddressInUse")
    subnet = await admin.subnet(outside["id"], "198.51.100.0/24")
    assert (await floating(alice, outside, subnet_id=subnet["id"]))["floating_ip_address"].startswith("198.51.100.")


async def test_what_cannot_be(alice: Client, bob: Client, admin: Client, outside: dict[str, Any], way: dict[str, Any]) -> None:
    far = await alice.network()
    await alice.subnet(far["id"], "10.5.0.0/24")
    unreachable = await alice.port(far["id"])
    bobs_network = await bob.network()
    await bob.subnet(bobs_network["id"], "10.6.0.0/24")
    stranger = await bob.port(bobs_network["id"])
    bare = await alice.port(way["network"], fixed_ips=[])
    empty = await admin.network(**{"router:external": True})
    for said, status, kind in (
        ({"floating_network_id": MISSING}, 404, "NetworkNotFound"),
        ({"floating_network_id": far["id"]}, 400, "BadRequest"),
        ({"floating_network_id": empty["id"]}, 400, "BadRequest"),
        ({"port_id": unreachable["id"]}, 404, "ExternalGatewayForFloatingIPNotFound"),
        ({"port_id": MISSING}, 404, "PortNotFound"),
        ({"port_id": stranger["id"]}, 400, "BadRequest"),
        ({"port_id": bare["id"]}, 400, "BadRequest"),
        ({"fixed_ip_address": "10.1.0.3"}, 400, "BadRequest"),
        ({"subnet_id": way["subnet"]}, 400, "InvalidInput"),
        ({"colour": "red"}, 400, "HTTPBadRequest"),
        ({"project_id": "p-bob"}, 403, "PolicyNotAuthorized"),
    ):
        body = {"floatingip": {"floating_network_id": outside["id"], **said}}
        await alice.refused("POST", "/v2.0/floatingips", body, status=status, kind=kind)
    await admin.ok("PUT", "/v2.0/quotas/p-alice", {"quota": {"floatingip": 0}})
    await alice.refused("POST", "/v2.0/floatingips", {"floatingip": {"floating_network_id": outside["id"]}}, status=409)
    assert (await alice.ok("GET", "/v2.0/floatingips"))["floatingips"] == []
