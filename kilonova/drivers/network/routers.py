"""One router: a namespace of its own with a wire into each of its networks, put up and taken down.

It forwards, translates addresses towards its external network, and announces itself to IPv6 guests. Every call blocks and
belongs in a thread, says how it must be in the end, and can be repeated.
"""

import ipaddress
from collections.abc import Mapping
from functools import partial
from typing import Any

from kilonova.drivers.network import conntrack, links, namespaces, nft
from kilonova.drivers.network.assembly import Assembly
from kilonova.drivers.network.conntrack import Flow
from kilonova.drivers.network.layout import METADATA_IP, parsed_cidr, parsed_ip, parsed_mac, router_link
from kilonova.drivers.network.store import RouterRecord
from kilonova.drivers.network.tables import Holding, Table, whole
from kilonova.errors import BuildFailed
from kilonova.model.fabric import RouterPlan, RouterPort
from kilonova.model.ids import NetworkId, PortId

_DEFAULTS, _EXTRA = 177, 178
"""The origins (rtm_protocol) of the routes that lead out, and of those the owner added."""
_METADATA_PRIORITY, _METADATA_TABLES = 100, 1000
_FROM_OUTSIDE = "0x1"


def put_up(record: RouterRecord, rooms: Mapping[NetworkId, str], assembly: Assembly) -> None:
    """Make it so. `rooms`: the namespaces of its networks, which stand.

    Raises OSError, and BuildFailed with a sentence for its owner; in the second case all else of it stands.
    """
    name, plan = record.namespace, record.plan
    fresh = namespaces.create(name)
    namespaces.inside(name, _prepare)
    for end in record.ends:
        _plug(end, rooms[end.network_id], name)

    def within() -> list[str]:
        with links.netlink() as ip:
            _drop_links(ip, {_own_link(end.port_id) for end in record.ends})
            fresh_addresses = [(end, _furnish(ip, end, plan)) for end in record.ends]
            _metadata_ways(ip, plan.inside)
            unreached = _routes(ip, plan)
        nft.apply(whole(router_table(plan), anew=not fresh))
        for end, addresses in fresh_addresses:
            for address in addresses:
                links.announce(_own_link(end.port_id), end.mac, address)
        six = {_own_link(end.port_id): [cidr for _, cidr, _ in end.addresses if ":" in cidr] for end in plan.inside}
        assembly.dhcp(name).announce({link: cidrs for link, cidrs in six.items() if cidrs}, anew=fresh)
        conntrack.end_all_but(lambda flow: _is_translated_rightly(flow, plan))
        return unreached

    if unreached := namespaces.inside(name, within):
        raise BuildFailed(f"The next hop {unreached[0]} is on none of the router's networks.")


def router_table(plan: RouterPlan) -> Table:
    """How addresses are translated: floating ones both ways; of others only what leaves, if it does so at all."""
    inward = {parsed_ip(one.floating_ip): parsed_ip(one.fixed_ip) for one in plan.floating}
    outward = {fixed: floating for floating, fixed in inward.items()}
    sets = {
        "inward": Holding("type ipv4_addr : ipv4_addr;", inward),
        "outward": Holding("type ipv4_addr : ipv4_addr;", outward),
    }
    chains: dict[str, tuple[str, ...]] = {
        "incoming": ("type nat hook prerouting priority -100; policy accept;", "dnat ip to ip daddr map @inward"),
        "outgoing": ("type nat hook postrouting priority 100; policy accept;",),
    }
    own = _own_four(plan.gateway)
    if plan.gateway is not None and own is not None:
        link = _own_link(plan.gateway.port_id)
        chains["seen"] = (
            "type filter hook prerouting priority -150; policy accept;",
            f'iifname "{link}" meta mark set {_FROM_OUTSIDE}',
        )
        chains["outgoing"] += (
            f"meta mark {_FROM_OUTSIDE} accept",
            f'oifname "{link}" snat ip to ip saddr map @outward',
            *([f'oifname "{link}" meta nfproto ipv4 snat ip to {own}'] * plan.snat),
            # From one inside to another by its floating address: the answer must come back by here as well.
            f'oifname != "{link}" ct status dnat snat ip to ip saddr map @outward',
            f'oifname != "{link}" ct status dnat meta nfproto ipv4 snat ip to {own}',
        )
    return Table("inet router", sets, chains)


