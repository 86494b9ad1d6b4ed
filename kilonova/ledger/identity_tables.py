"""The tables of identity. A column per field of the record in `model/identity.py`, under the same name; no query."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from kilonova.ledger.schema import SERIAL, Packed, metadata

ID = String(64)
NAME = String(255)

domains = Table(
    "identity_domains",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("options", Packed, nullable=False),
    Column("extra", Packed, nullable=False),
    Column("tokens_from", Float, nullable=False),
)

projects = Table(
    "identity_projects",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", ID, ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", ID, nullable=False, index=True),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("tags", Text, nullable=False),
    Column("options", Packed, nullable=False),
    Column("extra", Packed, nullable=False),
    Column("tokens_from", Float, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

users = Table(
    "identity_users",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False),
    Column("domain_id", ID, ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("description", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("default_project_id", ID, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("options", Packed, nullable=False),
    Column("extra", Packed, nullable=False),
    Column("tokens_from", Float, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

groups = Table(
    "identity_groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("domain_id", ID, ForeignKey("identity_domains.id", ondelete="CASCADE"), nullable=False),
    Column("description", Text, nullable=False),
    Column("extra", Packed, nullable=False),
    UniqueConstraint("domain_id", "name"),
)

members = Table(
    "identity_group_members",
    metadata,
    Column("group_id", ID, ForeignKey("identity_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), primary_key=True),
    Index(None, "user_id"),
)

roles = Table(
    "identity_roles",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("domain_id", ID, nullable=False, server_default="", index=True),
    Column("description", Text, nullable=False),
    Column("options", Packed, nullable=False),
    Column("extra", Packed, nullable=False),
)

implications = Table(
    "identity_role_implications",
    metadata,
    Column("role_id", ID, ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
    Column("implied_id", ID, ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
)

assignments = Table(
    "identity_assignments",
    metadata,
    Column("actor", String(8), primary_key=True),
    Column("actor_id", ID, primary_key=True),
    Column("target", String(8), primary_key=True),
    Column("target_id", ID, primary_key=True),
    Column("role_id", ID, ForeignKey("identity_roles.id", ondelete="CASCADE"), primary_key=True),
    Column("inherited", Boolean, primary_key=True),
    Index(None, "target", "target_id"),
)

revocations = Table(
    "identity_revocations",
    metadata,
    Column("audit_id", String(64), primary_key=True),
    Column("expires_at", Float, nullable=False, index=True),
)

epoch = Table(
    "identity_epoch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", Integer, nullable=False),
)
"""One row, counted up by every change that may alter what a token is good for."""

regions = Table(
    "identity_regions",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("description", Text, nullable=False),
    Column("parent_region_id", NAME, nullable=False),
    Column("extra", Packed, nullable=False),
)

services = Table(
    "identity_services",
    metadata,
    Column("id", ID, primary_key=True),
    Column("type", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("description", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("extra", Packed, nullable=False),
)

endpoints = Table(
    "identity_endpoints",
    metadata,
    Column("id", ID, primary_key=True),
    Column("service_id", ID, nullable=False, index=True),
    Column("interface", String(8), nullable=False),
    Column("url", Text, nullable=False),
    Column("region_id", NAME, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("extra", Packed, nullable=False),
)

app_credentials = Table(
    "identity_app_credentials",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False),
    Column("project_id", ID, ForeignKey("identity_projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", NAME, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("expires_at", Float),
    Column("role_ids", Packed, nullable=False),
    Column("unrestricted", Boolean, nullable=False),
    Column("access_rule_ids", Packed, nullable=False),
    UniqueConstraint("user_id", "name"),
)

access_rules = Table(
    "identity_access_rules",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False),
    Column("service", NAME, nullable=False),
    Column("method", String(16), nullable=False),
    Column("path", NAME, nullable=False),
    UniqueConstraint("user_id", "service", "method", "path"),
)

credentials = Table(
    "identity_credentials",
    metadata,
    Column("id", ID, primary_key=True),
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("type", NAME, nullable=False),
    Column("blob", Text, nullable=False),
    Column("project_id", ID, nullable=False, index=True),
)

trusts = Table(
    "identity_trusts",
    metadata,
    Column("id", ID, primary_key=True),
    Column("trustor_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("trustee_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("project_id", ID, ForeignKey("identity_projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("impersonation", Boolean, nullable=False),
    Column("role_ids", Packed, nullable=False),
    Column("expires_at", Float),
    Column("uses_left", Integer),
)

old_passwords = Table(
    "identity_old_passwords",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("password_hash", Text, nullable=False),
)
"""Hashes a user had before its present one, in the order it had them."""

failed_logins = Table(
    "identity_failed_logins",
    metadata,
    Column("user_id", ID, ForeignKey("identity_users.id", ondelete="CASCADE"), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Float, nullable=False),
)
"""A row per user whose last password was wrong."""

registered_limits = Table(
    "identity_registered_limits",
    metadata,
    Column("id", ID, primary_key=True),
    Column("service_id", ID, nullable=False),
    Column("resource_name", NAME, nullable=False),
    Column("default_limit", Integer, nullable=False),
    Column("region_id", NAME, nullable=False),
    Column("description", Text, nullable=False),
    UniqueConstraint("service_id", "region_id", "resource_name"),
)

limits = Table(
    "identity_limits",
    metadata,
    Column("id", ID, primary_key=True),
    Column("service_id", ID, nullable=False),
    Column("resource_name", NAME, nullable=False),
    Column("resource_limit", Integer, nullable=False),
    Column("region_id", NAME, nullable=False),
    Column("project_id", ID, nullable=False, index=True),
    Column("domain_id", ID, nullable=False, index=True),
    Column("description", Text, nullable=False),
    UniqueConstraint("service_id", "region_id", "resource_name", "project_id", "domain_id"),
)
