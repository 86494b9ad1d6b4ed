"""What a client asks of the network API, before anything is checked. Field names are the API's; UNSET means not said.

Unknown attributes are refused when these are decoded, as Neutron refuses them. The meaning of a value is checked elsewhere.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from kilonova.model.network import HostRoute, Pool

Text = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")]
"""No NUL: PostgreSQL has no place for one."""
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Mtu = Annotated[int, Meta(ge=0, le=65535)]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Tags = Annotated[list[Tag], Meta(max_length=50)]


class Owned(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be said at creation only, of every noun: whose it is. Both names mean the same."""

    project_id: Text = ""
    tenant_id: Text = ""
    tags: Tags | UnsetType = UNSET

    @property
    def owner(self) -> str:
        """The project asked for, or empty."""
        return self.project_id or self.tenant_id


class NewNetwork(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = field(name="router:external", default=False)
    is_default: bool = False
    mtu: Mtu = 0
    """0 means: as large as this cloud carries."""
    port_security_enabled: bool = True


class NetworkChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    external: bool | UnsetType = field(name="router:external", default=UNSET)
    is_default: bool | UnsetType = UNSET
    mtu: Mtu | UnsetType = UNSET
    port_security_enabled: bool | UnsetType = UNSET


class NewSubnet(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network_id: Id
    ip_version: int = 4
    cidr: Text | None = None
    """None: chosen from a subnet pool."""
    subnetpool_id: Id | None = None
    use_default_subnetpool: bool = False
    prefixlen: Annotated[int, Meta(ge=0, le=128)] | None = None
    name: Text = ""
    description: Text = ""
    gateway_ip: Text | UnsetType | None = UNSET
    """UNSET means the first address; None means no gateway."""
    enable_dhcp: bool = True
    ipv6_ra_mode: Text | None = None
    ipv6_address_mode: Text | None = None
    allocation_pools: list[Pool] | UnsetType | None = UNSET
    dns_nameservers: list[Text] | None = None
    host_routes: list[HostRoute] | None = None


class SubnetChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    gateway_ip: Text | UnsetType | None = UNSET
    enable_dhcp: bool | UnsetType = UNSET
    allocation_pools: list[Pool] | UnsetType = UNSET
    dns_nameservers: list[Text] | UnsetType | None = UNSET
    host_routes: list[HostRoute] | UnsetType | None = UNSET


class FixedIpWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subnet, an address, or both; the one that is missing is chosen."""

    subnet_id: Id | None = None
    ip_address: Text | None = None


class PairWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    ip_address: Text
    mac_address: Text | None = None


class DhcpOptionWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`opt_value` None takes the option away."""

    opt_name: Text
    opt_value: Text | None = None
    ip_version: int = 4


class NewPort(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network_id: Id
    name: Text = ""
    description: Text = ""
    admin_state_up: bool = True
    mac_address: Text | None = None
    fixed_ips: list[FixedIpWish] | UnsetType | None = UNSET
    device_id: Text = ""
    device_owner: Text = ""
    host: Text | None = field(name="binding:host_id", default=None)
    vnic_type: Text = field(name="binding:vnic_type", default="normal")
    profile: Mapping[str, Any] | None = field(name="binding:profile", default=None)
    port_security_enabled: bool | UnsetType = UNSET
    security_groups: list[Id] | UnsetType | None = UNSET
    allowed_address_pairs: list[PairWish] | None = None
    extra_dhcp_opts: list[DhcpOptionWish] | None = None


class PortChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: Text | UnsetType = UNSET
    fixed_ips: list[FixedIpWish] | UnsetType | None = UNSET
    device_id: Text | UnsetType = UNSET
    device_owner: Text | UnsetType = UNSET
    host: Text | UnsetType | None = field(name="binding:host_id", default=UNSET)
    vnic_type: Text | UnsetType = field(name="binding:vnic_type", default=UNSET)
    profile: Mapping[str, Any] | UnsetType | None = field(name="binding:profile", default=UNSET)
    port_security_enabled: bool | UnsetType = UNSET
    security_groups: list[Id] | UnsetType | None = UNSET
    allowed_address_pairs: list[PairWish] | UnsetType | None = UNSET
    extra_dhcp_opts: list[DhcpOptionWish] | UnsetType | None = UNSET


class NewSecurityGroup(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text = ""
    description: Text = ""
    stateful: bool = True


class SecurityGroupChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


class NewSecurityGroupRule(Owned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    security_group_id: Id
    direction: Text
    ethertype: Text | None = "IPv4"
    protocol: Text | int | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_group_id: Id | None = None
    remote_ip_prefix: Text | None = None
    description: Text = ""
