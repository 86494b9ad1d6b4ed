"""What a subnet may look like: its CIDR, gateway, pools, modes, DNS servers, routes. Knows of no other subnet but by `overlap`.

Every function raises BadRequest or Conflict in Neutron's words, or returns the value in its shortest form.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise

from kilonova.errors import BadRequest, Conflict
from kilonova.model.network import HostRoute, Pool

Ip = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network

MAX_DNS = 5
MAX_ROUTES = 20
MODES = ("slaac", "dhcpv6-stateful", "dhcpv6-stateless")
SELF_GIVEN = ("slaac", "dhcpv6-stateless")
"""Address modes in which the guest makes its address from its MAC, so nothing is chosen from a pool."""


def invalid(what: str, value: object, why: str) -> BadRequest:
    """Neutron's form for a bad attribute."""
    return BadRequest(f"Invalid input for {what}. Reason: '{value}' {why}.", kind="HTTPBadRequest")


def invalid_input(why: str) -> BadRequest:
    return BadRequest(f"Invalid input for operation: {why}.", kind="InvalidInput")


def read_ip(text: str, what: str) -> Ip:
    """One address. Zones, leading zeroes and numbers are not taken for addresses."""
    try:
        if "%" in text:
            raise ValueError
        return ip_address(text)
    except ValueError:
        raise invalid(what, text, "is not a valid IP address") from None


def read_cidr(text: str, what: str) -> Net:
    """A network whose host bits are zero."""
    try:
        if "/" not in text or "%" in text:
            raise ValueError
        net = ip_network(text, strict=False)
    except ValueError:
        raise invalid(what, text, "is not a valid IP subnet") from None
    if str(net.network_address) != str(ip_address(text.split("/")[0])):
        raise invalid(what, text, f"isn't a recognized IP subnet cidr, '{net}' is recommended")
    return net


def subnet_cidr(text: str, ip_version: int, enable_dhcp: bool) -> Net:
    """The subnet's own CIDR, fit for guests."""
    if ip_version not in (4, 6):
        raise invalid("ip_version", ip_version, "is not in [4, 6]")
    net = read_cidr(text, "cidr")
    if net.version != ip_version:
        raise invalid_input(f"CIDR {text} does not match the ip_version '{ip_version}'")
    if net.prefixlen == 0:
        raise invalid("cidr", text, "has a prefix length of zero")
    if net.is_multicast or net.is_loopback:
        raise invalid_input("Multicast and loopback IP subnets are not supported")
    if enable_dhcp and net.prefixlen > net.max_prefixlen - 2:
        raise invalid_input("Subnet has a prefix length that is incompatible with DHCP service enabled")
    return net


