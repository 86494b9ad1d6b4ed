"""What a network must look like, and the rules that follow from it: pure, and nothing of an order passes unread."""

from typing import Any

import msgspec
import pytest

from kilonova.drivers.network.dhcp import hosts_text
from kilonova.drivers.network.layout import lay_out, link_local, members_of, tap_name
from kilonova.drivers.network.rules import guard
from kilonova.drivers.network.tables import change, only_adds, whole
from kilonova.errors import BuildFailed
from kilonova.model.fabric import RouterPort
from kilonova.model.ids import PortId, SubnetId
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
    before, after = guard(members_of([a_port(5)])), guard(members_of([a_port(5), a_port(6, port_security=False)]))
    told = change(before, after)
    assert only_adds(before, after)
    assert "delete" not in told
    assert "10.0.0.5" not in told
    assert '"tap000000061a2" . 02:00:00:00:1a:06 . 10.0.0.6' in told
    assert 'unguarded { "tap000000061a2" }' in told
    assert change(after, after) == ""


def test_what_is_gone_is_taken_away_and_the_rest_stays() -> None:
    before, after = guard(members_of([a_port(5), a_port(6)])), guard(members_of([a_port(6)]))
    told = change(before, after)
    assert not only_adds(before, after)
    assert "delete element bridge guard owners4" in told
    assert "10.0.0.5" in told
    assert "10.0.0.6" not in told


def test_tables_are_cleared_only_where_some_may_stand() -> None:
    table = guard(members_of([a_port(5)]))
    assert "delete table" not in whole(table, anew=False)
    assert whole(table, anew=True).count("delete table") == 1


def test_a_gateway_that_is_a_router_is_not_on_the_bridge() -> None:
    end = RouterPort(
        port_id=PortId("7" * 8 + "-0000-4000-8000-000000000000"),
        network_id=NET_A,
        mac="02:00:00:00:00:01",
        mtu=1450,
        addresses=(("10.0.0.1", "10.0.0.0/24", SubnetId("s")),),
    )
    alone, routed = lay_out(NET_A, [a_port(5)]), lay_out(NET_A, [a_port(5)], [end])
    assert [(one.gateway, one.carried) for one in alone.subnets] == [("10.0.0.1", "10.0.0.1")]
    assert [(one.gateway, one.carried) for one in routed.subnets] == [("10.0.0.1", None)]
    assert (alone.leaves, routed.leaves) == (True, False)
    assert [one.own - {"169.254.169.254", link_local(one.bridge_mac)} for one in (alone, routed)] == [{"10.0.0.1"}, set()]
    beside = lay_out(NET_A, [a_port(5)], [msgspec.structs.replace(end, addresses=(("10.0.0.7", "10.0.0.0/24", SubnetId("s")),))])
    assert beside.leaves
    assert beside.subnets[0].carried == "10.0.0.1"
