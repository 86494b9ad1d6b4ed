"""The nftables rulesets of one network and of the outside, as text and tables. Pure; ``nft.py`` hands them to the kernel.

Guests are held to their own addresses by a bridge table that knows taps by *name*, so the rules can stand before a compute
node opens the tap. What security groups let through stands in ``groups.py``.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache

from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, UPLINK, Layout, Member, link_local
from kilonova.drivers.network.tables import Holding, Table

_SETS = {
    "macs": "type ifname . ether_addr;",
    "owners4": "type ifname . ether_addr . ipv4_addr;",
    "owners6": "type ifname . ether_addr . ipv6_addr;",
    "ranges4": "type ifname . ether_addr . ipv4_addr; flags interval;",
    "ranges6": "type ifname . ether_addr . ipv6_addr; flags interval;",
    "unguarded": "type ifname;",
}

_CHAINS: Mapping[str, tuple[str, ...]] = {
    "resolve": (
        "iifname . arp saddr ether != @macs counter drop",
        "arp saddr ip 0.0.0.0 accept",
        "iifname . arp saddr ether . arp saddr ip @owners4 accept",
        "iifname . arp saddr ether . arp saddr ip @ranges4 accept",
        "counter drop",
    ),
    "loose": (
        f"ip daddr {METADATA_IP} iifname . ether saddr . ip saddr != @owners4 counter drop",
        "accept",
    ),
    "guest": (
        "iifname @unguarded goto loose",
        "iifname . ether saddr != @macs counter drop",
        "ether type arp goto resolve",
        "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
        "udp sport { 67, 547 } counter drop",
        "icmpv6 type { nd-router-advert, nd-redirect } counter drop",
        "ether type ip iifname . ether saddr . ip saddr @owners4 accept",
        "ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept",
        "ether type ip6 iifname . ether saddr . ip6 saddr @owners6 accept",
        f"ip daddr {METADATA_IP} counter drop",
        "ether type ip iifname . ether saddr . ip saddr @ranges4 accept",
        "ether type ip6 iifname . ether saddr . ip6 saddr @ranges6 accept",
        "counter drop",
    ),
    "entry": (
        "type filter hook prerouting priority -310; policy accept;",
        'iifname "tap*" goto guest',
    ),
}


def guard(members: Iterable[Member]) -> Table:
    """Who may send as whom: whoever is not among the members cannot send a frame."""
    sets: dict[str, dict[str, str]] = {name: {} for name in _SETS}
    for port in members:
        for name, element in _elements_of(port):
            sets[name][element] = ""
    return Table("bridge guard", {name: Holding(_SETS[name], elements) for name, elements in sets.items()}, _CHAINS)


@lru_cache(maxsize=16384)
def _elements_of(port: Member) -> tuple[tuple[str, str], ...]:
    tap = f'"{port.tap}"'
    found = []
    for mac in sorted({port.mac, *(mac for _, mac in port.pairs)}):
        found += [("macs", f"{tap} . {mac}"), ("owners6", f"{tap} . {mac} . {link_local(mac)}")]
        found += [("owners6" if ":" in ip else "owners4", f"{tap} . {mac} . {ip}") for ip in port.sources(mac)]
        found += [("ranges6" if ":" in cidr else "ranges4", f"{tap} . {mac} . {cidr}") for cidr in port.ranges(mac)]
    return tuple(found if port.guarded else [*found, ("unguarded", tap)])


def way(layout: Layout, *, anew: bool) -> str:
    """The way out and back; on an external network also the way in, for its own addresses. `anew`: in place of what stands."""
    cleared = "table inet way\ndelete table inet way\n" if anew else ""
    own = [subnet.cidr for subnet in layout.subnets if subnet.version == 4]
    coming = [f'iifname "{UPLINK}" oifname "{BRIDGE}" ip daddr {{ {", ".join(own)} }} accept'] * bool(layout.external and own)
    # Under a strange address nobody would be answered: a router that does not translate leads no farther than here.
    going = [f'oifname "{UPLINK}" ip saddr != {{ {", ".join(own)} }} drop'] * bool(layout.external and own)
    leaving = "" if layout.external else f'oifname "{UPLINK}" masquerade'
    return f"""{cleared}
table inet way {{
  chain arriving {{
    type filter hook input priority 0; policy accept;
    iifname "{UPLINK}" ct state established,related accept
    iifname "{UPLINK}" icmp type echo-request accept
    iifname "{UPLINK}" drop
  }}
  chain passing {{
    type filter hook forward priority 0; policy drop;
    iifname "{BRIDGE}" oifname "{BRIDGE}" accept
    ct state established,related accept
    {" ".join(coming)}
    iifname "{BRIDGE}" ip daddr 169.254.0.0/16 drop
    {" ".join(going)}
    iifname "{BRIDGE}" accept
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    {leaving}
  }}
}}
"""


def outside_rules(table: str, transfer: str, links: str, public: Mapping[str, Iterable[str]]) -> str:
    """The outside's one table: networks leave with the outside's own addresses, and do not reach each other.

    `links` is the prefix of the links that lead to networks, `transfer` the CIDR of the small nets on them. `public`: those
    links where others may begin to talk too, with the CIDRs behind each: external networks.
    """
    inside = [transfer, *(cidr for cidrs in public.values() for cidr in cidrs)]
    addresses = ", ".join(map(str, ipaddress.collapse_addresses(map(ipaddress.IPv4Network, inside))))
    opened = "".join(f'    oifname "{link}" accept\n' for link in sorted(public))
    return f"""
table inet {table}
delete table inet {table}
table inet {table} {{
  chain passing {{
    type filter hook forward priority 0; policy accept;
    oifname "{links}*" ct state established,related accept
{opened}    iifname "{links}*" oifname "{links}*" drop
    iifname "{links}*" accept
    oifname "{links}*" drop
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    ip saddr {{ {addresses} }} oifname != "{links}*" masquerade
  }}
}}
"""


def no_outside_rules(table: str) -> str:
    """Take the outside's table away, whether it is there or not."""
    return f"table inet {table}\ndelete table inet {table}\n"
