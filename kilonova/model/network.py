"""The network API's nouns: networks, subnets, ports, security groups. Holds no query; the rules are in the files beside it.

Times are Unix times; addresses and CIDRs are text in their shortest form; MACs are lower case with colons.
"""

from collections.abc import Mapping

from msgspec import Struct, field

DEFAULT_MTU = 1450
"""Bytes: an Ethernet frame of 1500 less the 50 that VXLAN takes."""
DEFAULT_GROUP = "default"
"""The security group that every project has."""
SERVER_OWNER = "compute:"
"""What `device_owner` begins with when a port belongs to a server."""


class Network(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str
    admin_state_up: bool
    status: str
    shared: bool
    """Every project may use it."""
    external: bool
    """It leads out of the cloud: every project sees it, its ports are for routers and floating addresses."""
    is_default: bool
    mtu: int
    port_security_enabled: bool
    subnets: tuple[str, ...]
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class Pool(Struct, frozen=True, kw_only=True):
    """A range of addresses that ports are given without asking, both ends included."""

    start: str
    end: str


class HostRoute(Struct, frozen=True, kw_only=True):
    destination: str
    nexthop: str


class Subnet(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    network_id: str
    name: str
    description: str
    ip_version: int
    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    ipv6_ra_mode: str | None
    ipv6_address_mode: str | None
    subnetpool_id: str | None
    """The pool its CIDR was chosen from, or None."""
    allocation_pools: tuple[Pool, ...]
    dns_nameservers: tuple[str, ...]
    host_routes: tuple[HostRoute, ...]
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class FixedIp(Struct, frozen=True, kw_only=True):
    subnet_id: str
    ip_address: str


class AddressPair(Struct, frozen=True, kw_only=True):
    """Another address that a port may send from."""

    ip_address: str
    mac_address: str


class DhcpOption(Struct, frozen=True, kw_only=True):
    """What DHCP tells one port's guest besides what it tells all. `opt_name` is a name that dnsmasq knows, or a number."""

    opt_name: str
    opt_value: str
    ip_version: int = 4


class NetworkPort(Struct, frozen=True, kw_only=True):
    """A port as its owner sees it; `kilonova.model.port.Port` is the same port as a build needs it."""

    id: str
    project_id: str
    network_id: str
    name: str
    description: str
    admin_state_up: bool
    status: str
    mac_address: str
    fixed_ips: tuple[FixedIp, ...]
    device_id: str
    device_owner: str
    host: str
    """The host it is bound to, or empty."""
    vnic_type: str
    profile: Mapping[str, object]
    port_security_enabled: bool
    security_groups: tuple[str, ...]
    allowed_address_pairs: tuple[AddressPair, ...]
    extra_dhcp_opts: tuple[DhcpOption, ...]
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class SecurityGroupRule(Struct, frozen=True, kw_only=True):
    """`port_range_min` and `_max` hold type and code when the protocol is ICMP."""

    id: str
    project_id: str
    security_group_id: str
    direction: str
    ethertype: str
    protocol: str | None
    port_range_min: int | None
    port_range_max: int | None
    remote_group_id: str | None
    remote_ip_prefix: str | None
    description: str
    created_at: float
    updated_at: float
    revision_number: int


class SecurityGroup(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str
    stateful: bool
    rules: tuple[SecurityGroupRule, ...]
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class Agent(Struct, frozen=True, kw_only=True):
    """A network node, as the API lists it."""

    id: str
    agent_type: str
    binary: str
    host: str
    availability_zone: str
    alive: bool
    admin_state_up: bool
    created_at: float
    started_at: float
    heartbeat_at: float


class Listing(Struct, frozen=True, kw_only=True):
    """What a list request asks for. A filter holds when any of its values matches, and all filters must hold."""

    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sort: tuple[tuple[str, bool], ...] = ()
    """(attribute, descending) pairs; the id is always the last of them, so the order is total."""
    limit: int | None = None
    marker: str | None = None
    page_reverse: bool = False


DEFAULT_QUOTAS: Mapping[str, int] = {
    "network": 100,
    "subnet": 100,
    "port": 500,
    "security_group": 10,
    "security_group_rule": 100,
    "router": 10,
    "floatingip": 50,
    "subnetpool": -1,
}
"""How many of each a project may have unless an admin says otherwise; -1 is unlimited."""
