"""/v2.0/security-groups and their rules: the default group, every refusal with its type."""

from typing import Any

import pytest

from tests.api.network.conftest import Client

MISSING = "11111111-1111-1111-1111-111111111111"


async def make(client: Client, **said: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await client.ok("POST", "/v2.0/security-groups", {"security_group": said}))["security_group"]
    return made


async def test_every_project_has_a_default_group(alice: Client, bob: Client, admin: Client) -> None:
    mine = (await alice.ok("GET", "/v2.0/security-groups"))["security_groups"]
    assert [one["name"] for one in mine] == ["default"] and mine[0]["project_id"] == "p-alice"
    rules = {(one["direction"], one["ethertype"], one["remote_group_id"]) for one in mine[0]["security_group_rules"]}
    assert rules == {(d, e, mine[0]["id"] if d == "ingress" else None) for d in ("egress", "ingress") for e in ("IPv4", "IPv6")}
    path = f"/v2.0/security-groups/{mine[0]['id']}"
    await alice.refused("DELETE", path, status=409, kind="SecurityGroupCannotRemoveDefault")
    await alice.refused("PUT", path, {"security_group": {"name": "x"}}, status=409, kind="SecurityGroupCannotUpdateDefault")
    await alice.ok("PUT", path, {"security_group": {"description": "x"}})
    body = {"security_group": {"name": "Default"}}
    await alice.refused("POST", "/v2.0/security-groups", body, status=409, kind="SecurityGroupDefaultAlreadyExists")
    await bob.refused("GET", path, status=404, kind="SecurityGroupNotFound")
    await admin.ok("DELETE", path)
    assert (await alice.ok("GET", "/v2.0/security-groups?name=default"))["security_groups"][0]["id"] != mine[0]["id"]


async def test_a_group_is_made_shown_changed_and_deleted(alice: Client) -> None:
    made = await make(alice, name="web", description="d", tags=["t"])
    assert [(one["direction"], one["ethertype"]) for one in made["security_group_rules"]].count(("egress", "IPv4")) == 1
    assert len(made["security_group_rules"]) == 2 and made["stateful"] and made["tags"] == ["t"]
    path = f"/v2.0/security-groups/{made['id']}"
    assert (await alice.ok("GET", path))["security_group"] == made
    changed = (await alice.ok("PUT", path, {"security_group": {"name": "www", "stateful": False}}))["security_group"]
    assert changed["name"] == "www" and not changed["stateful"]
    network = await alice.network()
    port = await alice.port(network["id"], security_groups=[made["id"]])
    await alice.refused("DELETE", path, status=409, kind="SecurityGroupInUse")
    await alice.refused("PUT", path, {"security_group": {"stateful": True}}, status=409, kind="SecurityGroupInUse")
    await alice.ok("DELETE", f"/v2.0/ports/{port['id']}")
    await alice.ok("DELETE", path)
    for method, body in (("GET", None), ("PUT", {"security_group": {}}), ("DELETE", None)):
        await alice.refused(method, path, body, status=404, kind="SecurityGroupNotFound")


ACCEPTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "tcp", "port_range_max": 22}),
    ({"protocol": 17, "port_range_min": "5", "port_range_max": 7}, {"protocol": "17", "port_range_min": 5}),
    ({"protocol": "ICMP", "port_range_min": 8, "port_range_max": 0}, {"protocol": "icmp", "port_range_max": 0}),
    ({"protocol": "icmp", "ethertype": "ipv6"}, {"protocol": "ipv6-icmp", "ethertype": "IPv6"}),
    ({"protocol": "any"}, {"protocol": None}),
    ({"remote_ip_prefix": "10.0.0.1"}, {"remote_ip_prefix": "10.0.0.1/32"}),
    ({"remote_ip_prefix": "10.2.3.124/24"}, {"remote_ip_prefix": "10.2.3.124/24"}),
    ({"remote_ip_prefix": "2001:DB8::0:1/32", "ethertype": "IPv6"}, {"remote_ip_prefix": "2001:db8::1/32"}),
    ({"remote_ip_prefix": "2001:db8::/32", "ethertype": "IPv6"}, {"remote_ip_prefix": "2001:db8::/32"}),
    ({"direction": "Egress", "protocol": "vrrp", "description": "d"}, {"direction": "egress", "description": "d"}),
]


