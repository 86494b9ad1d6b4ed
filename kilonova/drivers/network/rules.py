"""The nftables rulesets of one network and of the outside, as text. Pure; ``nft.py`` hands them to the kernel.

Guests are held to their own addresses by a bridge table that knows taps by *name*, so the rules can stand before a compute
node opens the tap. Stateful security groups are not made here.
"""

from collections.abc import Iterable
from functools import lru_cache

from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, UPLINK, Member, link_local

_CLEARED = """
table bridge guard
delete table bridge guard
table inet way
delete table inet way
"""

_GUARD = f"""
table bridge guard {{
  set macs {{ type ifname . ether_addr; }}
  set owners4 {{ type ifname . ipv4_addr; }}
  set owners6 {{ type ifname . ipv6_addr; }}
  set unguarded {{ type ifname; }}
  chain resolve {{
    iifname . arp saddr ether != @macs counter drop
    arp saddr ip 0.0.0.0 accept
    iifname . arp saddr ip @owners4 accept
    counter drop
  }}
  chain loose {{
    ip daddr {METADATA_IP} iifname . ip saddr != @owners4 counter drop
    accept
  }}
  chain guest {{
    iifname @unguarded goto loose
    iifname . ether saddr != @macs counter drop
    ether type arp goto resolve
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    udp sport {{ 67, 547 }} counter drop
    icmpv6 type {{ nd-router-advert, nd-redirect }} counter drop
    ether type ip iifname . ip saddr @owners4 accept
    ip6 saddr :: icmpv6 type {{ nd-neighbor-solicit, mld-listener-report, mld2-listener-report }} accept
    ether type ip6 iifname . ip6 saddr @owners6 accept
    counter drop
  }}
  chain entry {{
    type filter hook prerouting priority -310; policy accept;
    iifname "tap*" goto guest
  }}
}}
"""

_WAY = f"""
table inet way {{
  chain arriving {{
    type filter hook input priority 0; policy accept;
    iifname "{UPLINK}" ct state established,related accept
    iifname "{UPLINK}" icmp type echo-request accept
    iifname "{UPLINK}" drop
  }}
  chain passing {{
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "{BRIDGE}" ip daddr 169.254.0.0/16 drop
    iifname "{BRIDGE}" accept
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    oifname "{UPLINK}" masquerade
  }}
}}
"""


def network_rules(members: Iterable[Member], *, anew: bool) -> str:
    """All rules of a network's namespace: the guard with these members, and the way out and back.

    `anew`: in place of what stands. Taking rules away costs the kernel 10 to 20 ms, so a fresh namespace does without.
    """
    cleared = _CLEARED if anew else ""
    return cleared + _GUARD + _WAY + _add(_elements(members))


def member_rules(before: Iterable[Member], after: Iterable[Member]) -> str:
    """From the members `before` to the members `after`, in one transaction: whoever is not among them cannot send a frame.

    Only to add is a hundred times quicker than to take away, and it is what a build waits for.
    """
    standing, wanted = _elements(before), _elements(after)
    if all(standing[name] <= wanted[name] for name in wanted):
        return _add({name: wanted[name] - standing[name] for name in wanted})
    return "".join(f"flush set bridge guard {name}\n" for name in wanted) + _add(wanted)


def _elements(members: Iterable[Member]) -> dict[str, set[str]]:
    """What each set of the guard holds for these members."""
    sets: dict[str, set[str]] = {"macs": set(), "owners4": set(), "owners6": set(), "unguarded": set()}
    for port in members:
        for name, element in _elements_of(port):
            sets[name].add(element)
    return sets


@lru_cache(maxsize=16384)
def _elements_of(port: Member) -> tuple[tuple[str, str], ...]:
    tap = f'"{port.tap}"'
    found = [("macs", f"{tap} . {port.mac}"), ("owners6", f"{tap} . {link_local(port.mac)}")]
    found += [("owners6" if ":" in ip else "owners4", f"{tap} . {ip}") for ip in port.ips]
    return tuple(found if port.guarded else [*found, ("unguarded", tap)])


def _add(sets: dict[str, set[str]]) -> str:
    lines = (
        f"add element bridge guard {name} {{ {', '.join(sorted(elements))} }}\n" for name, elements in sets.items() if elements
    )
    return "".join(lines)


def outside_rules(table: str, transfer: str, links: str) -> str:
    """The outside's one table: networks leave with the outside's own addresses, and do not reach each other.

    `links` is the prefix of the links that lead to networks, `transfer` the CIDR of the small nets on them.
    """
    return f"""
table inet {table}
delete table inet {table}
table inet {table} {{
  chain passing {{
    type filter hook forward priority 0; policy accept;
    iifname "{links}*" oifname "{links}*" drop
    iifname "{links}*" accept
    oifname "{links}*" ct state established,related accept
    oifname "{links}*" drop
  }}
  chain leaving {{
    type nat hook postrouting priority 100;
    ip saddr {transfer} oifname != "{links}*" masquerade
  }}
}}
"""


def no_outside_rules(table: str) -> str:
    """Take the outside's table away, whether it is there or not."""
    return f"table inet {table}\ndelete table inet {table}\n"
