"""The tables of networks as they were at first. Written by draft.py; nothing here changes any more."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from kilonova.ledger.migrations.first.metadata import metadata

Table(
    "network_quotas",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("resource", String(32), primary_key=True),
    Column("most", Integer, nullable=False),
)


Table(
    "network_tags",
    metadata,
    Column("resource_id", String(36), primary_key=True),
    Column("tag", String(255), primary_key=True),
    Index("ix_network_tags_tag", "tag"),
)


Table(
    "networks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("revision_number", Integer, nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("external", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("mtu", Integer, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
    Index("ix_networks_external", "external"),
    Index("ix_networks_project_id", "project_id"),
    Index("ix_networks_shared", "shared"),
)


Table(
    "security_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("revision_number", Integer, nullable=False),
    Column("stateful", Boolean, nullable=False),
    Column("default_of", String(64)),
    UniqueConstraint("default_of"),
    Index("ix_security_groups_project_id", "project_id"),
)


Table(
    "ports",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("revision_number", Integer, nullable=False),
    Column("network_id", ForeignKey("networks.id"), nullable=False),
    Column("mac_address", String(17), nullable=False),
    Column("admin_state_up", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("device_id", String(255), nullable=False),
    Column("device_owner", String(255), nullable=False),
    Column("host", String(255), nullable=False),
    Column("vnic_type", String(64), nullable=False),
    Column("profile", LargeBinary, nullable=False),
    Column("port_security_enabled", Boolean, nullable=False),
    Column("allowed_address_pairs", LargeBinary, nullable=False),
    Column("made_for_server", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    UniqueConstraint("network_id", "mac_address"),
    Index("ix_ports_device_id", "device_id"),
    Index("ix_ports_project_id", "project_id"),
)


Table(
    "security_group_rules",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("revision_number", Integer, nullable=False),
    Column("security_group_id", ForeignKey("security_groups.id", ondelete="CASCADE"), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("ethertype", String(8), nullable=False),
    Column("protocol", String(40)),
    Column("port_range_min", Integer),
    Column("port_range_max", Integer),
    Column("remote_group_id", ForeignKey("security_groups.id", ondelete="CASCADE")),
    Column("remote_ip_prefix", String(64)),
    Column("terms", Text, nullable=False),
    UniqueConstraint("security_group_id", "terms"),
    Index("ix_security_group_rules_project_id", "project_id"),
    Index("ix_security_group_rules_remote_group_id", "remote_group_id"),
)


Table(
    "subnets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("revision_number", Integer, nullable=False),
    Column("network_id", ForeignKey("networks.id"), nullable=False),
    Column("ip_version", Integer, nullable=False),
    Column("cidr", String(64), nullable=False),
    Column("gateway_ip", String(64)),
    Column("enable_dhcp", Boolean, nullable=False),
    Column("ipv6_ra_mode", String(16)),
    Column("ipv6_address_mode", String(16)),
    Column("dns_nameservers", LargeBinary, nullable=False),
    Column("host_routes", LargeBinary, nullable=False),
    Index("ix_subnets_network_id", "network_id"),
    Index("ix_subnets_project_id", "project_id"),
)


Table(
    "freed_addresses",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("subnet_id", ForeignKey("subnets.id", ondelete="CASCADE"), nullable=False),
    Column("ip_address", String(64), nullable=False),
    UniqueConstraint("subnet_id", "ip_address"),
    Index("ix_freed_addresses_subnet_id_id", "subnet_id", "id"),
)


Table(
    "port_addresses",
    metadata,
    Column("subnet_id", ForeignKey("subnets.id"), primary_key=True),
    Column("ip_address", String(64), primary_key=True),
    Column("port_id", ForeignKey("ports.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Index("ix_port_addresses_port_id", "port_id"),
)


Table(
    "port_security_groups",
    metadata,
    Column("port_id", ForeignKey("ports.id", ondelete="CASCADE"), primary_key=True),
    Column("security_group_id", ForeignKey("security_groups.id"), primary_key=True),
    Index("ix_port_security_groups_security_group_id", "security_group_id"),
)


Table(
    "subnet_pools",
    metadata,
    Column("subnet_id", ForeignKey("subnets.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("first_ip", String(64), nullable=False),
    Column("last_ip", String(64), nullable=False),
    Column("next_ip", String(64)),
)
