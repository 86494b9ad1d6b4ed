"""The tables of identity as they were at first. Written by draft.py; nothing here changes any more."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from kilonova.ledger.migrations.first.metadata import metadata

Table(
    "identity_domains",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("options", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("tokens_from", Float, nullable=False),
    UniqueConstraint("name"),
)


Table(
    "identity_endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service_id", String(64), nullable=False),
    Column("interface", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("region_id", String(255), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Index("ix_identity_endpoints_service_id", "service_id"),
)


Table(
    "identity_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
)


Table(
    "identity_regions",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("description", Text, nullable=False),
    Column("parent_region_id", String(255), nullable=False),
    Column("extra", LargeBinary, nullable=False),
)


Table(
    "identity_revocations",
    metadata,
    Column("audit_id", String(64), primary_key=True),
    Column("expires_at", Float, nullable=False),
    Index("ix_identity_revocations_expires_at", "expires_at"),
)


Table(
    "identity_roles",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("options", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    UniqueConstraint("name"),
)


Table(
    "identity_services",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("extra", LargeBinary, nullable=False),
)


Table(
    "identity_assignments",
    metadata,
    Column("actor", String(8), primary_key=True),
    Column("actor_id", String(64), primary_key=True),
    Column("target", String(8), primary_key=True),
    Column("target_id", String(64), primary_key=True),
    Column("role_id", ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
    Column("inherited", Boolean, primary_key=True),
    Index("ix_identity_assignments_target_target_id", "target", "target_id"),
)


Table(
    "identity_groups",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("description", Text, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    UniqueConstraint("domain_id", "name"),
)


Table(
    "identity_projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("tags", Text, nullable=False),
    Column("options", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("tokens_from", Float, nullable=False),
    UniqueConstraint("domain_id", "name"),
    Index("ix_identity_projects_parent_id", "parent_id"),
)


Table(
    "identity_role_implications",
    metadata,
    Column("role_id", ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
    Column("implied_id", ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
)


Table(
    "identity_users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("domain_id", ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("description", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("default_project_id", String(64), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("options", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False),
    Column("tokens_from", Float, nullable=False),
    UniqueConstraint("domain_id", "name"),
)


Table(
    "identity_group_members",
    metadata,
    Column("group_id", ForeignKey("identity_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("identity_users.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_identity_group_members_user_id", "user_id"),
)
