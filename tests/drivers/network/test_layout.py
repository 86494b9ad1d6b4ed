"""What a network must look like, and the rules that follow from it: pure, and nothing of an order passes unread."""

from typing import Any

import msgspec
import pytest

from kilonova.drivers.network.dhcp import hosts_text
from kilonova.drivers.network.layout import lay_out, link_local, members_of, tap_name
from kilonova.drivers.network.rules import member_rules, network_rules
from kilonova.errors import BuildFailed
from tests.drivers.network.guest import NET_A, a_port


def test_a_tap_is_named_after_its_port() -> None:
    assert tap_name(a_port(5).id) == "tap000000051a2"


def test_the_later_port_tells_what_a_subnet_is_like() -> None:
    known = a_port(6)
    newer = msgspec.structs.replace(known.addresses[0], dns=("192.0.2.1",))
    layout = lay_out(NET_A, [a_port(5), msgspec.structs.replace(known, addresses=(newer,), mtu=1400)])
    assert [subnet.dns for subnet in layout.subnets] == [("192.0.2.1",)]
    assert layout.mtu == 1400
    assert lay_out(NET_A, [a_port(7)]).bridge_mac == layout.bridge_mac, "guests keep the gateway's MAC in mind"


def test_an_address_of_two_ports_belongs_to_the_later() -> None:
    heir = msgspec.structs.replace(a_port(6), addresses=a_port(5).addresses)
    members = members_of([a_port(5), heir])
    assert [member.ips for member in members] == [(), ("10.0.0.5",)]
    assert hosts_text(members) == f"{heir.mac},10.0.0.5\n"


def test_a_link_local_address_follows_from_the_mac() -> None:
    assert link_local("02:00:00:00:00:0b") == "fe80::ff:fe00:b"


@pytest.mark.parametrize(
    "bad",
    [
        {"mac": "02:00:00:00:00:05,evil"},
        {"mac": "02:00:00:00:00:05\n"},
        {"ip": "10.0.0.5\ndhcp-script=/bin/sh"},
        {"ip": "fe80::1%eth0"},
        {"gateway": "10.0.0.1,10.0.0.2"},
        {"cidr": "10.0.0.0/24\nport=53"},
        {"dns": ("192.0.2.53 }",)},
        {"host_routes": (("0.0.0.0/0", "somewhere"),)},
        {"mtu": 1},
        {"id": "../../etc"},
    ],
)
def test_what_cannot_be_read_is_refused(bad: dict[str, Any]) -> None:
    port = a_port(5)
    of_port = {name: value for name, value in bad.items() if name in {"mac", "mtu", "id"}}
    of_address = {name: value for name, value in bad.items() if name not in of_port}
    address = msgspec.structs.replace(port.addresses[0], **of_address)
    ports = [msgspec.structs.replace(port, addresses=(address,), **of_port)]
    with pytest.raises(BuildFailed):
        lay_out(NET_A, ports), members_of(ports)


def test_only_what_is_new_is_added() -> None:
    before, after = members_of([a_port(5)]), members_of([a_port(5), a_port(6, port_security=False)])
    change = member_rules(before, after)
    assert "flush" not in change
    assert "10.0.0.5" not in change
    assert '"tap000000061a2" . 10.0.0.6' in change
    assert 'unguarded { "tap000000061a2" }' in change
    assert member_rules(after, after) == ""


def test_what_is_gone_is_flushed_and_the_rest_stays() -> None:
    change = member_rules(members_of([a_port(5), a_port(6)]), members_of([a_port(6)]))
    assert change.count("flush set bridge guard") == 4
    assert "10.0.0.5" not in change
    assert "10.0.0.6" in change


def test_rules_are_cleared_only_where_some_may_stand() -> None:
    assert "delete table" not in network_rules((), anew=False)
    assert network_rules((), anew=True).count("delete table") == 2
