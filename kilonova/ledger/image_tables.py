"""The tables of images, and the way between a row and an Image. Asks nothing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from kilonova.ledger.schema import metadata
from kilonova.model.ids import ImageId
from kilonova.model.images import Content, Image, ImageStatus, Member, MemberStatus, Visibility

images = Table(
    "images",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(255)),
    Column("status", String(16), nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("disk_format", String(16)),
    Column("container_format", String(16)),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("os_hidden", Boolean, nullable=False),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("found_format", String(16)),
    Column("md5", String(32)),
    Column("sha256", String(64)),
    Column("sha512", String(128)),
    Column("unbootable", String(255)),
    Column("upload", String(36)),
    Column("wanted_until", Float, index=True),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("deleted_at", Float),
    # A deleted image keeps its row: its id is never given out again, so that what a host has cached under it stays true.
    Index("ix_images_owner_created_at", "owner", "created_at"),
    Index("ix_images_visibility", "visibility"),
)

image_tags = Table(
    "image_tags",
    metadata,
    Column("image_id", String(36), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String(255), primary_key=True),
)

image_properties = Table(
    "image_properties",
    metadata,
    Column("image_id", String(36), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("value", Text, nullable=False),
)

image_members = Table(
    "image_members",
    metadata,
    Column("image_id", String(36), ForeignKey("images.id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", String(64), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index("ix_image_members_member_id", "member_id"),
)


def row_of(image: Image) -> dict[str, Any]:
    """All columns but `deleted_at`."""
    content = image.content
    return {
        "id": image.id,
        "owner": image.owner,
        "name": image.name,
        "status": image.status.value,
        "visibility": image.visibility.value,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "size": content.size if content else None,
        "virtual_size": content.virtual_size if content else None,
        "found_format": content.format if content else None,
        "md5": content.md5 if content else None,
        "sha256": content.sha256 if content else None,
        "sha512": content.sha512 if content else None,
        "unbootable": content.unbootable if content else None,
        "upload": image.upload,
        "wanted_until": image.wanted_until,
        "created_at": image.created_at,
        "updated_at": image.updated_at,
    }


def image_of(row: Any, tags: Sequence[str], properties: dict[str, str]) -> Image:
    """The record a row, its tags and its properties make."""
    return Image(
        id=ImageId(row.id),
        owner=row.owner,
        name=row.name,
        status=ImageStatus(row.status),
        visibility=Visibility(row.visibility),
        disk_format=row.disk_format,
        container_format=row.container_format,
        min_disk=row.min_disk,
        min_ram=row.min_ram,
        protected=row.protected,
        os_hidden=row.os_hidden,
        tags=tuple(sorted(tags)),
        properties=properties,
        content=_content_of(row),
        upload=row.upload,
        wanted_until=row.wanted_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def member_of(row: Any) -> Member:
    return Member(
        image_id=ImageId(row.image_id),
        member_id=row.member_id,
        status=MemberStatus(row.status),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _content_of(row: Any) -> Content | None:
    if row.found_format is None:
        return None
    return Content(
        size=row.size,
        virtual_size=row.virtual_size,
        format=row.found_format,
        md5=row.md5,
        sha256=row.sha256,
        sha512=row.sha512,
        unbootable=row.unbootable,
    )