@pytest.mark.parametrize(("said", "seen"), ACCEPTED)
async def test_rules(alice: Client, said: dict[str, Any], seen: dict[str, Any]) -> None:
    group = await make(alice, name="g")
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **said}}
    rule = (await alice.ok("POST", "/v2.0/security-group-rules", body))["security_group_rule"]
    assert {name: rule[name] for name in seen} == seen
    path = f"/v2.0/security-group-rules/{rule['id']}"
    assert (await alice.ok("GET", path))["security_group_rule"] == rule
    message = await alice.refused("POST", "/v2.0/security-group-rules", body, status=409, kind="SecurityGroupRuleExists")
    assert rule["id"] in message
    found = await alice.ok("GET", f"/v2.0/security-group-rules?security_group_id={group['id']}&id={rule['id']}")
    assert found["security_group_rules"] == [rule]
    await alice.ok("DELETE", path)
    await alice.refused("GET", path, status=404, kind="SecurityGroupRuleNotFound")
    await alice.refused("DELETE", path, status=404, kind="SecurityGroupRuleNotFound")


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"direction": "up"}, 400, ""),
    ({"ethertype": "ARP"}, 400, "SecurityGroupRuleInvalidEtherType"),
    ({"protocol": "carrier-pigeon"}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": 256}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": -1}, 400, "SecurityGroupRuleInvalidProtocol"),
    ({"protocol": "ipv6-icmp"}, 400, "SecurityGroupEthertypeConflictWithProtocol"),
    ({"port_range_min": 1, "port_range_max": 2}, 400, "SecurityGroupProtocolRequiredWithPorts"),
    ({"protocol": "tcp", "port_range_min": 5, "port_range_max": 2}, 400, "SecurityGroupInvalidPortRange"),
    ({"protocol": "tcp", "port_range_min": 5}, 400, "SecurityGroupInvalidPortRange"),
    ({"protocol": "tcp", "port_range_min": -5, "port_range_max": 2}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}, 400, "SecurityGroupInvalidPortValue"),
    ({"protocol": "icmp", "port_range_min": 256}, 400, "SecurityGroupInvalidIcmpValue"),
    ({"protocol": "icmp", "port_range_max": 1}, 400, "SecurityGroupMissingIcmpType"),
    ({"protocol": "gre", "port_range_min": 1, "port_range_max": 1}, 400, "SecurityGroupInvalidProtocolForPort"),
    ({"remote_ip_prefix": "bad_prefix"}, 400, "InvalidCIDR"),
    ({"remote_ip_prefix": "10.0.0.1/33"}, 400, "InvalidCIDR"),
    ({"remote_ip_prefix": "fe80::1%eth0/64", "ethertype": "IPv6"}, 400, "InvalidCIDR"),
    ({"remote_ip_prefix": "::/0"}, 400, "SecurityGroupRuleParameterConflict"),
    ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": MISSING}, 400, "SecurityGroupRemoteGroupAndRemoteIpPrefix"),
    ({"remote_group_id": MISSING}, 404, "SecurityGroupNotFound"),
    ({"security_group_id": MISSING}, 404, "SecurityGroupNotFound"),
    ({"tenant_id": "p-bob"}, 403, "PolicyNotAuthorized"),
    ({"tags": ["x"]}, 400, ""),
]


@pytest.mark.parametrize(("said", "status", "kind"), REFUSED)
async def test_rules_that_make_no_sense(alice: Client, said: dict[str, Any], status: int, kind: str) -> None:
    group = await make(alice, name="g")
    body = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress", **said}}
    await alice.refused("POST", "/v2.0/security-group-rules", body, status=status, kind=kind)
    assert len((await alice.ok("GET", f"/v2.0/security-groups/{group['id']}"))["security_group"]["security_group_rules"]) == 2
