"""What routers and floating IPs may lead to: interfaces, gateways, extra routes, a floating IP's router. No query.

Every function raises BadRequest, NotFound or Conflict in Neutron's words.
"""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct

from kilonova.errors import BadRequest, Conflict, Forbidden, NotFound
from kilonova.model.network import FixedIp, HostRoute, Subnet
from kilonova.model.router import ZONE
from kilonova.model.subnet_rules import overlap, read_cidr, read_ip

MAX_ROUTES = 30


class Reached(Struct, frozen=True, kw_only=True):
    """A subnet that a router has an address in."""

    subnet_id: str
    cidr: str
    network_id: str
    port_id: str
    ip: str


class Way(Struct, frozen=True, kw_only=True):
    """A router that leads from a port's subnet to an external network, and its own address in that subnet."""

    router_id: str
    ip: str


def bad(resource: str, why: str) -> BadRequest:
    """Neutron's form for a request that is sound by itself but cannot be."""
    return BadRequest(f"Bad {resource} request: {why}.", kind="BadRequest")


def zones(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Hints may name the zone there is, and no other."""
    for zone in wanted or ():
        if zone != ZONE:
            raise NotFound(f"AvailabilityZone {zone[:64]} could not be found.", kind="AvailabilityZoneNotFound")
    return tuple(dict.fromkeys(wanted or ()))


def refuse_kinds(distributed: object, ha: object, is_admin: bool) -> None:
    """Routers here are neither distributed nor doubled; only an admin may speak of it at all, and then only to say so."""
    for name, said in (("distributed", distributed), ("ha", ha)):
        if not isinstance(said, bool):
            continue
        if not is_admin:
            raise Forbidden(f"Setting {name} is disallowed by policy.", kind="PolicyNotAuthorized")
        if said:
            raise bad("router", f"{name} routers are not available in this cloud")


def fit_for_interface(subnet: Subnet) -> str:
    """The address a router takes in this subnet: its gateway's."""
    if subnet.gateway_ip is None:
        raise bad("router", "Subnet for router interface must have a gateway IP")
    if subnet.ip_version == 6 and subnet.ipv6_ra_mode is None and subnet.ipv6_address_mode is not None:
        why = f"IPv6 subnet {subnet.id} configured to receive RAs from an external router cannot be added to Neutron Router"
        raise bad("router", why)
    return subnet.gateway_ip


def refuse_clash(new: Sequence[tuple[str, str]], reached: Sequence[Reached]) -> None:
    """`new` holds (subnet id, CIDR): a router reaches no subnet twice, and no address by two ways."""
    for subnet_id, cidr in new:
        for have in reached:
            if have.subnet_id == subnet_id:
                raise bad("router", f"Router already has a port on subnet {subnet_id}")
            if overlap(cidr, have.cidr):
                why = f"Cidr {cidr} of subnet {subnet_id} overlaps with cidr {have.cidr} of subnet {have.subnet_id}"
                raise bad("router", why)


def refuse_second_v6(network_id: str, reached: Sequence[Reached]) -> None:
    """All IPv6 subnets of one network are on one port of a router."""
    for have in reached:
        if have.network_id == network_id and ":" in have.ip:
            why = (
                f"Router already contains IPv6 port {have.port_id} belonging to network id {network_id}. "
                "Only one IPv6 port from the same network subnet can be connected to a router"
            )
            raise bad("router", why)


def fit_as_router_port(fixed_ips: Sequence[FixedIp]) -> None:
    """A port that a client brings."""
    if not fixed_ips:
        raise bad("router", "Router port must have at least one fixed IP")
    if len({one.subnet_id for one in fixed_ips if ":" not in one.ip_address}) > 1:
        raise bad("router", "Cannot have multiple IPv4 subnets on router port")


def extra_routes(router_id: str, wanted: Sequence[HostRoute] | None, reached: Sequence[Reached]) -> tuple[HostRoute, ...]:
    """In canonical form. Each next hop is a neighbour of the router, and not the router itself."""
    routes = []
    for route in wanted or ():
        destination, nexthop = read_cidr(route.destination, "routes"), read_ip(route.nexthop, "routes")
        routes.append(HostRoute(destination=str(destination), nexthop=str(nexthop)))
    if len({(route.destination, route.nexthop) for route in routes}) != len(routes):
        raise BadRequest("Invalid input for routes. Reason: there are duplicate items.", kind="HTTPBadRequest")
    if len(routes) > MAX_ROUTES:
        message = f"Unable to complete operation for {router_id}. The number of routes exceeds the maximum {MAX_ROUTES}."
        raise BadRequest(message, kind="RoutesExhausted")
    for route in routes:
        if not any(ip_address(route.nexthop) in ip_network(have.cidr) for have in reached):
            raise _invalid_routes(route, "the nexthop is not connected with router")
        if any(route.nexthop == have.ip for have in reached):
            raise _invalid_routes(route, "the nexthop is used by router")
    return tuple(routes)


def refuse_if_routed(router_id: str, subnet_id: str, cidr: str, routes: Sequence[HostRoute]) -> None:
    """A subnet in which a route's next hop is cannot be left."""
    if any(ip_address(route.nexthop) in ip_network(cidr) for route in routes):
        message = (
            f"Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, "
            "as it is required by one or more routes."
        )
        raise Conflict(message, kind="RouterInterfaceInUseByRoute")


def inside_address(port_id: str, fixed_ips: Sequence[FixedIp], wanted: str | None) -> FixedIp:
    """Which of a port's addresses a floating IP leads to."""
    if wanted:
        ip = str(read_ip(wanted, "fixed_ip_address"))
        for one in fixed_ips:
            if one.ip_address == ip and ":" not in ip:
                return one
        raise bad("floatingip", f"Port {port_id} does not have fixed ip {ip}")
    able = [one for one in fixed_ips if ":" not in one.ip_address]
    if not able:
        raise bad("floatingip", f"Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses")
    if len(able) > 1:
        why = (
            f"Port {port_id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP"
        )
        raise bad("floatingip", why)
    return able[0]


def way_out(ways: Sequence[Way], gateway_ip: str | None) -> str | None:
    """The router a floating IP goes through: the one that is the subnet's gateway, else any; None when there is no way."""
    for way in ways:
        if way.ip == gateway_ip:
            return way.router_id
    return min((way.router_id for way in ways), default=None)


def _invalid_routes(route: HostRoute, why: str) -> BadRequest:
    return BadRequest(f"Invalid format for routes: {route.destination} via {route.nexthop}, {why}", kind="InvalidRoutes")
