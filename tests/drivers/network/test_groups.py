"""What security groups become: pure, each form of a rule, the shortest way from one table to the next, and who may go on."""

from typing import Any

import msgspec
import pytest

from kilonova.drivers.network.conntrack import Flow
from kilonova.drivers.network.groups import groups_table
from kilonova.drivers.network.judge import judge
from kilonova.drivers.network.layout import members_of
from kilonova.drivers.network.tables import change, only_adds, whole
from kilonova.model.fabric import GroupPlan, GroupRule
from tests.drivers.network.guest import a_port
from tests.drivers.network.plans import DB, WEB, a_group, a_rule

OWN = {"10.0.0.1", "fe80::1"}


def _rules(*rules: GroupRule, known: frozenset[str] = frozenset()) -> list[str]:
    """The lines of the group's two chains."""
    table = groups_table(
        members_of([a_port(5, groups=(WEB,))]), {WEB: GroupPlan(id=WEB, revision=1, rules=rules)}, lambda _: known
    )
    return [line for name, lines in table.chains.items() if name[:3] in ("gi_", "go_") for line in lines]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({}, "ether type ip tcp dport 80 accept"),
        ({"port_max": 90}, "ether type ip tcp dport 80-90 accept"),
        ({"protocol": None, "port_min": None}, "ether type ip accept"),
        ({"protocol": "any", "port_min": None}, "ether type ip accept"),
        ({"protocol": "17"}, "ether type ip udp dport 80 accept"),
        ({"protocol": "vrrp", "port_min": None}, "ether type ip meta l4proto 112 accept"),
        ({"protocol": "icmp", "port_min": 8, "port_max": 0}, "ether type ip meta l4proto 1 icmp type 8 icmp code 0 accept"),
        ({"protocol": "icmp", "port_min": None}, "ether type ip meta l4proto 1 accept"),
        (
            {"version": 6, "protocol": "icmp", "port_min": 128, "port_max": None},
            "ether type ip6 meta l4proto 58 icmpv6 type 128 accept",
        ),
        ({"remote_cidr": "192.0.2.7/24"}, "ip saddr 192.0.2.0/24 ether type ip tcp dport 80 accept"),
        ({"remote_cidr": "0.0.0.0/0"}, "ether type ip tcp dport 80 accept"),
        ({"direction": "egress", "remote_cidr": "192.0.2.0/24"}, "ip daddr 192.0.2.0/24 ether type ip tcp dport 80 accept"),
        ({"version": 6, "remote_cidr": "2001:db8::/32"}, "ip6 saddr 2001:db8::/32 ether type ip6 tcp dport 80 accept"),
    ],
)
def test_each_form_of_a_rule(rule: dict[str, Any], line: str) -> None:
    assert _rules(a_rule(**rule)) == [line]


def test_a_rule_that_can_never_match_is_left_out() -> None:
    assert _rules(a_rule(remote_cidr="2001:db8::/32")) == []


def test_ranges_of_a_remote_group_are_matched_too() -> None:
    names = [line.split("@")[1][:2] for line in _rules(a_rule(remote_group=DB), known=frozenset({"10.0.0.9", "10.9.0.0/24"}))]
    assert names == ["a4", "r4"]


def test_one_more_port_with_the_same_groups_is_only_elements() -> None:
    plans = {WEB: a_group(a_rule(remote_group=WEB))}
    ports = [a_port(5, groups=(WEB,)), a_port(6, groups=(WEB,))]
    before = groups_table(members_of(ports[:1]), plans, lambda _: frozenset({"10.0.0.5"}))
    after = groups_table(members_of(ports), plans, lambda _: frozenset({"10.0.0.5", "10.0.0.6"}))
    told = change(before, after)
    assert only_adds(before, after)
    assert {line.split()[0] for line in told.splitlines()} == {"add"}
    assert told.count("add element") == 3
    assert change(after, after) == ""


def test_a_rule_that_goes_changes_one_chain() -> None:
    members = members_of([a_port(5, groups=(WEB,))])
    before = groups_table(members, {WEB: a_group(a_rule(), a_rule(port_min=22, port_max=22))}, lambda _: ())
    after = groups_table(members, {WEB: a_group(a_rule())}, lambda _: ())
    told = change(before, after).splitlines()
    assert not only_adds(before, after)
    assert [line.split()[0] for line in told] == ["flush", "add"]


