"""The tables of networks, subnets, ports and security groups. Constraints here are the last word on what is unique."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from kilonova.ledger.schema import SERIAL, Packed, metadata


def named(*, project_index: bool = True) -> list[Column[object]]:
    """What every noun has: identity, owner, name, times, revision."""
    return [
        Column("id", String(36), primary_key=True),
        Column("project_id", String(64), nullable=False, index=project_index),
        Column("name", String(255), nullable=False, default=""),
        Column("description", String(255), nullable=False, default=""),
        Column("created_at", Float, nullable=False),
        Column("updated_at", Float, nullable=False),
        Column("revision_number", Integer, nullable=False, default=0),
    ]


networks = Table(
    "networks",
    metadata,
    *named(),
    Column("admin_state_up", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("shared", Boolean, nullable=False, index=True),
    Column("external", Boolean, nullable=False, index=True),
    Column("is_default", Boolean, nullable=False),
    Column("mtu", Integer, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
)

address_scopes = Table(
    "address_scopes",
    metadata,
    *named(),
    Column("ip_version", Integer, nullable=False),
    Column("shared", Boolean, nullable=False),
)

subnetpools = Table(
    "subnetpools",
    metadata,
    *named(),
    Column("ip_version", Integer, nullable=False),
    Column("prefixes", Packed, nullable=False),
    Column("min_prefixlen", Integer, nullable=False),
    Column("max_prefixlen", Integer, nullable=False),
    Column("default_prefixlen", Integer, nullable=False),
    Column("default_quota", Integer),
    Column("shared", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("address_scope_id", ForeignKey("address_scopes.id"), index=True),
)
"""What subnets' CIDRs are chosen from; not to be confused with `subnet_pools`, what ports' addresses are chosen from."""

subnets = Table(
    "subnets",
    metadata,
    *named(),
    Column("network_id", ForeignKey("networks.id"), nullable=False, index=True),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    Column("gateway_ip", String(64)),
    Column("enable_dhcp", Boolean, nullable=False),
    Column("ipv6_ra_mode", String(16)),
    Column("ipv6_address_mode", String(16)),
    Column("dns_nameservers", Packed, nullable=False),
    Column("host_routes", Packed, nullable=False),
    Column("subnetpool_id", ForeignKey("subnetpools.id"), index=True),
)

subnet_pools = Table(
    "subnet_pools",
    metadata,
    Column("subnet_id", ForeignKey("subnets.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("first_ip", String(64), nullable=False),
    Column("last_ip", String(64), nullable=False),
    Column("next_ip", String(64)),
)
"""`next_ip`: no address from here on was ever given by choice; NULL when the range is used up."""

freed_addresses = Table(
    "freed_addresses",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("subnet_id", ForeignKey("subnets.id", ondelete="CASCADE"), nullable=False),
    Column("ip_address", String(64), nullable=False),
    UniqueConstraint("subnet_id", "ip_address"),
    Index("ix_freed_addresses_subnet_id_id", "subnet_id", "id"),
)
"""Addresses below `next_ip` that are free again, the longest free first."""

ports = Table(
    "ports",
    metadata,
    *named(),
    Column("network_id", ForeignKey("networks.id"), nullable=False),
    Column("mac_address", String(17), nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("device_id", String(255), nullable=False, default="", index=True),
    Column("device_owner", String(255), nullable=False, default=""),
    Column("host", String(255), nullable=False, default=""),
    Column("vnic_type", String(64), nullable=False, default="normal"),
    Column("profile", Packed, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("allowed_address_pairs", Packed, nullable=False),
    Column("extra_dhcp_opts", Packed),
    Column("made_for_server", Boolean, nullable=False, default=False),
    Column("position", Integer, nullable=False, default=0),
    UniqueConstraint("network_id", "mac_address"),
)
"""`position`: which NIC of its server it is, from 0."""

port_addresses = Table(
    "port_addresses",
    metadata,
    Column("subnet_id", ForeignKey("subnets.id"), primary_key=True),
    Column("ip_address", String(64), primary_key=True),
    Column("port_id", ForeignKey("ports.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False, default=0),
)

security_groups = Table(
    "security_groups",
    metadata,
    *named(),
    Column("stateful", Boolean, nullable=False),
    Column("default_of", String(64), unique=True),
)
"""`default_of`: the project whose default group this is, else NULL."""

security_group_rules = Table(
    "security_group_rules",
    metadata,
    *named(),
    Column("security_group_id", ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(40)),
    Column("port_range_min", Integer),
    Column("port_range_max", Integer),
    Column("remote_group_id", ForeignKey("security_groups.id", ondelete="CASCADE"), index=True),
    Column("remote_ip_prefix", String(64)),
    Column("terms", Text, nullable=False),
    UniqueConstraint("security_group_id", "terms"),
)
"""`terms`: the rule's canonical key; no group has the same rule twice."""

port_groups = Table(
    "port_security_groups",
    metadata,
    Column("port_id", ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    Column("security_group_id", ForeignKey("security_groups.id"), primary_key=True, index=True),
)

network_tags = Table(
    "network_tags",
    metadata,
    Column("resource_id", String(36), primary_key=True),
    Column("tag", String(255), primary_key=True, index=True),
)

network_quotas = Table(
    "network_quotas",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("resource", String(32), primary_key=True),
    Column("most", Integer, nullable=False),
)
