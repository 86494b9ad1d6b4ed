"""Security groups as a table of the packet filter, for one network. Pure.

A bridge cannot ask the connection tracker here, so what belongs to a known conversation gets a mark before it is bridged
(``track_rules``), and the table lets marked packets pass. Ports with the same groups share a chain, so that one more port is one
more element of two maps. What leaves a guest is judged first by its own groups, then by the receiver's.
"""

import hashlib
import ipaddress
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from kilonova.drivers.network.layout import METADATA_IP, Member
from kilonova.drivers.network.tables import Holding, Table
from kilonova.model.fabric import GroupPlan, GroupRule

Plans = Mapping[str, GroupPlan]
InGroup = Callable[[str], Collection[str]]
"""Group id → every address (IP or CIDR) of every port in it, on all networks."""

KNOWN, INVALID = "0x80000000", "0x40000000"

_TRACK = f"""
table inet track {{
  chain arriving {{
    type filter hook prerouting priority -150; policy accept;
    ct state established,related meta mark set meta mark or {KNOWN}
    ct state invalid meta mark set meta mark or {INVALID}
  }}
  chain own {{
    type filter hook output priority -150; policy accept;
    meta mark set meta mark or {KNOWN}
  }}
}}
"""
"""What this machine itself begins (DHCP, metadata, ``kilonova ssh``) counts as known."""

_HOOKS: Mapping[str, tuple[str, ...]] = {
    "passing_out": ("type filter hook forward priority -200; policy accept;", "iifname vmap @senders"),
    "passing_in": ("type filter hook forward priority -190; policy accept;", "oifname vmap @receivers"),
    "arriving": ("type filter hook input priority -200; policy accept;", "iifname vmap @senders"),
    "leaving": ("type filter hook output priority -200; policy accept;", "oifname vmap @receivers"),
    "must_out": (
        "ether type arp accept",
        f"meta mark & {KNOWN} != 0 accept",
        "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
        "icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } accept",
        f"meta mark & {INVALID} != 0 drop",
        "ether type ip udp sport 68 udp dport 67 accept",
        "ether type ip6 udp sport 546 udp dport 547 accept",
        f"ip daddr {METADATA_IP} tcp dport 80 accept",
    ),
    "must_in": (
        "ether type arp accept",
        f"meta mark & {KNOWN} != 0 accept",
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept",
        f"meta mark & {INVALID} != 0 drop",
        "ether type ip udp sport 67 udp dport 68 accept",
        "ether type ip6 udp sport 547 udp dport 546 accept",
    ),
}

