"""What a network must look like, worked out from the ports that are wired on it. Pure: nothing here touches the machine.

Every address and MAC that comes from an order passes through here and is parsed, so no text of a user reaches a rule or a
configuration file unread.
"""

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec
from msgspec import Struct

from kilonova.errors import BuildFailed
from kilonova.model.fabric import NetworkPlan, RouterPort
from kilonova.model.ids import NetworkId, PortId
from kilonova.model.port import Address, Port

BRIDGE = "br0"
UPLINK = "up0"
METADATA_IP = "169.254.169.254"
METADATA_PORT = 80

_OPTION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class Subnet(Struct, frozen=True, kw_only=True):
    """One subnet as the bridge and DHCP need it; every string is a parsed and printed address."""

    cidr: str
    gateway: str | None
    dns: tuple[str, ...]
    host_routes: tuple[tuple[str, str], ...]
    dhcp: bool
    routed: bool = False
    """Its gateway is a router, and not this network's own bridge."""

    @property
    def carried(self) -> str | None:
        """The gateway's address, where the bridge has it."""
        return None if self.routed else self.gateway

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_network(self.cidr).version

    @property
    def prefix(self) -> int:
        """The prefix length in bits."""
        return ipaddress.ip_network(self.cidr).prefixlen


class Member(Struct, frozen=True, kw_only=True):
    """One port as rules and DHCP need it."""

    tap: str
    mac: str
    ips: tuple[str, ...]
    guarded: bool
    up: bool = True
    groups: tuple[str, ...] = ()
    """Its security groups, sorted."""
    pairs: tuple[tuple[str, str], ...] = ()
    """(IP, or CIDR of more than one; MAC) under which it may send besides."""
    options: tuple[tuple[str, str, int], ...] = ()
    """(name or number, value, IP version) that DHCP tells it besides."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every IP and CIDR it may be met under."""
        return (*self.ips, *(address for address, _ in self.pairs))

    def sources(self, mac: str) -> list[str]:
        """The single IPs it may send from with this MAC."""
        own = [*self.ips] if mac == self.mac else []
        return own + [address for address, with_mac in self.pairs if with_mac == mac and "/" not in address]

    def ranges(self, mac: str) -> list[str]:
        """The same, of CIDRs; none of them lies in another."""
        found = [ipaddress.ip_network(address) for address, with_mac in self.pairs if with_mac == mac and "/" in address]
        each = ([one for one in found if one.version == version] for version in (4, 6))
        return [str(one) for of_version in each for one in ipaddress.collapse_addresses(of_version)]  # type: ignore[type-var]


class Layout(Struct, frozen=True, kw_only=True):
    """What belongs to the network itself; it is the same for the second port as for the first."""

    mtu: int
    bridge_mac: str
    subnets: tuple[Subnet, ...]
    routers: frozenset[str] = frozenset()
    """The links of routers that end on the bridge."""
    external: bool = False
    """The outside may begin to talk to it."""

    @property
    def leaves(self) -> bool:
        """Whether guests go out by the bridge itself: not where routers are what leads out."""
        return self.external or not self.routers or any(one.carried for one in self.subnets if one.version == 4)

    @property
    def carried(self) -> frozenset[tuple[str, int]]:
        """(IP, prefix length) of every address the bridge is given, beside 169.254.169.254."""
        given = ((subnet.carried or own_six(subnet, self.bridge_mac), subnet.prefix) for subnet in self.subnets)
        return frozenset((ip, prefix) for ip, prefix in given if ip)

    @property
    def own(self) -> frozenset[str]:
        """Every IP from which this machine itself speaks to the network's guests."""
        return frozenset({METADATA_IP, link_local(self.bridge_mac)} | {ip for ip, _ in self.carried})


def tap_name(port_id: PortId) -> str:
    """``tap`` and the first 11 hexadecimal digits of the port's id: 14 of the 15 characters a link's name may have."""
    return "tap" + port_id.replace("-", "")[:11]


def router_link(port_id: PortId) -> str:
    """The bridge's end of a router's wire; the router's own end is the same with ``rp`` before it."""
    return "rt" + port_id.replace("-", "")[:11]


