"""Bridge, addresses, routes and the pair of links to the outside, by netlink. Each call says how it must be, and can be repeated.

Everything here works in the namespace of the calling thread. pyroute2 takes 0.4 s to import, so that is done by the first
call and not when a role starts; a compute node never comes here (``taps.py`` needs no netlink).
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, UPLINK, Layout

_BEHIND = 176
"""The origin (rtm_protocol) of the outside's routes to what is behind its links."""


def prepare() -> None:
    """Import what the first network would otherwise have to wait for."""
    import pyroute2  # noqa: F401


def furnish(layout: Layout, *, anew: bool = True) -> None:
    """Bring up loopback and the bridge with its MAC, MTU and exactly the layout's addresses. Raises OSError.

    `anew`: guests may be there already, who must hear of an address that was elsewhere before.
    """
    six = any(subnet.version == 6 for subnet in layout.subnets)
    sysctl("ipv6/conf/all/accept_ra", "0")
    sysctl("ipv6/conf/default/disable_ipv6", "1")
    sysctl("ipv4/ip_forward", "1")
    if six:
        sysctl("ipv6/conf/all/forwarding", "1")
    # Bridged packets pass the connection tracker, which is how security groups know an answer when they see one.
    sysctl("bridge/bridge-nf-call-iptables", "1")
    sysctl("bridge/bridge-nf-call-ip6tables", "1")
    # A conversation that was ended must not be taken up again from its middle.
    sysctl("netfilter/nf_conntrack_tcp_loose", "0")
    with netlink() as ip:
        ip.link("set", index=1, state="up")
        index = index_of(ip, BRIDGE)
        if index is None:
            options = {"br_stp_state": 0, "br_forward_delay": 0, "br_mcast_snooping": 0}
            ip.link("add", ifname=BRIDGE, kind="bridge", address=layout.bridge_mac, **options)
            index = existing(ip, BRIDGE)
        # Nobody else may have the gateway's addresses, so it need not wait for a second to see whether somebody has.
        sysctl(f"ipv6/conf/{BRIDGE}/accept_dad", "0")
        sysctl(f"ipv6/conf/{BRIDGE}/disable_ipv6", "0" if six else "1")
        ip.link("set", index=index, mtu=layout.mtu, state="up")
        four = [subnet for subnet in layout.subnets if subnet.version == 4]
        for subnet in four:
            if subnet.carried:
                _on_link(ip, subnet.cidr, index, there=False)
        fresh = addresses(ip, index, {(METADATA_IP, 32), *layout.carried})
        for subnet in four:
            if not subnet.carried:
                # No address of this subnet is ours, but its guests must be answered: metadata and DHCP.
                _on_link(ip, subnet.cidr, index, there=True)
    for address in fresh - {METADATA_IP} if anew else ():
        announce(BRIDGE, layout.bridge_mac, address)


def join_outside(outside: str | None, link: str, transfer: ipaddress.IPv4Network, behind: Iterable[str]) -> None:
    """In the outside: a link to the namespace of the same name `link`, whose end there is its uplink; the /30 on both.

    Exactly the CIDRs `behind` are reached by it.
    """
    hosts = [str(host) for host in transfer.hosts()]

    def outer() -> None:
        with netlink() as ip:
            if index_of(ip, link) is None:
                _make_pair(ip, link, {"ifname": UPLINK}, link)
            index = existing(ip, link)
            ip.link("set", index=index, state="up")
            ip.addr("replace", index=index, address=hosts[0], prefixlen=transfer.prefixlen)
            sync_routes(ip, {(cidr, hosts[1]) for cidr in behind}, _BEHIND, index)

    def within() -> None:
        with netlink() as ip:
            index = existing(ip, UPLINK)
            ip.link("set", index=index, state="up")
            ip.addr("replace", index=index, address=hosts[1], prefixlen=transfer.prefixlen)
            ip.route("replace", dst="default", gateway=hosts[0], oif=index)

    namespaces.inside(outside, outer)
    namespaces.inside(link, within)


def join_bridge(link: str, mtu: int, peer: dict[str, str], room: str) -> None:
    """Here, where the bridge is: a link on it whose other end `peer` (name, MAC) is in the namespace `room`. Raises OSError."""
    with netlink() as ip:
        if index_of(ip, link) is None:
            _make_pair(ip, link, peer, room)
        index = existing(ip, link)
        ip.link("set", index=index, mtu=mtu, master=existing(ip, BRIDGE), state="up")


