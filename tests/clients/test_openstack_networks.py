"""The stock command line: networks, subnets, ports, security groups, and what the network service says of itself."""

import pytest

from tests.clients.session import Session

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])


@TWICE
def test_networks_subnets_and_ports(osc: Session, turn: str) -> None:
    network = osc.show("network", "create", "--description", "d", "--mtu", "1400", "--tag", "t", "red")
    assert (network["name"], network["status"], network["mtu"], network["admin_state_up"]) == ("red", "ACTIVE", 1400, True)
    osc("network", "set", "--name", "rouge", "--description", "e", "red")
    assert osc.names("network", "list", "--tags", "t") == ["rouge"]

    subnet = osc.show(
        *("subnet", "create", "--network", "rouge", "--subnet-range", "10.77.0.0/24", "--dns-nameserver", "9.9.9.9"),
        *(
            "--allocation-pool",
            "start=10.77.0.10,end=10.77.0.20",
            "--host-route",
            "destination=10.9.0.0/16,gateway=10.77.0.2",
            "s",
        ),
    )
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["enable_dhcp"]) == ("10.77.0.0/24", "10.77.0.1", True)
    assert subnet["allocation_pools"] == [{"start": "10.77.0.10", "end": "10.77.0.20"}]
    osc("subnet", "set", "--name", "sub", "--dns-nameserver", "1.1.1.1", "--no-dhcp", "s")
    shown = osc.show("subnet", "show", "sub")
    assert set(shown["dns_nameservers"]) == {"1.1.1.1", "9.9.9.9"} and shown["enable_dhcp"] is False
    assert osc.names("subnet", "list", "--network", "rouge") == ["sub"]
    assert osc.show("network", "show", "rouge")["subnets"] == [subnet["id"]]

    port = osc.show("port", "create", "--network", "rouge", "--fixed-ip", "subnet=sub,ip-address=10.77.0.15", "p")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.77.0.15"}]
    assert port["mac_address"].startswith("fa:16:3e:") and port["status"] == "DOWN"
    osc("port", "set", "--name", "port", "--description", "x", "--disable", "p")
    shown = osc.show("port", "show", "port")
    assert (shown["description"], shown["admin_state_up"]) == ("x", False)
    assert osc.names("port", "list", "--network", "rouge") == ["port"]
    assert osc.names("port", "list", "--fixed-ip", "ip-address=10.77.0.15") == ["port"]
    assert "10.77.0.15" in osc.refused("port", "create", "--network", "rouge", "--fixed-ip", "ip-address=10.77.0.15", "q")

    assert "in use" in osc.refused("network", "delete", "rouge")
    osc("port", "delete", "port")
    osc("subnet", "delete", "sub")
    osc("network", "delete", "rouge")
    assert "rouge" in osc.refused("network", "show", "rouge")


@TWICE
def test_security_groups(osc: Session, turn: str) -> None:
    project = osc.show("token", "issue")["project_id"]
    (default,) = osc.rows("security", "group", "list", "--project", project)
    assert default["Name"] == "default"
    assert len(osc.rows("security", "group", "rule", "list", default["ID"])) == 4

    osc("security", "group", "create", "--description", "d", "web")
    rule = osc.show(
        "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80:81", "--remote-ip", "10.0.0.0/8", "web"
    )
    assert (rule["direction"], rule["protocol"], rule["port_range_min"], rule["port_range_max"]) == ("ingress", "tcp", 80, 81)
    rules = osc.rows("security", "group", "rule", "list", "web", "--long")
    assert [(row["IP Protocol"], row["IP Range"], row["Port Range"]) for row in rules if row["IP Protocol"]] == [
        ("tcp", "10.0.0.0/8", "80:81")
    ]
    osc("security", "group", "set", "--name", "www", "web")
    shown = osc.show("security", "group", "show", "www")
    assert shown["description"] == "d" and len(shown["rules"]) == 3
    osc("security", "group", "rule", "delete", rule["id"])
    assert len(osc.rows("security", "group", "rule", "list", "www")) == 2
    osc("security", "group", "delete", "www")


def test_what_the_service_says_of_itself(osc: Session) -> None:
    (agent,) = osc.rows("network", "agent", "list")
    assert (agent["Alive"], agent["State"]) == (True, True)
    assert osc.show("network", "agent", "show", agent["ID"])["host"] == agent["Host"]
    aliases = {row["Alias"] for row in osc.rows("extension", "list", "--network")}
    assert {"security-group", "quotas", "agent", "standard-attr-tag"} <= aliases and "bgp" not in aliases
    zones = osc.rows("availability", "zone", "list", "--long", "--network")
    assert [(row["Zone Name"], row["Zone Resource"]) for row in zones] == [("nova", "network"), ("nova", "router")]


def test_wrong_words(osc: Session) -> None:
    assert "400" in osc.refused("network", "create", "--mtu", "-1", "red")
    assert "nowhere" in osc.refused("subnet", "create", "--network", "nowhere", "--subnet-range", "10.77.0.0/24", "s")
    assert "400" in osc.refused("subnet", "create", "--network", "default", "--subnet-range", "10.77.0.0/99", "s")