def lay_out(
    network_id: NetworkId, ports: Iterable[Port], routers: Iterable[RouterPort] = (), plan: NetworkPlan | None = None
) -> Layout:
    """The network these ports need; where two tell different things of a subnet, the later one counts. Raises BuildFailed."""
    told: dict[str, Address] = {}
    routers = tuple(routers)
    mtu = plan.mtu if plan else 1500
    for router in routers:
        mtu = router.mtu
    for port in ports:
        mtu = port.mtu
        told.update((address.subnet_id, address) for address in port.addresses)
    if not 68 <= mtu <= 65535:
        raise BuildFailed("The MTU of the network is not between 68 and 65535.")
    taken = {parsed_ip(ip) for router in routers for ip, _, _ in router.addresses}
    subnets = {one.cidr: one for one in (_subnet(told[key], taken) for key in sorted(told))}
    for cidr, gateway in plan.subnets if plan else ():
        alone = Subnet(cidr=parsed_cidr(cidr), gateway=gateway and parsed_ip(gateway), dns=(), host_routes=(), dhcp=False)
        subnets.setdefault(alone.cidr, msgspec.structs.replace(alone, routed=alone.gateway in taken))
    digest = hashlib.sha256(network_id.encode()).digest()
    return Layout(
        mtu=mtu,
        bridge_mac="02:" + ":".join(f"{byte:02x}" for byte in digest[:5]),
        subnets=tuple(subnets.values()),
        routers=frozenset(router_link(router.port_id) for router in routers),
        external=plan is not None,
    )


def members_of(ports: Iterable[Port]) -> tuple[Member, ...]:
    """The ports with their addresses parsed; an address that two of them have belongs to the later one. Raises BuildFailed."""
    given: set[str] = set()
    found = []
    for port in reversed(list(ports)):
        one = _member(port)
        if not given.isdisjoint(one.ips):
            one = msgspec.structs.replace(one, ips=tuple(ip for ip in one.ips if ip not in given))
        found.append(one)
        given.update(one.ips)
    return tuple(reversed(found))


# Remembered, because each port that comes looks at all that are there already.
@lru_cache(maxsize=16384)
def _member(port: Port) -> Member:
    mac, tap = parsed_mac(port.mac), tap_name(port.id)
    if not re.fullmatch(r"tap[0-9a-zA-Z]{1,11}", tap):
        raise BuildFailed("A port has an id that cannot be used.")
    return Member(
        tap=tap,
        mac=mac,
        ips=tuple(parsed_ip(address.ip) for address in port.addresses),
        guarded=port.port_security,
        up=port.up,
        groups=tuple(sorted(port.groups)),
        pairs=tuple(
            (_ip_or_cidr(address), parsed_mac(with_mac) if with_mac else mac) for address, with_mac in port.allowed_pairs
        ),
        options=tuple(option for option in port.dhcp_options if _is_option(option)),
    )


def _is_option(option: tuple[str, str, int]) -> bool:
    """One line of dnsmasq's, and nothing behind it."""
    name, value, version = option
    return bool(_OPTION.fullmatch(name)) and value.isprintable() and version in (4, 6)


def addresses_of(port: Port) -> tuple[str, ...]:
    """Every IP and CIDR the port may be met under; none of a port that cannot be read, which no network lets in."""
    try:
        return _member(port).addresses
    except BuildFailed:
        return ()


def parsed_mac(text: str) -> str:
    """In lower case. Raises BuildFailed."""
    if not _MAC.fullmatch(text.lower()):
        raise BuildFailed("A port has a MAC address that cannot be read.")
    return text.lower()


def _ip_or_cidr(text: str) -> str:
    cidr = parsed_cidr(text)
    single = ipaddress.ip_network(cidr)
    return str(single.network_address) if single.num_addresses == 1 else cidr


def link_local(mac: str) -> str:
    """The IPv6 link-local address that belongs to `mac` (EUI-64)."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    eui = bytes([*parts[:3], 0xFF, 0xFE, *parts[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))


def own_six(subnet: Subnet, mac: str) -> str | None:
    """The bridge's own address in an IPv6 subnet whose gateway it is not: without one, dnsmasq serves nobody there.

    Made from its MAC, as no port's is; None where the prefix leaves no room for that.
    """
    prefix = ipaddress.ip_network(subnet.cidr)
    if prefix.version == 4 or prefix.prefixlen > 64 or subnet.carried:
        return None
    return str(ipaddress.IPv6Address(int(prefix.network_address) | int(ipaddress.IPv6Address(link_local(mac))) & (1 << 64) - 1))


def _subnet(address: Address, routers: set[str]) -> Subnet:
    gateway = parsed_ip(address.gateway) if address.gateway else None
    return Subnet(
        cidr=parsed_cidr(address.cidr),
        gateway=gateway,
        dns=tuple(parsed_ip(server) for server in address.dns),
        host_routes=tuple((parsed_cidr(to), parsed_ip(via)) for to, via in address.host_routes),
        dhcp=address.dhcp,
        routed=gateway in routers,
    )


def parsed_cidr(text: str) -> str:
    """As the kernel writes it; a single address becomes a /32 or /128. Raises BuildFailed."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise BuildFailed("A subnet of the network cannot be read.") from None


def parsed_ip(text: str) -> str:
    """As the kernel writes it. Raises BuildFailed."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise BuildFailed("An address of the network cannot be read.") from None
    if getattr(found, "scope_id", None):
        raise BuildFailed("An address of the network cannot be read.")
    return str(found)