_NUMBERS = {
    **{"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41, "ipv6-route": 43},
    **{"ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ipv6-nonxt": 59},
    **{"ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136},
}
WITH_PORTS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
_NOTHING = GroupPlan(id="", revision=0)


def number_of(rule: GroupRule) -> int | None:
    """The rule's IP protocol; None: any."""
    name = (rule.protocol or "any").lower()
    if name in ("any", "0"):
        return None
    number = _NUMBERS.get(name, int(name) if name.isdigit() else 255)
    return 58 if number == 1 and rule.version == 6 else number


def track_rules(*, anew: bool) -> str:
    """What marks the packets of known conversations. `anew`: in place of what stands."""
    return ("table inet track\ndelete table inet track\n" if anew else "") + _TRACK


def groups_table(members: Iterable[Member], plans: Plans, in_group: InGroup) -> Table:
    """What each of these members may send and receive. A group that is not known yet lets nothing pass."""
    senders, receivers, chains = dict[str, str](), dict[str, str](), dict(_HOOKS)
    used: set[str] = set()
    for member in members:
        tap = f'"{member.tap}"'
        if not member.up:
            senders[tap] = receivers[tap] = "drop"
        elif member.guarded:
            profile = _short("\n".join(member.groups))
            senders[tap], receivers[tap] = f"goto o_{profile}", f"goto i_{profile}"
            if f"o_{profile}" not in chains:
                used.update(member.groups)
                chains[f"o_{profile}"] = ("jump must_out", *(f"jump go_{_short(one)}" for one in member.groups), "drop")
                chains[f"i_{profile}"] = ("jump must_in", *(f"jump gi_{_short(one)}" for one in member.groups), "drop")
    wide: set[str] = set()
    sets = {"senders": Holding("type ifname : verdict;", senders), "receivers": Holding("type ifname : verdict;", receivers)}
    for remote in sorted(remotes(used, plans)):
        for name, holding in _addresses(remote, in_group(remote)).items():
            sets[name] = holding
            wide.update([name] if "interval" in holding.about else [])
    for group in sorted(used):
        for direction, letter in (("egress", "o"), ("ingress", "i")):
            rules = (rule for rule in plans.get(group, _NOTHING).rules if rule.direction == direction)
            chains[f"g{letter}_{_short(group)}"] = tuple(line for rule in rules for line in _lines(rule, wide))
    return Table("bridge groups", sets, chains)


def remotes(groups: Iterable[str], plans: Plans) -> set[str]:
    """The groups that the rules of these groups name."""
    return {rule.remote_group for group in groups for rule in plans.get(group, _NOTHING).rules if rule.remote_group}


def _addresses(group: str, addresses: Iterable[str]) -> dict[str, Holding]:
    """The sets of one remote group: single addresses of either version, and ranges only where there are any."""
    plain: dict[int, dict[str, str]] = {4: {}, 6: {}}
    ranges: dict[int, list[str]] = {4: [], 6: []}
    for address in addresses:
        version = 6 if ":" in address else 4
        if "/" in address:
            ranges[version].append(address)
        else:
            plain[version][address] = ""
    found = {}
    for version in (4, 6):
        kind = "ipv4_addr" if version == 4 else "ipv6_addr"
        found[f"a{version}_{_short(group)}"] = Holding(f"type {kind};", plain[version])
        if ranges[version]:
            collapsed = {str(one): "" for one in _collapse(ranges[version])}
            found[f"r{version}_{_short(group)}"] = Holding(f"type {kind}; flags interval;", collapsed)
    return found


def _collapse(cidrs: Iterable[str]) -> "Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]":
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]
    return ipaddress.collapse_addresses(networks)  # type: ignore[type-var] # all of one version


def _lines(rule: GroupRule, wide: set[str]) -> Iterator[str]:
    """The rule, once for each set of addresses its remote side may be in; nothing when it can never match."""
    side = "saddr" if rule.direction == "ingress" else "daddr"
    field = f"ip {side}" if rule.version == 4 else f"ip6 {side}"
    what = f"ether type {'ip' if rule.version == 4 else 'ip6'} {_protocol(rule)}"
    if rule.remote_group:
        short = _short(rule.remote_group)
        for name in (f"a{rule.version}_{short}", f"r{rule.version}_{short}"):
            if name.startswith("a") or name in wide:
                yield f"{field} @{name} {what}accept"
    elif rule.remote_cidr:
        cidr = ipaddress.ip_network(rule.remote_cidr, strict=False)
        if cidr.version == rule.version:
            yield f"{field} {cidr} {what}accept" if cidr.prefixlen else f"{what}accept"
    else:
        yield f"{what}accept"


def _protocol(rule: GroupRule) -> str:
    number = number_of(rule)
    if number is None:
        return ""
    low, high = rule.port_min, rule.port_max
    if number in WITH_PORTS and low is not None:
        last = low if high is None else high
        return f"{WITH_PORTS[number]} dport {low}-{last} " if last != low else f"{WITH_PORTS[number]} dport {low} "
    if number in (1, 58) and low is not None:
        name = "icmp" if number == 1 else "icmpv6"
        return f"meta l4proto {number} {name} type {low} " + (f"{name} code {high} " if high is not None else "")
    return f"meta l4proto {number} "


@lru_cache(maxsize=4096)
def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
