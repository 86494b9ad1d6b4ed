"""The network API's nouns as clients read them. Both names of the project, and times as text."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from kilonova.model.caller import Caller
from kilonova.model.network import Agent, Network, NetworkPort, SecurityGroup, SecurityGroupRule, Subnet
from kilonova.model.subnetpool import AddressScope, SubnetPool

View = dict[str, Any]


class Dated(Protocol):
    @property
    def project_id(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def created_at(self) -> float: ...

    @property
    def updated_at(self) -> float: ...

    @property
    def revision_number(self) -> int: ...


def when(unix_time: float) -> str:
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def network(one: Network) -> View:
    return {
        "id": one.id,
        "name": one.name,
        "admin_state_up": one.admin_state_up,
        "status": one.status,
        "subnets": one.subnets,
        "shared": one.shared,
        "router:external": one.external,
        "is_default": one.is_default,
        "mtu": one.mtu,
        "port_security_enabled": one.port_security_enabled,
        "tags": one.tags,
        **standard(one),
    }


def subnet(one: Subnet) -> View:
    return {
        "id": one.id,
        "name": one.name,
        "network_id": one.network_id,
        "ip_version": one.ip_version,
        "cidr": one.cidr,
        "gateway_ip": one.gateway_ip,
        "enable_dhcp": one.enable_dhcp,
        "ipv6_ra_mode": one.ipv6_ra_mode,
        "ipv6_address_mode": one.ipv6_address_mode,
        "allocation_pools": one.allocation_pools,
        "dns_nameservers": one.dns_nameservers,
        "host_routes": one.host_routes,
        "subnetpool_id": one.subnetpool_id,
        "tags": one.tags,
        **standard(one),
    }


def subnetpool(one: SubnetPool) -> View:
    return {
        "id": one.id,
        "name": one.name,
        "ip_version": one.ip_version,
        "prefixes": one.prefixes,
        "min_prefixlen": str(one.min_prefixlen),
        "max_prefixlen": str(one.max_prefixlen),
        "default_prefixlen": str(one.default_prefixlen),
        "default_quota": one.default_quota,
        "shared": one.shared,
        "is_default": one.is_default,
        "address_scope_id": one.address_scope_id,
        "tags": one.tags,
        **standard(one),
    }


def address_scope(one: AddressScope) -> View:
    return {
        "id": one.id,
        "name": one.name,
        "ip_version": one.ip_version,
        "shared": one.shared,
        "project_id": one.project_id,
        "tenant_id": one.project_id,
    }


def port(one: NetworkPort, caller: Caller) -> View:
    """Where a port is bound is for admins; its type is for everyone."""
    view = {
        "id": one.id,
        "name": one.name,
        "network_id": one.network_id,
        "admin_state_up": one.admin_state_up,
        "status": one.status,
        "mac_address": one.mac_address,
        "fixed_ips": one.fixed_ips,
        "device_id": one.device_id,
        "device_owner": one.device_owner,
        "security_groups": one.security_groups,
        "allowed_address_pairs": one.allowed_address_pairs,
        "extra_dhcp_opts": one.extra_dhcp_opts,
        "port_security_enabled": one.port_security_enabled,
        "binding:vnic_type": one.vnic_type,
        "tags": one.tags,
        **standard(one),
    }
    if caller.is_admin:
        view["binding:host_id"] = one.host
        view["binding:profile"] = one.profile
        view["binding:vif_type"] = "bridge" if one.host else "unbound"
        view["binding:vif_details"] = {"port_filter": False} if one.host else {}
    return view


def security_group(one: SecurityGroup) -> View:
    return {
        "id": one.id,
        "name": one.name,
        "stateful": one.stateful,
        "security_group_rules": [rule(each) for each in one.rules],
        "tags": one.tags,
        **standard(one),
    }


def rule(one: SecurityGroupRule) -> View:
    return {
        "id": one.id,
        "security_group_id": one.security_group_id,
        "direction": one.direction,
        "ethertype": one.ethertype,
        "protocol": one.protocol,
        "port_range_min": one.port_range_min,
        "port_range_max": one.port_range_max,
        "remote_group_id": one.remote_group_id,
        "remote_ip_prefix": one.remote_ip_prefix,
        **standard(one),
    }


def agent(one: Agent) -> View:
    return {
        "id": one.id,
        "agent_type": one.agent_type,
        "binary": one.binary,
        "host": one.host,
        "topic": "N/A",
        "availability_zone": one.availability_zone,
        "alive": one.alive,
        "admin_state_up": one.admin_state_up,
        "configurations": {},
        "resources_synced": None,
        "created_at": _spaced(one.created_at),
        "started_at": _spaced(one.started_at),
        "heartbeat_timestamp": _spaced(one.heartbeat_at),
    }


def quota_details(limits: Mapping[str, int], usage: Mapping[str, int]) -> View:
    return {resource: {"limit": most, "used": usage[resource], "reserved": 0} for resource, most in limits.items()}


def standard(one: Dated) -> View:
    return {
        "project_id": one.project_id,
        "tenant_id": one.project_id,
        "description": one.description,
        "created_at": when(one.created_at),
        "updated_at": when(one.updated_at),
        "revision_number": one.revision_number,
    }


def _spaced(unix_time: float) -> str:
    """Agents are the one place where Neutron writes times with a space."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S")