def _make_pair(ip: Any, link: str, peer: dict[str, str], room: str) -> None:
    fd = os.open(namespaces.RUN / room, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ip.link("add", ifname=link, kind="veth", peer={**peer, "net_ns_fd": fd})
    finally:
        os.close(fd)


def remove_link(name: str) -> None:
    """Take a link away; none there is no error."""
    with netlink() as ip:
        index = index_of(ip, name)
        if index is not None:
            ip.link("del", index=index)


def try_veth() -> None:
    """Make a pair of links and remove it again. Raises OSError where the kernel has no such kind."""
    with netlink() as ip:
        ip.link("add", ifname="veth-probe", kind="veth", peer={"ifname": "veth-probe2"})
        ip.link("del", index=existing(ip, "veth-probe"))


def link_names(prefix: str) -> set[str]:
    """All links here whose name begins with `prefix`."""
    with netlink() as ip:
        found = {link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    return {name for name in found if name.startswith(prefix)}


def forwarding(turn_on: bool | None = None) -> bool:
    """Whether IPv4 is forwarded here *before* this call; `turn_on` sets it."""
    place = Path("/proc/sys/net/ipv4/ip_forward")
    before = place.read_text().strip() == "1"
    if turn_on is not None and turn_on != before:
        place.write_text("1" if turn_on else "0")
    return before


def addresses(ip: Any, index: int, wanted: set[tuple[str, int]]) -> set[str]:
    """Give the link exactly these (IP, prefix length), and what is link-local; the IPs that are new."""
    present = {(found.get_attr("IFA_ADDRESS"), found["prefixlen"]) for found in ip.get_addr(index=index)}
    for address, prefix in sorted(present - wanted):
        if not (ipaddress.ip_address(address).is_link_local and ":" in address):
            ip.addr("del", index=index, address=address, prefixlen=prefix)
    for address, prefix in sorted(wanted - present):
        ip.addr("add", index=index, address=address, prefixlen=prefix)
    return {address for address, _ in wanted - present}


def sync_routes(ip: Any, wanted: set[tuple[str, str]], origin: int, oif: int | None = None) -> list[str]:
    """Have exactly these (CIDR, next hop) of this origin (rtm_protocol), by the link `oif` or by any.

    Returns the next hops that nobody can reach; their routes are not there.
    """
    present = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for found in ip.get_routes(family=family, proto=origin, table=254):
            if oif is None or found.get_attr("RTA_OIF") == oif:
                every = "0.0.0.0" if family == socket.AF_INET else "::"
                present.add((f"{found.get_attr('RTA_DST') or every}/{found['dst_len']}", found.get_attr("RTA_GATEWAY")))
    by = {"oif": oif} if oif is not None else {}
    for cidr, hop in present - wanted:
        _route(ip, False, dst=cidr, gateway=hop, proto=origin, **by)
    unreached = []
    for cidr, hop in sorted(wanted - present):
        try:
            _route(ip, True, dst=cidr, gateway=hop, proto=origin, **by)
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL):
                raise
            unreached.append(hop)
    return unreached


def announce(link: str, mac: str, address: str) -> None:
    """Tell everybody on the link that this IPv4 address is to be found here now; IPv6 says so by itself."""
    if ":" in address:
        return
    own, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    frame = b"\xff" * 6 + own + b"\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01" + own + ip + b"\0" * 6 + ip
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((link, 0))
        raw.send(frame)


def _on_link(ip: Any, cidr: str, index: int, *, there: bool) -> None:
    _route(ip, there, dst=cidr, oif=index, prefsrc=METADATA_IP, scope=253)


def _route(ip: Any, there: bool, **route: Any) -> None:
    """The route is there, or not there. Raises OSError."""
    try:
        with refusals():
            ip.route("replace" if there else "del", **route)
    except OSError as error:
        if there or error.errno not in (errno.ESRCH, errno.ENODEV):
            raise


def index_of(ip: Any, name: str) -> int | None:
    """The link's index; None when there is none of this name."""
    found = ip.link_lookup(ifname=name)
    return int(found[0]) if found else None


def existing(ip: Any, name: str) -> int:
    """The index of a link that must be there. Raises OSError."""
    index = index_of(ip, name)
    if index is None:
        raise OSError(errno.ENODEV, f"{name} is gone")
    return index


def sysctl(name: str, value: str) -> None:
    """Set what this kernel has; a kernel without IPv6 or bridge filtering lacks the file and needs no setting."""
    place = Path("/proc/sys/net") / name
    if place.exists() and place.read_text().strip() != value:
        place.write_text(value)


@contextmanager
def netlink() -> Iterator[Any]:
    """A netlink socket in this thread's namespace; its refusals become OSError."""
    from pyroute2 import IPRoute

    with refusals(), IPRoute() as ip:
        yield ip


@contextmanager
def refusals() -> Iterator[None]:
    """What the kernel refuses over netlink becomes OSError."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error
