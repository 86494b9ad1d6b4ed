"""The stock command line: external networks, routers, floating IPs, subnet pools. Twice, and nothing is left."""

import pytest

from tests.clients.session import Session
from tests.cloud.running import wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])


@TWICE
def test_a_router_and_a_floating_ip(osc: Session, turn: str) -> None:
    osc("network", "create", "--external", "outside")
    osc("subnet", "create", "--network", "outside", "--subnet-range", "203.0.113.0/24", "--no-dhcp", "outside-v4")
    osc("network", "create", "inside")
    subnet = osc.show("subnet", "create", "--network", "inside", "--subnet-range", "10.78.0.0/24", "inside-v4")
    router = osc.show("router", "create", "--description", "d", "--tag", "t", "edge")
    assert (router["status"], router["external_gateway_info"], router["tags"]) == ("ACTIVE", None, ["t"])
    osc("router", "set", "--external-gateway", "outside", "--disable-snat", "--name", "border", "edge")
    osc("router", "add", "subnet", "border", "inside-v4")
    shown = osc.show("router", "show", "border")
    assert shown["external_gateway_info"]["enable_snat"] is False
    assert [(one["subnet_id"], one["ip_address"]) for one in shown["interfaces_info"]] == [(subnet["id"], "10.78.0.1")]
    osc("router", "set", "--route", "destination=10.99.0.0/16,gateway=10.78.0.9", "border")
    osc("router", "add", "route", "--route", "destination=10.98.0.0/16,gateway=10.78.0.9", "border")
    osc("router", "remove", "route", "--route", "destination=10.99.0.0/16,gateway=10.78.0.9", "border")
    assert [one["destination"] for one in osc.show("router", "show", "border")["routes"]] == ["10.98.0.0/16"]
    assert "required by one or more routes" in osc.refused("router", "remove", "subnet", "border", "inside-v4")
    osc("router", "unset", "--route", "destination=10.98.0.0/16,gateway=10.78.0.9", "border")
    assert osc.names("router", "list") == ["border"]

    port = osc.show("port", "create", "--network", "inside", "p")
    floating = osc.show("floating", "ip", "create", "--description", "d", "outside")
    assert (floating["status"], floating["fixed_ip_address"]) == ("DOWN", None)
    address = floating["floating_ip_address"]
    osc("floating", "ip", "set", "--port", "p", address)
    wait_for(lambda: osc.show("floating", "ip", "show", address)["status"] == "ACTIVE", 30, "the floating IP is ACTIVE", 0.5)
    shown = osc.show("floating", "ip", "show", address)
    assert (shown["port_id"], shown["router_id"]) == (port["id"], router["id"])
    assert shown["fixed_ip_address"] == port["fixed_ips"][0]["ip_address"]
    (row,) = osc.rows("floating", "ip", "list", "--port", "p")
    assert row["Floating IP Address"] == address
    assert "floating IP" in osc.refused("router", "remove", "subnet", "border", "inside-v4")
    assert "required by one or more floating IPs" in osc.refused("router", "unset", "--external-gateway", "border")
    osc("floating", "ip", "unset", "--port", address)
    assert osc.show("floating", "ip", "show", address)["port_id"] is None
    osc("floating", "ip", "delete", address)

    osc("port", "delete", "p")
    assert "still has ports" in osc.refused("router", "delete", "border")
    osc("router", "remove", "subnet", "border", "inside-v4")
    osc("router", "unset", "--external-gateway", "border")
    osc("router", "delete", "border")
    osc("network", "delete", "inside")
    osc("network", "delete", "outside")
    assert osc.rows("router", "list") == [] and osc.rows("floating", "ip", "list") == []


@TWICE
def test_subnet_pools(osc: Session, turn: str) -> None:
    scope = osc.show("address", "scope", "create", "--ip-version", "4", "scope")
    pool = osc.show(
        *("subnet", "pool", "create", "--pool-prefix", "10.79.0.0/16", "--default-prefix-length", "26"),
        *("--address-scope", "scope", "pool"),
    )
    assert (pool["prefixes"], pool["address_scope_id"]) == (["10.79.0.0/16"], scope["id"])
    osc("subnet", "pool", "set", "--name", "puddle", "--pool-prefix", "10.80.0.0/16", "pool")
    osc("network", "create", "green")
    subnet = osc.show("subnet", "create", "--network", "green", "--subnet-pool", "puddle", "--prefix-length", "28", "g")
    assert (subnet["cidr"], subnet["subnetpool_id"]) == ("10.79.0.0/28", pool["id"])
    assert osc.names("subnet", "list", "--subnet-pool", "puddle") == ["g"]
    assert "existing allocations" in osc.refused("subnet", "pool", "delete", "puddle")
    osc("network", "delete", "green")
    osc("subnet", "pool", "delete", "puddle")
    osc("address", "scope", "delete", "scope")
    assert osc.rows("subnet", "pool", "list") == []
