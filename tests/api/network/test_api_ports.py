"""/v2.0/ports: addresses by choice and by name, bindings, security, who may what."""

from typing import Any

import pytest

from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


async def test_a_port_is_made_shown_changed_and_deleted(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    made = await alice.port(network["id"], name="p", tags=["t"])
    assert made["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.2"}]
    assert made["mac_address"].startswith("fa:16:3e:") and made["status"] == "DOWN" and made["port_security_enabled"]
    assert len(made["security_groups"]) == 1 and made["binding:vnic_type"] == "normal" and made["tags"] == ["t"]
    assert "binding:host_id" not in made
    path = f"/v2.0/ports/{made['id']}"
    assert (await alice.ok("GET", path))["port"] == made
    said = {"name": "q", "admin_state_up": False, "device_id": "d", "device_owner": "mine", "security_groups": []}
    changed = (await alice.ok("PUT", path, {"port": said}))["port"]
    assert {name: changed[name] for name in said} == said and changed["revision_number"] == 2
    await alice.ok("DELETE", path)
    await alice.refused("GET", path, status=404, kind="PortNotFound")
    await alice.refused("PUT", path, {"port": {}}, status=404, kind="PortNotFound")
    await alice.refused("DELETE", path, status=404, kind="PortNotFound")


async def test_an_ipv4_and_an_ipv6_address(alice: Client) -> None:
    network = await alice.network()
    for cidr in ("10.1.0.0/24", "10.2.0.0/24", "2001:db8:1::/64"):
        await alice.subnet(network["id"], cidr)
    slaac = await alice.subnet(network["id"], "2001:db8:2::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    port = await alice.port(network["id"], mac_address="FA:16:3E:00:00:01")
    assert [one["ip_address"] for one in port["fixed_ips"]] == ["10.1.0.2", "2001:db8:1::2", "2001:db8:2:0:f816:3eff:fe00:1"]
    body = {"network_id": network["id"], "fixed_ips": [{"subnet_id": slaac["id"], "ip_address": "2001:db8:2::9"}]}
    await alice.refused("POST", "/v2.0/ports", {"port": body}, status=400, kind="InvalidInput")


async def test_addresses_by_name(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    other = await alice.subnet(network["id"], "10.2.0.0/24")
    port = await alice.port(network["id"], fixed_ips=[{"ip_address": "10.2.0.2"}, {"subnet_id": other["id"]}])
    assert [one["ip_address"] for one in port["fixed_ips"]] == ["10.2.0.2", "10.2.0.3"]
    taken = {"network_id": network["id"], "fixed_ips": [{"subnet_id": other["id"], "ip_address": "10.2.0.2"}]}
    await alice.refused("POST", "/v2.0/ports", {"port": taken}, status=409, kind="IpAddressInUse")
    path = f"/v2.0/ports/{port['id']}"
    keep = {"fixed_ips": [{"ip_address": "10.2.0.3"}, {"subnet_id": subnet["id"]}]}
    changed = (await alice.ok("PUT", path, {"port": keep}))["port"]
    assert sorted(one["ip_address"] for one in changed["fixed_ips"]) == ["10.1.0.2", "10.2.0.3"]
    assert (await alice.port(network["id"], fixed_ips=[{"ip_address": "10.2.0.2"}]))["fixed_ips"][0]["ip_address"] == "10.2.0.2"
    assert (await alice.port(network["id"], fixed_ips=[]))["fixed_ips"] == []
    assert (await alice.ok("PUT", path, {"port": {"fixed_ips": []}}))["port"]["fixed_ips"] == []


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"network_id": MISSING}, 404, "NetworkNotFound"),
    ({"fixed_ips": [{"ip_address": "10.3.0.1"}]}, 400, "InvalidIpForNetwork"),
    ({"fixed_ips": [{"ip_address": "10.1.0.255"}]}, 400, "InvalidIpForSubnet"),
    ({"fixed_ips": [{"ip_address": "ten"}]}, 400, ""),
    ({"fixed_ips": [{}]}, 400, "InvalidInput"),
    ({"fixed_ips": [{"subnet_id": MISSING}]}, 400, "InvalidInput"),
    ({"fixed_ips": [{"ip_address": "10.1.0.9"}] * 2}, 409, "IpAddressInUse"),
    ({"fixed_ips": [{"ip_address": f"10.1.0.{n}"} for n in range(9, 20)]}, 400, "InvalidInput"),
    ({"mac_address": "zz"}, 400, ""),
    ({"mac_address": "01:00:5e:00:00:01"}, 400, ""),
    ({"security_groups": [MISSING]}, 404, "SecurityGroupNotFound"),
    ({"security_groups": [MISSING], "port_security_enabled": False}, 400, "PortSecurityAndIPRequiredForSecurityGroups"),
    ({"allowed_address_pairs": [{"ip_address": "x"}]}, 400, ""),
    ({"allowed_address_pairs": [{"ip_address": "10.0.0.1"}] * 2}, 400, "DuplicateAddressPairInRequest"),
    (
        {"allowed_address_pairs": [{"ip_address": "10.0.0.1"}], "port_security_enabled": False},
        409,
        "AddressPairAndPortSecurityRequired",
    ),
    ({"binding:vnic_type": "odd"}, 400, ""),
    ({"binding:host_id": "h"}, 403, "PolicyNotAuthorized"),
    ({"binding:profile": {"a": 1}}, 403, "PolicyNotAuthorized"),
    ({"status": "ACTIVE"}, 400, ""),
    ({"tenant_id": "p-bob"}, 403, "PolicyNotAuthorized"),
]