def ipv6_modes(ra_mode: str | None, address_mode: str | None, net: Net, enable_dhcp: bool) -> None:
    """Refuses modes that no router and guest could agree on."""
    if ra_mode is None and address_mode is None:
        return
    if net.version == 4:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is not 6")
    for name, mode in (("ipv6_ra_mode", ra_mode), ("ipv6_address_mode", address_mode)):
        if mode is not None and mode not in MODES:
            raise invalid(name, mode, f"is not in {list(MODES)}")
    if not enable_dhcp:
        raise invalid_input("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra_mode and address_mode and ra_mode != address_mode:
        raise invalid_input(f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid")
    if (address_mode or ra_mode) in SELF_GIVEN and net.prefixlen != 64:
        raise invalid_input(f"Invalid CIDR {net} for IPv6 address mode: addresses in EUI-64 form require the prefix to be /64")


def default_gateway(net: Net) -> Ip | None:
    """The first address of the subnet, where there is room for one."""
    return net.network_address + 1 if net.num_addresses > 1 else None


def gateway(text: str, net: Net) -> Ip:
    """A gateway is an address that a host of the subnet could have; for IPv6 it may be link-local."""
    address = read_ip(text, "gateway_ip")
    if address.version != net.version:
        raise invalid_input(f"gateway_ip '{text}' does not match the ip_version '{net.version}'")
    if address.version == 6 and address.is_link_local:
        return address
    if address not in net or not _usable(address, net):
        raise invalid_input("Gateway is not valid on subnet")
    return address


def default_pools(net: Net, without: Ip | None) -> tuple[Pool, ...]:
    """All addresses a guest may have, but not the gateway's: one range, or one on either side of it."""
    first, last = _bounds(net)
    if without is None or without.version != net.version or not first <= int(without) <= last:
        return _pools(net, [(first, last)])
    return _pools(net, [(first, int(without) - 1), (int(without) + 1, last)])


def pools(wanted: Sequence[Pool], net: Net, without: Ip | None) -> tuple[Pool, ...]:
    """The client's own pools, checked and in order."""
    ranges = sorted(_range(pool, net) for pool in wanted)
    first, last = _bounds(net)
    for start, end in ranges:
        if start < first or end > last:
            raise BadRequest(
                f"The allocation pool {_show(net, start, end)} spans beyond the subnet cidr {net}.",
                kind="OutOfBoundsAllocationPool",
            )
    for (start, end), (later, its_end) in pairwise(ranges):
        if later <= end:
            names = f"{_show(net, start, end)} and {_show(net, later, its_end)}"
            raise Conflict(f"Found overlapping allocation pools: {names} for subnet {net}.", kind="OverlappingAllocationPools")
    if without is not None:
        refuse_gateway_in_pools(without, _pools(net, ranges))
    return _pools(net, ranges)


def refuse_gateway_in_pools(address: Ip, ranges: Iterable[Pool]) -> None:
    for pool in ranges:
        if in_pool(address, pool):
            message = f"Gateway ip {address} conflicts with allocation pool {pool.start}-{pool.end}."
            raise Conflict(message, kind="GatewayConflictWithAllocationPools")


def in_pool(address: Ip, pool: Pool) -> bool:
    start, end = ip_address(pool.start), ip_address(pool.end)
    return start.version == address.version and int(start) <= int(address) <= int(end)


def refuse_unusable(text: str, net: Net) -> Ip:
    """An address that a port asks for by name: in the subnet, and neither its network's nor its broadcast address."""
    address = read_ip(text, "ip_address")
    if address not in net or not _usable(address, net):
        raise BadRequest(f"IP address {text} is not a valid IP for the specified subnet.", kind="InvalidIpForSubnet")
    return address


def dns_nameservers(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """In the client's order: guests ask the first one first."""
    servers = tuple(str(read_ip(text, "dns_nameservers")) for text in wanted or ())
    if len(set(servers)) != len(servers):
        raise invalid("dns_nameservers", list(servers), "has duplicate items")
    if len(servers) > MAX_DNS:
        raise BadRequest(
            f"Unable to complete operation. The number of DNS nameservers exceeds the limit {MAX_DNS}.",
            kind="DNSNameServersExhausted",
        )
    return servers


def host_routes(wanted: Sequence[HostRoute] | None, ip_version: int) -> tuple[HostRoute, ...]:
    routes = []
    for route in wanted or ():
        destination = read_cidr(route.destination, "host_routes")
        nexthop = read_ip(route.nexthop, "host_routes")
        if not destination.version == nexthop.version == ip_version:
            raise invalid_input(
                f"host route {route.destination} via {route.nexthop} does not match the ip_version '{ip_version}'"
            )
        routes.append(HostRoute(destination=str(destination), nexthop=str(nexthop)))
    if len({(r.destination, r.nexthop) for r in routes}) != len(routes):
        raise BadRequest("Invalid input for host_routes. Reason: there are duplicate items.", kind="HTTPBadRequest")
    if len(routes) > MAX_ROUTES:
        raise BadRequest(
            f"Unable to complete operation. The number of host routes exceeds the limit {MAX_ROUTES}.", kind="HostRoutesExhausted"
        )
    return tuple(routes)


def overlap(one: str, other: str) -> bool:
    a, b = ip_network(one), ip_network(other)
    return a.version == b.version and a.overlaps(b)


def _range(pool: Pool, net: Net) -> tuple[int, int]:
    try:
        start, end = ip_address(pool.start), ip_address(pool.end)
    except ValueError:
        raise BadRequest(f"The allocation pool {pool.start}-{pool.end} is not valid.", kind="InvalidAllocationPool") from None
    if start.version != net.version or end.version != net.version or int(end) < int(start):
        raise BadRequest(f"The allocation pool {pool.start}-{pool.end} is not valid.", kind="InvalidAllocationPool")
    return int(start), int(end)


def _usable(address: Ip, net: Net) -> bool:
    first, last = _bounds(net)
    return first <= int(address) <= last


def _bounds(net: Net) -> tuple[int, int]:
    """First and last address a host may have. IPv4: not the network's and the broadcast address; IPv6: not the anycast ``::``."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.num_addresses <= 2:
        return first, last
    return (first + 1, last - 1) if net.version == 4 else (first + 1, last)


def _pools(net: Net, ranges: Iterable[tuple[int, int]]) -> tuple[Pool, ...]:
    kind = type(net.network_address)
    return tuple(Pool(start=str(kind(start)), end=str(kind(end))) for start, end in ranges if start <= end)


def _show(net: Net, start: int, end: int) -> str:
    kind = type(net.network_address)
    return f"{kind(start)}-{kind(end)}"
