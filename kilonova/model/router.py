"""The network API's nouns beyond one network: routers, floating IPs, and what adding an interface answers. No rule, no query."""

from msgspec import Struct

from kilonova.model.network import FixedIp, HostRoute

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_IP = "network:floatingip"
ROUTING_OWNERS = (ROUTER_INTERFACE, ROUTER_GATEWAY, FLOATING_IP)
"""`device_owner` of ports that belong to a router or a floating IP; they end with it, and are not deleted as ports."""
ZONE = "nova"
"""The one zone of networks: they reach every host."""


class Gateway(Struct, frozen=True, kw_only=True):
    """A router's way out."""

    network_id: str
    enable_snat: bool
    external_fixed_ips: tuple[FixedIp, ...]


class Router(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    name: str
    description: str
    admin_state_up: bool
    status: str
    """ACTIVE, or ERROR when the network node could not make it so."""
    gateway: Gateway | None
    routes: tuple[HostRoute, ...]
    availability_zone_hints: tuple[str, ...]
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int


class Interface(Struct, frozen=True, kw_only=True):
    """One end of a router, as adding or removing it answers. `subnet_id` is the one that was added or removed."""

    id: str
    project_id: str
    port_id: str
    network_id: str
    subnet_id: str
    subnet_ids: tuple[str, ...]


class PortDetails(Struct, frozen=True, kw_only=True):
    """What a floating IP says about the port behind it."""

    name: str
    network_id: str
    mac_address: str
    admin_state_up: bool
    status: str
    device_id: str
    device_owner: str


class FloatingIp(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    description: str
    floating_network_id: str
    floating_ip_address: str
    port_id: str | None
    """The port it leads to, or None."""
    fixed_ip_address: str | None
    router_id: str | None
    status: str
    """ACTIVE once the network node has it, DOWN while it leads nowhere or is not there yet, ERROR when that failed."""
    port_details: PortDetails | None
    tags: tuple[str, ...]
    created_at: float
    updated_at: float
    revision_number: int