def test_the_last_port_of_a_group_takes_its_chains_along() -> None:
    plans = {WEB: a_group(a_rule(remote_group=DB))}
    before = groups_table(members_of([a_port(5, groups=(WEB,))]), plans, lambda _: frozenset({"10.0.0.9"}))
    after = groups_table((), plans, lambda _: ())
    told = change(before, after)
    assert told.count("delete chain") == 4
    assert told.count("delete set") == 2
    assert told.count("delete element") == 3
    assert whole(after, anew=False).count("table bridge groups") == 1


def _flow(**changed: Any) -> Flow:
    known: dict[str, Any] = {"protocol": 6, "source": "10.0.0.5", "target": "10.0.0.6", "port": 80, "code": 0}
    merged = {**known, **changed}
    return Flow(**merged, answer_from=merged["target"], answer_to=merged["source"])


@pytest.mark.parametrize(
    ("flow", "rules", "goes_on"),
    [
        ({}, (a_rule(),), True),
        ({}, (), False),
        ({"port": 81}, (a_rule(),), False),
        ({"port": 81}, (a_rule(port_max=81),), True),
        ({"protocol": 17}, (a_rule(),), False),
        ({"protocol": 17, "port": 67}, (), True),
        ({"target": "169.254.169.254"}, (), True),
        ({"protocol": 1, "port": 8}, (a_rule(protocol="icmp", port_min=8, port_max=0),), True),
        ({"protocol": 1, "port": 8, "code": 1}, (a_rule(protocol="icmp", port_min=8, port_max=0),), False),
        ({}, (a_rule(remote_cidr="10.0.0.4/31"),), True),
        ({}, (a_rule(remote_cidr="10.0.0.6/31"),), False),
        ({}, (a_rule(remote_group=DB),), True),
        ({}, (a_rule(remote_group=WEB),), False),
        ({}, (a_rule(version=6),), False),
        ({"source": "10.0.0.6", "target": "10.0.0.5"}, (), True),
        ({"source": "192.0.2.1", "target": "192.0.2.2"}, (), True),
        ({"source": "10.0.0.6", "target": "10.0.0.99"}, (), False),
        ({"source": "10.0.0.1"}, (), True),
        ({"source": "10.0.0.2"}, (), False),
        ({"source": "10.0.0.1", "target": "10.0.0.99"}, (), False),
        ({"source": "fe80::ff:fe00:1a05", "target": "fe80::ff:fe00:1a06"}, (), False),
        ({"source": "fe80::ff:fe00:1a05", "target": "fe80::ff:fe00:1a06"}, (a_rule(version=6),), True),
        ({"source": "fe80::1", "target": "fe80::ff:fe00:1a06"}, (), True),
    ],
)
def test_who_may_go_on(flow: dict[str, Any], rules: tuple[GroupRule, ...], goes_on: bool) -> None:
    """10.0.0.5 is in no group's way, 10.0.0.6 has the rules; 10.0.0.99 has just gone; 10.0.0.1 and fe80::1 are the node's own."""
    members = members_of([a_port(5, port_security=False), a_port(6, groups=(WEB,))])
    in_group = {DB: frozenset({"10.0.0.5"})}
    may = judge(members, {WEB: a_group(*rules)}, lambda group: in_group.get(group, frozenset()), OWN, {"10.0.0.99"})
    assert may(_flow(**flow)) is goes_on


def test_a_port_that_is_off_ends_everything() -> None:
    members = members_of([a_port(5), msgspec.structs.replace(a_port(6), up=False)])
    may = judge(members, {}, lambda _: (), OWN, ())
    assert not may(_flow())
    assert not may(_flow(source="10.0.0.1")), "not even what the node itself began"


def test_an_address_of_the_node_that_a_port_may_send_from_is_judged_as_the_ports() -> None:
    """It could be either, so what the groups do not let begin does not go on."""
    members = members_of([a_port(5, allowed_pairs=(("10.0.0.1", ""),)), a_port(6, groups=(WEB,))])
    assert not judge(members, {WEB: a_group()}, lambda _: (), OWN, ())(_flow(source="10.0.0.1"))