def _is_translated_rightly(flow: Flow, plan: RouterPlan) -> bool:
    """False for a conversation that lives on an address the router has no more, or leads to somebody else now."""
    inward = {parsed_ip(one.floating_ip): parsed_ip(one.fixed_ip) for one in plan.floating}
    own = _own_four(plan.gateway)
    if ":" in flow.source:
        return True
    if flow.target != flow.answer_from and inward.get(flow.target) != flow.answer_from:
        return False
    return flow.source == flow.answer_to or flow.answer_to == own or inward.get(flow.answer_to) == flow.source


def _own_four(gateway: RouterPort | None) -> str | None:
    """The IPv4 address the router itself has outside."""
    if gateway is None:
        return None
    return next((parsed_ip(ip) for ip, _, _ in gateway.addresses if ":" not in ip), None)


def _own_link(port_id: PortId) -> str:
    return "rp" + router_link(port_id)[2:]


def _prepare() -> None:
    """What a link inherits must be set before there is one."""
    links.sysctl("ipv4/ip_forward", "1")
    for name in ("all", "default"):
        links.sysctl(f"ipv4/conf/{name}/send_redirects", "0")
        links.sysctl(f"ipv4/conf/{name}/rp_filter", "0")
        links.sysctl(f"ipv6/conf/{name}/forwarding", "1")
        links.sysctl(f"ipv6/conf/{name}/accept_ra", "0")
        links.sysctl(f"ipv6/conf/{name}/accept_dad", "0")
    with links.netlink() as ip:
        ip.link("set", index=1, state="up")


def _plug(end: RouterPort, room: str, name: str) -> None:
    """The wire from the network's bridge to the router. Raises OSError."""
    bridge_end, own = router_link(end.port_id), _own_link(end.port_id)
    ends = ((room, bridge_end), (name, own))
    if not all(link in namespaces.inside(where, partial(links.link_names, link)) for where, link in ends):
        # What is left of a wire whose other end went with its namespace, or is just going.
        for where, link in ends:
            namespaces.inside(where, partial(links.remove_link, link))
    peer = {"ifname": own, "address": parsed_mac(end.mac)}
    namespaces.inside(room, lambda: links.join_bridge(bridge_end, end.mtu, peer, name))


def _drop_links(ip: Any, keep: set[str]) -> None:
    for link in ip.get_links():
        name = link.get_attr("IFLA_IFNAME")
        if name.startswith("rp") and name not in keep:
            ip.link("del", index=link["index"])


def _furnish(ip: Any, end: RouterPort, plan: RouterPlan) -> set[str]:
    """Its addresses, the floating ones on the gateway too; which of them are new."""
    index = links.existing(ip, _own_link(end.port_id))
    ip.link("set", index=index, mtu=end.mtu, state="up")
    wanted = {(parsed_ip(address), ipaddress.ip_network(parsed_cidr(cidr)).prefixlen) for address, cidr, _ in end.addresses}
    if end is plan.gateway:
        wanted |= {(parsed_ip(one.floating_ip), 32) for one in plan.floating}
    return links.addresses(ip, index, wanted)


def _metadata_ways(ip: Any, inside: tuple[RouterPort, ...]) -> None:
    """A guest that sends even 169.254.169.254 to its router is answered by its own network: back to where it came from."""
    wanted = {_own_link(end.port_id) for end in inside if any(":" not in address for address, _, _ in end.addresses)}
    known = {rule.get_attr("FRA_IIFNAME"): rule.get_attr("FRA_TABLE") for rule in ip.get_rules(priority=_METADATA_PRIORITY)}
    for link in sorted(known.keys() | wanted):
        index = links.index_of(ip, link)
        table = _METADATA_TABLES + (index or 0)
        if link in known and (link not in wanted or known[link] != table):
            ip.rule("del", priority=_METADATA_PRIORITY, iifname=link, table=known[link], dst=METADATA_IP, dst_len=32)
        if link in wanted:
            if known.get(link) != table:
                ip.rule("add", priority=_METADATA_PRIORITY, iifname=link, table=table, dst=METADATA_IP, dst_len=32)
            ip.route("replace", dst=f"{METADATA_IP}/32", oif=index, scope=253, table=table)


def _routes(ip: Any, plan: RouterPlan) -> list[str]:
    """The way out and the owner's own routes; next hops that nobody can reach."""
    defaults = {("::/0" if ":" in hop else "0.0.0.0/0", parsed_ip(hop)) for hop in plan.next_hop} if plan.gateway else set()
    gateway = links.existing(ip, _own_link(plan.gateway.port_id)) if plan.gateway else None
    unreached = links.sync_routes(ip, defaults, _DEFAULTS, gateway)
    extra = {(parsed_cidr(cidr), parsed_ip(hop)) for cidr, hop in plan.routes}
    return unreached + links.sync_routes(ip, extra, _EXTRA)
