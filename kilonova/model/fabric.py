"""What a network node must make true besides the ports of servers: routers, floating IPs, security groups. Plain data.

The ledger writes these plans down whole, each with a revision that only grows; whoever has a newer one leaves an older one
alone. A plan says how it must be in the end, never what has changed.
"""

from msgspec import Struct

from kilonova.model.ids import NetworkId, PortId, SubnetId


class RouterPort(Struct, frozen=True, kw_only=True):
    """One end of a router, on one network. `addresses`: (IP, CIDR of its subnet, subnet id)."""

    port_id: PortId
    network_id: NetworkId
    mac: str
    mtu: int
    addresses: tuple[tuple[str, str, SubnetId], ...]


class FloatingAddress(Struct, frozen=True, kw_only=True):
    """One floating IP that is associated: what arrives for `floating_ip` goes to `fixed_ip`, and answers leave under it."""

    id: str
    floating_ip: str
    fixed_ip: str
    network_id: NetworkId
    """The network `fixed_ip` is on."""


class RouterPlan(Struct, frozen=True, kw_only=True):
    """One router. Without ports and gateway, or not `up`, nothing of it stands."""

    id: str
    revision: int
    up: bool = True
    inside: tuple[RouterPort, ...] = ()
    gateway: RouterPort | None = None
    """Its end on an external network."""
    next_hop: tuple[str, ...] = ()
    """The external subnets' own gateways: where everything unknown goes."""
    snat: bool = True
    """Whoever has no floating IP leaves under the gateway's address."""
    routes: tuple[tuple[str, str], ...] = ()
    """(destination CIDR, next hop): what the owner added."""
    floating: tuple[FloatingAddress, ...] = ()


class NetworkPlan(Struct, frozen=True, kw_only=True):
    """One external network: it stands, with its subnets' gateways, as long as a router leads there."""

    id: NetworkId
    revision: int
    mtu: int = 1500
    subnets: tuple[tuple[str, str | None], ...] = ()
    """(CIDR, gateway's address) of each subnet."""


class GroupRule(Struct, frozen=True, kw_only=True):
    """One rule, as Neutron means it: `protocol` None is any; for ICMP the ports are type and code."""

    direction: str
    """``ingress`` or ``egress``, as the guest sees it."""
    version: int
    """4 or 6."""
    protocol: str | None = None
    """A name (``tcp``, ``udp``, ``icmp``, ``ipv6-icmp``, ``sctp``…) or a number as text."""
    port_min: int | None = None
    port_max: int | None = None
    remote_cidr: str | None = None
    remote_group: str | None = None
    """Every address of every port in that group."""


class GroupPlan(Struct, frozen=True, kw_only=True):
    """One security group's rules. Which ports are in it, the ports say."""

    id: str
    revision: int
    rules: tuple[GroupRule, ...] = ()


class Known(Struct, frozen=True, kw_only=True):
    """What a network node has: (``router`` | ``group`` | ``network`` | ``server``, id) → revision."""

    kind: str
    id: str
    revision: int
