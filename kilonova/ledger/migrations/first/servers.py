"""The tables of servers as they were at first. Written by draft.py; nothing here changes any more."""

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
    "actions",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("server_id", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("updated_at", Float),
    Column("message", Text),
    Column("traceparent", Text, nullable=False),
    Column("ordered", LargeBinary, nullable=False),
    Column("carried", LargeBinary),
    Column("attempt", Integer, nullable=False),
    Index("ix_actions_age", "started_at"),
    Index("ix_actions_server", "server_id", "id"),
)


Table(
    "flavors",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Column("ephemeral_gb", Integer, nullable=False),
    Column("swap_mb", Integer, nullable=False),
    Column("rxtx_factor", Float, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("description", String(65535)),
    Column("extra_specs", LargeBinary, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("name"),
)


Table(
    "keypairs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(16), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("user_id", "name"),
)


Table(
    "news",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("event", Text, nullable=False),
    Column("server_id", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)


Table(
    "nodes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("id"),
)


Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    Column("server_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("deadline", Float),
    Column("published_at", Float),
    Column("sent", Integer, nullable=False),
    Index("ix_orders_deadline", "deadline"),
    Index("ix_orders_server_id", "server_id"),
    Index("ix_orders_unsent", "published_at"),
)


Table(
    "quotas",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("changes", LargeBinary, nullable=False),
)


Table(
    "servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("description", Text),
    Column("vm_state", Text, nullable=False),
    Column("task_state", Text),
    Column("power_state", Integer, nullable=False),
    Column("host", Text),
    Column("node", Text),
    Column("attempt", Integer, nullable=False),
    Column("zone", Text),
    Column("requested_zone", Text),
    Column("flavor_id", Text, nullable=False),
    Column("flavor", LargeBinary, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("image_id", Text),
    Column("key_name", Text),
    Column("config_drive", Boolean, nullable=False),
    Column("user_data", Text),
    Column("metadata", LargeBinary, nullable=False),
    Column("tags", LargeBinary, nullable=False),
    Column("fault", LargeBinary),
    Column("locked", Boolean, nullable=False),
    Column("locked_reason", Text),
    Column("access_ipv4", Text, nullable=False),
    Column("access_ipv6", Text, nullable=False),
    Column("security_groups", LargeBinary, nullable=False),
    Column("reservation_id", Text, nullable=False),
    Column("launch_index", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
    Column("launched_at", Float),
    Column("terminated_at", Float),
    Column("deleted_at", Float),
    Index("ix_servers_host", "host", "deleted_at"),
    Index("ix_servers_idempotency", "project_id", "idempotency_key"),
    Index("ix_servers_listing", "project_id", "deleted_at", "created_at", "id"),
    Index("ix_servers_quota", "project_id", "deleted_at", "vcpus", "ram_mb"),
)


Table(
    "flavor_access",
    metadata,
    Column("flavor_id", ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", String(64), primary_key=True),
)


Table(
    "hosts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("service_id", Text, nullable=False),
    Column("node", ForeignKey("nodes.name"), nullable=False),
    Column("hypervisor_type", Text, nullable=False),
    Column("hypervisor_version", Integer, nullable=False),
    Column("host_ip", Text, nullable=False),
    Column("cpu_info", Text, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Column("vcpus_used", Integer, nullable=False),
    Column("ram_mb_used", Integer, nullable=False),
    Column("disk_gb_used", Integer, nullable=False),
    Column("servers", Integer, nullable=False),
    Column("availability_zone", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("id"),
    UniqueConstraint("service_id"),
    Index("ix_hosts_node", "node"),
)


Table(
    "claims",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("host", ForeignKey("hosts.name"), nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Index("ix_claims_host", "host"),
)
