"""The rules of subnets, ports and security groups, without a database."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilonova.errors import BadRequest, Conflict
from kilonova.model.network import HostRoute, Pool
from kilonova.model.network_wish import NewSecurityGroupRule, PairWish
from kilonova.model.port_rules import address_from_mac, address_pairs, new_mac, read_mac, vnic_type
from kilonova.model.security_rules import PROTOCOLS, default_terms, new_group_terms, rule_terms
from kilonova.model.subnet_rules import (
    default_gateway,
    default_pools,
    dns_nameservers,
    gateway,
    host_routes,
    in_pool,
    overlap,
    pools,
    read_cidr,
    read_ip,
    refuse_unusable,
    subnet_cidr,
)


@pytest.mark.parametrize(
    ("cidr", "without", "ranges"),
    [
        ("10.0.0.0/24", "10.0.0.1", ["10.0.0.2-10.0.0.254"]),
        ("10.0.0.0/24", "10.0.0.254", ["10.0.0.1-10.0.0.253"]),
        ("10.0.0.0/24", "10.0.0.100", ["10.0.0.1-10.0.0.99", "10.0.0.101-10.0.0.254"]),
        ("10.0.0.0/24", None, ["10.0.0.1-10.0.0.254"]),
        ("10.0.0.0/30", "10.0.0.1", ["10.0.0.2-10.0.0.2"]),
        ("10.0.0.0/31", None, ["10.0.0.0-10.0.0.1"]),
        ("10.0.0.1/32", "10.0.0.1", []),
        ("2001:db8::/126", "2001:db8::1", ["2001:db8::2-2001:db8::3"]),
        ("2001:db8::/64", "fe80::1", ["2001:db8::1-2001:db8::ffff:ffff:ffff:ffff"]),
    ],
)
def test_default_pools(cidr: str, without: str | None, ranges: list[str]) -> None:
    found = default_pools(ip_network(cidr), ip_address(without) if without else None)
    assert [f"{pool.start}-{pool.end}" for pool in found] == ranges


@given(prefix=st.integers(8, 29), host=st.integers(0, 2**20))
def test_default_pools_hold_everything_but_the_gateway(prefix: int, host: int) -> None:
    net = ip_network((10 << 24, prefix), strict=False)
    way_out = net.network_address + 1 + host % (net.num_addresses - 2)
    found = default_pools(net, way_out)
    size = sum(int(ip_address(pool.end)) - int(ip_address(pool.start)) + 1 for pool in found)
    assert size == net.num_addresses - 3
    assert not any(in_pool(way_out, pool) for pool in found)


def test_gateways() -> None:
    net = ip_network("10.0.0.0/24")
    assert str(default_gateway(net)) == "10.0.0.1" and default_gateway(ip_network("10.0.0.1/32")) is None
    assert str(gateway("10.0.0.9", net)) == "10.0.0.9"
    assert str(gateway("fe80::1", ip_network("2001:db8::/64"))) == "fe80::1"
    for bad in ("10.0.0.0", "10.0.0.255", "10.0.1.1", "::1", "x", "fe80::1%eth0"):
        with pytest.raises(BadRequest):
            gateway(bad, net)


def test_pools_come_in_order_and_apart() -> None:
    net = ip_network("10.0.0.0/24")
    high, low = Pool(start="10.0.0.20", end="10.0.0.30"), Pool(start="10.0.0.2", end="10.0.0.19")
    assert pools([high, low], net, None) == (low, high)
    with pytest.raises(Conflict):
        pools([high, Pool(start="10.0.0.30", end="10.0.0.31")], net, None)
    with pytest.raises(Conflict):
        pools([high], net, ip_address("10.0.0.25"))
    for start, end in (("10.0.0.0", "10.0.0.5"), ("10.0.0.5", "10.0.0.255"), ("10.0.0.9", "10.0.0.8"), ("::1", "::2")):
        with pytest.raises(BadRequest):
            pools([Pool(start=start, end=end)], net, None)


@pytest.mark.parametrize(
    "text", ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "x/8", "", "/", "::1%1/64", "010.0.0.0/8", "10.0.0.0/255.0.0.0/8"]
)
def test_cidrs_that_are_none(text: str) -> None:
    with pytest.raises(BadRequest):
        read_cidr(text, "cidr")


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_bad_request(text: str) -> None:
    for read in (lambda: read_ip(text, "x"), lambda: read_cidr(text, "x"), lambda: read_mac(text)):
        try:
            read()
        except BadRequest:
            pass


def test_subnets_fit_for_dhcp() -> None:
    assert str(subnet_cidr("10.0.0.0/30", 4, True)) == "10.0.0.0/30"
    assert str(subnet_cidr("10.0.0.0/31", 4, False)) == "10.0.0.0/31"
    assert str(subnet_cidr("2001:DB8:0::/64", 6, True)) == "2001:db8::/64"
    for cidr, version in (("10.0.0.0/31", 4), ("127.0.0.0/8", 4), ("0.0.0.0/0", 4), ("10.0.0.0/8", 6), ("ff00::/64", 6)):
        with pytest.raises(BadRequest):
            subnet_cidr(cidr, version, True)


def test_overlap_and_addresses() -> None:
    assert (
        overlap("10.0.0.0/8", "10.1.0.0/16") and not overlap("10.0.0.0/24", "10.0.1.0/24") and not overlap("::/8", "10.0.0.0/8")
    )
    assert str(refuse_unusable("10.0.0.254", ip_network("10.0.0.0/24"))) == "10.0.0.254"
    for bad in ("10.0.0.255", "10.0.0.0", "10.0.1.1"):
        with pytest.raises(BadRequest):
            refuse_unusable(bad, ip_network("10.0.0.0/24"))
    assert dns_nameservers(["2001:DB8::0", "1.1.1.1"]) == ("2001:db8::", "1.1.1.1") and dns_nameservers(None) == ()
    route = HostRoute(destination="10.0.0.0/8", nexthop="10.0.0.1")
    assert host_routes([route], 4) == (route,)
    for wrong in ([route, route], [HostRoute(destination="10.0.0.1/8", nexthop="10.0.0.1")]):
        with pytest.raises(BadRequest):
            host_routes(wrong, 4)


def test_macs() -> None:
    assert new_mac().startswith("fa:16:3e:") and read_mac(new_mac()) and len({new_mac() for _ in range(50)}) > 45
    assert read_mac("FA-16-3E-AA-BB-CC") == "fa:16:3e:aa:bb:cc"
    for bad in ("", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "fa:16:3e:aa:bb", "fa:16:3e:aa:bb:cg"):
        with pytest.raises(BadRequest):
            read_mac(bad)
    assert address_from_mac("2001:db8::/64", "fa:16:3e:00:00:01") == "2001:db8::f816:3eff:fe00:1"
    assert vnic_type("direct") == "direct"
    with pytest.raises(BadRequest):
        vnic_type("none")


def test_pairs() -> None:
    mac = "fa:16:3e:00:00:01"
    found = address_pairs(
        [PairWish(ip_address="10.0.0.0/24"), PairWish(ip_address="10.0.0.1", mac_address="FA:16:3E:00:00:02")], mac
    )
    assert [(pair.ip_address, pair.mac_address) for pair in found] == [("10.0.0.0/24", mac), ("10.0.0.1", "fa:16:3e:00:00:02")]
    with pytest.raises(BadRequest):
        address_pairs([PairWish(ip_address=f"10.0.0.{n}") for n in range(11)], mac)


def test_the_same_rule_in_other_words_is_the_same() -> None:
    def key(**said: object) -> str:
        return rule_terms(NewSecurityGroupRule(security_group_id="g", direction="ingress", **said)).key  # type: ignore[arg-type]

    assert key(protocol="tcp") == key(protocol=6) == key(protocol="TCP") != key(protocol="udp")
    assert (
        key(protocol="icmp", ethertype="IPv6") == key(protocol="icmpv6", ethertype="ipv6") == key(protocol=58, ethertype="IPv6")
    )
    assert key(remote_ip_prefix="10.0.0.1") == key(remote_ip_prefix="10.0.0.1/32") != key()
    assert key(protocol="any") == key()
    assert all(0 <= number <= 255 for number in PROTOCOLS.values())
    assert len({terms.key for terms in default_terms("g")}) == 4 and len(new_group_terms()) == 2
