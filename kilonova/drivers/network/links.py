"""Bridge, addresses, routes and the pair of links to the outside, by netlink. Each call says how it must be, and can be repeated.

Everything here works in the namespace of the calling thread. pyroute2 takes 0.4 s to import, so that is done by the first
call and not when a role starts; a compute node never comes here (``taps.py`` needs no netlink).
"""

import errno
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.layout import BRIDGE, METADATA_IP, UPLINK, Layout


def prepare() -> None:
    """Import what the first network would otherwise have to wait for."""
    import pyroute2  # noqa: F401


def furnish(layout: Layout) -> None:
    """Bring up loopback and the bridge with its MAC, MTU and exactly the layout's addresses. Raises OSError."""
    six = any(subnet.version == 6 for subnet in layout.subnets)
    _sysctl("ipv6/conf/all/accept_ra", "0")
    _sysctl("ipv6/conf/default/disable_ipv6", "1")
    _sysctl("ipv4/ip_forward", "1")
    if six:
        _sysctl("ipv6/conf/all/forwarding", "1")
    # Bridged frames are judged by the bridge table alone; conntrack has nothing to do with them.
    _sysctl("bridge/bridge-nf-call-iptables", "0")
    _sysctl("bridge/bridge-nf-call-ip6tables", "0")
    with _netlink() as ip:
        ip.link("set", index=1, state="up")
        index = _index(ip, BRIDGE)
        if index is None:
            options = {"br_stp_state": 0, "br_forward_delay": 0, "br_mcast_snooping": 0}
            ip.link("add", ifname=BRIDGE, kind="bridge", address=layout.bridge_mac, **options)
            index = _existing(ip, BRIDGE)
        # Nobody else may have the gateway's addresses, so it need not wait for a second to see whether somebody has.
        _sysctl(f"ipv6/conf/{BRIDGE}/accept_dad", "0")
        _sysctl(f"ipv6/conf/{BRIDGE}/disable_ipv6", "0" if six else "1")
        ip.link("set", index=index, mtu=layout.mtu, state="up")
        _addresses(ip, index, layout)
        for subnet in layout.subnets:
            if subnet.gateway is None and subnet.version == 4:
                # No address of this subnet is ours, but its guests must be answered: metadata and DHCP.
                ip.route("replace", dst=subnet.cidr, oif=index, prefsrc=METADATA_IP, scope=253)


def join_outside(outside: str | None, link: str, transfer: ipaddress.IPv4Network, inner: str) -> None:
    """In the outside: a link named `link` whose other end is the uplink of namespace `inner`, with the /30 `transfer` on both."""
    hosts = list(transfer.hosts())

    def outer() -> None:
        with _netlink() as ip:
            index = _index(ip, link)
            if index is None:
                fd = os.open(namespaces.RUN / inner, os.O_RDONLY)
                try:
                    ip.link("add", ifname=link, kind="veth", peer={"ifname": UPLINK, "net_ns_fd": fd})
                finally:
                    os.close(fd)
                index = _existing(ip, link)
            ip.link("set", index=index, state="up")
            ip.addr("replace", index=index, address=str(hosts[0]), prefixlen=transfer.prefixlen)

    def within() -> None:
        with _netlink() as ip:
            index = _existing(ip, UPLINK)
            ip.link("set", index=index, state="up")
            ip.addr("replace", index=index, address=str(hosts[1]), prefixlen=transfer.prefixlen)
            ip.route("replace", dst="default", gateway=str(hosts[0]), oif=index)

    namespaces.inside(outside, outer)
    namespaces.inside(inner, within)


def remove_link(name: str) -> None:
    """Take a link away; none there is no error."""
    with _netlink() as ip:
        index = _index(ip, name)
        if index is not None:
            ip.link("del", index=index)


def try_veth() -> None:
    """Make a pair of links and remove it again. Raises OSError where the kernel has no such kind."""
    with _netlink() as ip:
        ip.link("add", ifname="veth-probe", kind="veth", peer={"ifname": "veth-probe2"})
        ip.link("del", index=_existing(ip, "veth-probe"))


def link_names(prefix: str) -> set[str]:
    """All links here whose name begins with `prefix`."""
    with _netlink() as ip:
        found = {link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    return {name for name in found if name.startswith(prefix)}


def forwarding(turn_on: bool | None = None) -> bool:
    """Whether IPv4 is forwarded here *before* this call; `turn_on` sets it."""
    place = Path("/proc/sys/net/ipv4/ip_forward")
    before = place.read_text().strip() == "1"
    if turn_on is not None and turn_on != before:
        place.write_text("1" if turn_on else "0")
    return before


def _addresses(ip: Any, index: int, layout: Layout) -> None:
    wanted = {(METADATA_IP, 32)}
    wanted |= {(subnet.gateway, subnet.prefix) for subnet in layout.subnets if subnet.gateway is not None}
    present = {(found.get_attr("IFA_ADDRESS"), found["prefixlen"]) for found in ip.get_addr(index=index)}
    for address, prefix in sorted(wanted - present):
        ip.addr("add", index=index, address=address, prefixlen=prefix)
    for address, prefix in sorted(present - wanted):
        if not ipaddress.ip_address(address).is_link_local:
            ip.addr("del", index=index, address=address, prefixlen=prefix)


def _index(ip: Any, name: str) -> int | None:
    found = ip.link_lookup(ifname=name)
    return int(found[0]) if found else None


def _existing(ip: Any, name: str) -> int:
    index = _index(ip, name)
    if index is None:
        raise OSError(errno.ENODEV, f"{name} is gone")
    return index


def _sysctl(name: str, value: str) -> None:
    """Set what this kernel has; a kernel without IPv6 or bridge filtering lacks the file and needs no setting."""
    place = Path("/proc/sys/net") / name
    if place.exists() and place.read_text().strip() != value:
        place.write_text(value)


@contextmanager
def _netlink() -> Iterator[Any]:
    """A netlink socket in this thread's namespace; its refusals become OSError."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as ip:
            yield ip
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error