@pytest.mark.parametrize(("said", "status", "kind"), REFUSED)
async def test_what_is_unsound_is_refused(alice: Client, said: dict[str, Any], status: int, kind: str) -> None:
    network = await alice.network()
    await alice.subnet(network["id"])
    await alice.refused("POST", "/v2.0/ports", {"port": {"network_id": network["id"], **said}}, status=status, kind=kind)
    assert (await alice.ok("GET", "/v2.0/ports"))["ports"] == []


async def test_macs_are_unique_in_a_network(alice: Client) -> None:
    one, other = await alice.network(), await alice.network()
    port = await alice.port(one["id"], mac_address="fa:16:3e:00:00:09")
    body = {"network_id": one["id"], "mac_address": "FA-16-3E-00-00-09"}
    await alice.refused("POST", "/v2.0/ports", {"port": body}, status=409, kind="MacAddressInUse")
    second = await alice.port(other["id"], mac_address="fa:16:3e:00:00:09")
    changed = await alice.ok("PUT", f"/v2.0/ports/{second['id']}", {"port": {"mac_address": "fa:16:3e:00:00:0a"}})
    assert changed["port"]["mac_address"] == "fa:16:3e:00:00:0a" != port["mac_address"]


async def test_port_security_and_pairs(alice: Client) -> None:
    network = await alice.network()
    port = await alice.port(network["id"], allowed_address_pairs=[{"ip_address": "10.5.0.0/24"}])
    assert port["allowed_address_pairs"] == [{"ip_address": "10.5.0.0/24", "mac_address": port["mac_address"]}]
    path = f"/v2.0/ports/{port['id']}"
    body: dict[str, Any] = {"port_security_enabled": False}
    await alice.refused("PUT", path, {"port": body}, status=409, kind="AddressPairAndPortSecurityRequired")
    body["allowed_address_pairs"] = []
    await alice.refused("PUT", path, {"port": body}, status=409, kind="PortSecurityPortHasSecurityGroup")
    body["security_groups"] = []
    assert (await alice.ok("PUT", path, {"port": body}))["port"]["port_security_enabled"] is False
    open_network = await alice.network(port_security_enabled=False)
    loose = await alice.port(open_network["id"])
    assert loose["port_security_enabled"] is False and loose["security_groups"] == []


async def test_bindings_are_for_admins(alice: Client, admin: Client) -> None:
    network = await alice.network()
    port = await alice.port(network["id"])
    path = f"/v2.0/ports/{port['id']}"
    seen = (await admin.ok("GET", path))["port"]
    assert (seen["binding:host_id"], seen["binding:vif_type"], seen["binding:profile"]) == ("", "unbound", {})
    said = {"binding:host_id": "h1", "binding:profile": {"a": 1}}
    bound = (await admin.ok("PUT", path, {"port": said}))["port"]
    assert bound["binding:vif_type"] == "bridge" and {name: bound[name] for name in said} == said
    await alice.refused("PUT", path, {"port": {"mac_address": "fa:16:3e:00:00:11"}}, status=409, kind="PortBound")
    assert len((await admin.ok("GET", "/v2.0/ports?binding:host_id=h1"))["ports"]) == 1
    await alice.refused("GET", "/v2.0/ports?binding:host_id=h1", status=403)


