"""What a client asks of routers and floating IPs, before anything is checked. Field names are the API's; UNSET means not said."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from kilonova.model.network import HostRoute
from kilonova.model.network_wish import FixedIpWish, Id, Owned, Text

Zones = Annotated[list[Text], Meta(max_length=16)]


class GatewayWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without anything in it, it asks for no gateway."""

    network_id: Id | UnsetType | None = UNSET
    enable_snat: bool | UnsetType = UNSET
    external_fixed_ips: list[FixedIpWish] | UnsetType | None = UNSET


class NewRouter(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    external_gateway_info: GatewayWish | UnsetType | None = UNSET
    availability_zone_hints: Zones | None = None
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET
    flavor_id: Id | None = None


class RouterChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    external_gateway_info: GatewayWish | UnsetType | None = UNSET
    routes: list[HostRoute] | UnsetType | None = UNSET
    distributed: bool | UnsetType | None = UNSET
    ha: bool | UnsetType | None = UNSET


class RouteChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Routes to add, or to take away."""

    routes: list[HostRoute]


class InterfaceWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of the two; both only when an interface is removed."""

    subnet_id: Id | None = None
    port_id: Id | None = None


class NewFloatingIp(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    floating_network_id: Id
    floating_ip_address: Text | None = None
    subnet_id: Id | None = None
    port_id: Id | None = None
    fixed_ip_address: Text | None = None
    description: Text = ""


class FloatingIpChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`port_id` None lets go of the port; not said, it stays."""

    port_id: Id | UnsetType | None = UNSET
    fixed_ip_address: Text | UnsetType | None = UNSET
    description: Text | UnsetType = UNSET
