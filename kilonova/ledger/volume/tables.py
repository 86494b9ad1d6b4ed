"""The tables of volumes, snapshots, attachments, types, transfers, quotas, messages; rows to records and back. Asks nothing."""

from collections.abc import Mapping
from typing import Any

from msgspec import structs
from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from kilonova.ledger.schema import Packed, metadata
from kilonova.model.volume import Snapshot, Volume


def _about() -> list[Column[Any]]:
    """What volumes and snapshots have in common."""
    return [
        Column("id", String(36), primary_key=True),
        Column("project_id", String(64), nullable=False),
        Column("user_id", String(64), nullable=False),
        Column("name", String(255)),
        Column("description", Text),
        Column("status", String(32), nullable=False),
        Column("size_gb", Integer, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("updated_at", Float),
        Column("work_id", String(64)),
    ]


volume_types = Table(
    "volume_types",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("description", String(255)),
    Column("is_public", Boolean, nullable=False),
    Column("qos_specs_id", String(36), index=True),
    Column("extra_specs", Packed, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
)

volume_type_access = Table(
    "volume_type_access",
    metadata,
    Column("volume_type_id", ForeignKey("volume_types.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", String(64), primary_key=True),
)

volume_qos_specs = Table(
    "volume_qos_specs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("consumer", String(16), nullable=False),
    Column("specs", Packed, nullable=False),
    Column("created_at", Float, nullable=False),
)

volumes = Table(
    "volumes",
    metadata,
    *_about(),
    Column("volume_type_id", ForeignKey("volume_types.id"), nullable=False, index=True),
    Column("availability_zone", String(255), nullable=False),
    Column("node", String(255), index=True),
    Column("bootable", Boolean, nullable=False),
    Column("read_only", Boolean),
    Column("snapshot_id", String(36)),
    Column("source_volid", String(36)),
    Column("image_metadata", Packed),
    Column("previous_status", String(32)),
    Column("wanted_size_gb", Integer),
    Index("ix_volumes_project_id_created_at", "project_id", "created_at"),
)

volume_snapshots = Table(
    "volume_snapshots",
    metadata,
    *_about(),
    Column("volume_id", ForeignKey("volumes.id"), nullable=False, index=True),
    Column("progress", String(255)),
    Index("ix_volume_snapshots_project_id_created_at", "project_id", "created_at"),
)

volume_metadata = Table(
    "volume_metadata",
    metadata,
    Column("thing_id", String(36), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Of volumes and of snapshots."""

volume_attachments = Table(
    "volume_attachments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("volume_id", ForeignKey("volumes.id"), nullable=False, index=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("server_id", String(36)),
    Column("state", String(16), nullable=False),
    Column("device", String(255)),
    Column("mode", String(2), nullable=False),
    Column("host_name", String(255)),
    Column("connector", Packed),
    Column("delete_on_termination", Boolean, nullable=False),
    Column("tag", String(255)),
    Column("boot_index", Integer),
    Column("made_by_server", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("attached_at", Float),
    Column("detached_at", Float),
    UniqueConstraint("server_id", "volume_id"),
)

volume_transfers = Table(
    "volume_transfers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("volume_id", ForeignKey("volumes.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("source_project_id", String(64), nullable=False, index=True),
    Column("name", String(255)),
    Column("key_salt", String(32), nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("with_snapshots", Boolean, nullable=False),
    Column("previous_status", String(32), nullable=False),
    Column("created_at", Float, nullable=False),
)

volume_quotas = Table(
    "volume_quotas",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("resource", String(300), primary_key=True),
    Column("most", Integer, nullable=False),
)

volume_quota_classes = Table(
    "volume_quota_classes",
    metadata,
    Column("class_name", String(255), primary_key=True),
    Column("resource", String(300), primary_key=True),
    Column("most", Integer, nullable=False),
)

volume_messages = Table(
    "volume_messages",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("request_id", String(64), nullable=False),
    Column("resource_type", String(32), nullable=False),
    Column("resource_id", String(36), nullable=False, index=True),
    Column("event_id", String(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("level", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("until", Float, nullable=False, index=True),
)

volume_nodes = Table(
    "volume_nodes",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("disabled_reason", Text),
)
"""Volume nodes that an admin has disabled: nothing new goes there."""


def row_of(record: Volume | Snapshot) -> dict[str, Any]:
    """All columns; metadata is a table of its own."""
    values = structs.asdict(record)
    del values["metadata"]
    return values


def volume_of(row: Any, told: Mapping[str, str]) -> Volume:
    return Volume(**row._mapping, metadata=told)


def snapshot_of(row: Any, told: Mapping[str, str]) -> Snapshot:
    return Snapshot(**row._mapping, metadata=told)