async def test_guests_on_a_shared_network(alice: Client, bob: Client, admin: Client) -> None:
    shared = await admin.network(shared=True)
    subnet = await admin.subnet(shared["id"])
    port = await bob.port(shared["id"])
    path = f"/v2.0/ports/{port['id']}"
    await alice.refused("GET", path, status=404)
    for said in (
        {"fixed_ips": [{"ip_address": "10.1.0.50"}]},
        {"mac_address": "fa:16:3e:00:00:12"},
        {"port_security_enabled": False},
    ):
        await bob.refused("POST", "/v2.0/ports", {"port": {"network_id": shared["id"], **said}}, status=403)
        await bob.refused("PUT", path, {"port": said}, status=403)
    await bob.ok("PUT", path, {"port": {"name": "fine"}})
    one_more = {"fixed_ips": [*port["fixed_ips"], {"subnet_id": subnet["id"]}]}
    assert len((await bob.ok("PUT", path, {"port": one_more}))["port"]["fixed_ips"]) == 2, "what it holds it may name"
    own = await alice.network()
    theirs = await admin.port(own["id"], tenant_id="p-bob")
    assert [one["id"] for one in (await alice.ok("GET", f"/v2.0/ports?network_id={own['id']}"))["ports"]] == [theirs["id"]]
    await alice.ok("DELETE", f"/v2.0/ports/{theirs['id']}")
    outside = await admin.network(**{"router:external": True})
    await bob.refused("POST", "/v2.0/ports", {"port": {"network_id": outside["id"]}}, status=403)


async def test_filters(alice: Client) -> None:
    network = await alice.network()
    subnet = await alice.subnet(network["id"])
    ports = [await alice.port(network["id"], device_id=f"d{n}", device_owner="x:y", name=f"n{n}") for n in range(3)]
    group = ports[0]["security_groups"][0]
    for query, found in (
        ("device_id=d1", [1]),
        ("device_id=d1&device_id=d2", [1, 2]),
        ("fixed_ips=ip_address=10.1.0.3", [1]),
        (f"fixed_ips=ip_address%3D10.1.0.3&fixed_ips=subnet_id%3D{subnet['id']}", [1]),
        ("fixed_ips=ip_address_substr=.0.4", [2]),
        (f"fixed_ips=subnet_id={MISSING}", []),
        (f"security_groups={group}", [0, 1, 2]),
        (f"mac_address={ports[2]['mac_address']}", [2]),
        (f"network_id={network['id']}&status=DOWN&name=n0", [0]),
        ("status=ACTIVE", []),
    ):
        got = (await alice.ok("GET", f"/v2.0/ports?{query}"))["ports"]
        assert {one["id"] for one in got} == {ports[n]["id"] for n in found}, query
    await alice.refused("GET", "/v2.0/ports?fixed_ips=10.1.0.3", status=400)


async def test_many_at_once(alice: Client) -> None:
    network = await alice.network()
    await alice.subnet(network["id"], "10.1.0.0/29")
    body = {"ports": [{"network_id": network["id"]} for _ in range(5)]}
    made = (await alice.ok("POST", "/v2.0/ports", body))["ports"]
    assert len({one["fixed_ips"][0]["ip_address"] for one in made}) == 5
    await alice.refused("POST", "/v2.0/ports", body, status=409, kind="IpAddressGenerationFailure")
    assert len((await alice.ok("GET", "/v2.0/ports"))["ports"]) == 5


async def test_what_dhcp_tells_one_port_besides(alice: Client) -> None:
    network = await alice.network()
    boot = {"opt_name": "bootfile-name", "opt_value": "pxelinux.0"}
    server = {"opt_name": "tftp-server", "opt_value": "10.0.0.9", "ip_version": 4}
    port = await alice.port(network["id"], extra_dhcp_opts=[boot])
    assert port["extra_dhcp_opts"] == [{**boot, "ip_version": 4}]
    path = f"/v2.0/ports/{port['id']}"

    async def told(*options: dict[str, Any]) -> Any:
        return (await alice.ok("PUT", path, {"port": {"extra_dhcp_opts": list(options)}}))["port"]["extra_dhcp_opts"]

    assert await told(server) == [{**boot, "ip_version": 4}, server]
    assert await told({"opt_name": "bootfile-name", "opt_value": None}) == [server]
    assert await told({**server, "opt_value": "10.0.0.8"}) == [{**server, "opt_value": "10.0.0.8"}]
    for wrong in (
        [{"opt_name": "a\nb", "opt_value": "x"}],
        [{"opt_name": "a", "opt_value": "x\ndhcp-script=/bin/sh"}],
        [{"opt_name": "", "opt_value": "x"}],
        [{"opt_name": "a", "opt_value": ""}],
        [{"opt_name": "a", "opt_value": "x", "ip_version": 5}],
        [server, server],
        [{"opt_value": "x"}],
        "x",
    ):
        await alice.refused("PUT", path, {"port": {"extra_dhcp_opts": wrong}}, status=400)
        body = {"port": {"network_id": network["id"], "extra_dhcp_opts": wrong}}
        await alice.refused("POST", "/v2.0/ports", body, status=400)
