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
from kilonova.model.ids import NetworkId, PortId
from kilonova.model.port import Address, Port

BRIDGE = "br0"
UPLINK = "up0"
METADATA_IP = "169.254.169.254"
METADATA_PORT = 80

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class Subnet(Struct, frozen=True, kw_only=True):
    """One subnet as the bridge and DHCP need it; every string is a parsed and printed address."""

    cidr: str
    gateway: str | None
    dns: tuple[str, ...]
    host_routes: tuple[tuple[str, str], ...]
    dhcp: bool

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


class Layout(Struct, frozen=True, kw_only=True):
    """What belongs to the network itself; it is the same for the second port as for the first."""

    mtu: int
    bridge_mac: str
    subnets: tuple[Subnet, ...]


def tap_name(port_id: PortId) -> str:
    """``tap`` and the first 11 hexadecimal digits of the port's id: 14 of the 15 characters a link's name may have."""
    return "tap" + port_id.replace("-", "")[:11]


def lay_out(network_id: NetworkId, ports: Iterable[Port]) -> Layout:
    """The network these ports need; where two tell different things of a subnet, the later one counts. Raises BuildFailed."""
    told: dict[str, Address] = {}
    mtu = 1500
    for port in ports:
        mtu = port.mtu
        told.update((address.subnet_id, address) for address in port.addresses)
    if not 68 <= mtu <= 65535:
        raise BuildFailed("The MTU of the network is not between 68 and 65535.")
    digest = hashlib.sha256(network_id.encode()).digest()
    mac = "02:" + ":".join(f"{byte:02x}" for byte in digest[:5])
    return Layout(mtu=mtu, bridge_mac=mac, subnets=tuple(_subnet(told[key]) for key in sorted(told)))


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
    mac = port.mac.lower()
    if not _MAC.fullmatch(mac):
        raise BuildFailed("A port has a MAC address that cannot be read.")
    tap = tap_name(port.id)
    if not re.fullmatch(r"tap[0-9a-zA-Z]{1,11}", tap):
        raise BuildFailed("A port has an id that cannot be used.")
    return Member(tap=tap, mac=mac, ips=tuple(_ip(address.ip) for address in port.addresses), guarded=port.port_security)


def link_local(mac: str) -> str:
    """The IPv6 link-local address that belongs to `mac` (EUI-64)."""
    parts = [int(part, 16) for part in mac.split(":")]
    parts[0] ^= 2
    eui = bytes([*parts[:3], 0xFF, 0xFE, *parts[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui))


def _subnet(address: Address) -> Subnet:
    try:
        cidr = str(ipaddress.ip_network(address.cidr, strict=False))
        routes = tuple((str(ipaddress.ip_network(to, strict=False)), _ip(via)) for to, via in address.host_routes)
    except ValueError:
        raise BuildFailed("A subnet of the network cannot be read.") from None
    return Subnet(
        cidr=cidr,
        gateway=_ip(address.gateway) if address.gateway else None,
        dns=tuple(_ip(server) for server in address.dns),
        host_routes=routes,
        dhcp=address.dhcp,
    )


def _ip(text: str) -> str:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        raise BuildFailed("An address of the network cannot be read.") from None
    if getattr(found, "scope_id", None):
        raise BuildFailed("An address of the network cannot be read.")
    return str(found)
