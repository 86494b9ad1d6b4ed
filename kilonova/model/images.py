"""An image and its life: who sees it, what state it is in, what was found in its bytes. Stores and serves nothing."""

from enum import Enum
from typing import Literal

from msgspec import Struct, field

from kilonova.errors import BadRequest, Forbidden
from kilonova.model.ids import ImageId
from kilonova.model.image import BootImage
from kilonova.model.page import EVERYTHING, Condition, Page


class ImageStatus(Enum):
    """The states of Glance that can occur here."""

    QUEUED = "queued"
    """It has a record and no bytes."""
    SAVING = "saving"
    """Its bytes are on their way."""
    UPLOADING = "uploading"
    """Its bytes are staged, or on their way there, and wait for an import."""
    IMPORTING = "importing"
    """Its bytes are fetched from the web."""
    ACTIVE = "active"
    """It can be downloaded and booted."""
    DEACTIVATED = "deactivated"
    """An admin has blocked its bytes."""


class Visibility(Enum):
    """Who sees an image besides its owner and admins."""

    PUBLIC = "public"
    """Everyone, in every list."""
    COMMUNITY = "community"
    """Everyone who knows its id, or asks for the community's images."""
    SHARED = "shared"
    """Its members."""
    PRIVATE = "private"
    """Nobody."""


class MemberStatus(Enum):
    """What a project thinks of an image that was shared with it: only an accepted one is in its lists."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Member(Struct, frozen=True, kw_only=True):
    """A project that an image is shared with. Times are Unix seconds."""

    image_id: ImageId
    member_id: str
    """The project's id."""
    status: MemberStatus = MemberStatus.PENDING
    created_at: float = 0.0
    updated_at: float = 0.0


class Content(Struct, frozen=True, kw_only=True):
    """What was measured and found in the bytes while they came in. Sizes in bytes, hashes in hex."""

    size: int
    virtual_size: int
    """What a guest would see; the file's own size where the format does not say."""
    format: str
    """The format that was found (qcow2, raw, iso, vmdk, …), whatever was declared."""
    md5: str
    sha256: str
    sha512: str
    unbootable: str = ""
    """Why QEMU must not be given this, for the image's owner; empty when it may."""


class Image(Struct, frozen=True, kw_only=True):
    """An image's record. Times are Unix seconds, `min_disk` GiB, `min_ram` MiB."""

    id: ImageId
    owner: str
    """The id of the project it belongs to."""
    name: str | None = None
    status: ImageStatus = ImageStatus.QUEUED
    visibility: Visibility = Visibility.SHARED
    disk_format: str | None = None
    """As declared by its owner; what was found stands in `content`."""
    container_format: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: dict[str, str] = field(default_factory=dict)
    content: Content | None = None
    upload: str | None = None
    """Names the one upload that may give this image its bytes; a late or lost one no longer matches."""
    wanted_until: float | None = None
    """A snapshot that has no bytes by then is given up; None for every other image."""
    created_at: float = 0.0
    updated_at: float = 0.0


class Viewer(Struct, frozen=True, kw_only=True):
    """Whose eyes an image is looked at with."""

    project_id: str
    is_admin: bool = False


def visible(image: Image, viewer: Viewer, is_member: bool) -> bool:
    """May `viewer` see this image when asking for it by id?"""
    if viewer.is_admin or (image.owner and image.owner == viewer.project_id):
        return True
    if image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return True
    return image.visibility is Visibility.SHARED and is_member


def check_owner(image: Image, viewer: Viewer) -> None:
    """Raises Forbidden for whoever only sees the image."""
    if not (viewer.is_admin or image.owner == viewer.project_id):
        raise Forbidden(f"You are not permitted to modify image {image.id}: it belongs to another project.")


def check_deletable(image: Image, viewer: Viewer) -> None:
    """Raises Forbidden for another project's image, and for a protected one."""
    check_owner(image, viewer)
    if image.protected:
        raise Forbidden(f"Image {image.id} is protected and cannot be deleted.")


MEASURED = frozenset(
    ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "status", "locations", "stores", "direct_url")
) | {"created_at", "updated_at", "deleted_at", "deleted", "self", "file", "schema", "first", "next"}
"""What an image says of itself and nobody sets."""
SETTABLE = frozenset(
    ("name", "visibility", "owner", "disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden", "tags")
)
NOT_ADDITIONAL = MEASURED | SETTABLE | {"id"}
"""Every other name is that of an additional property."""

BOOTABLE = ("qcow2", "raw", "iso")
"""Formats that QEMU is given here. Others are kept and served."""


def boot_image(image: Image) -> BootImage:
    """What a build needs of this image. Raises BadRequest when it cannot be booted, with the reason for its owner."""
    content = image.content
    if image.status is not ImageStatus.ACTIVE or content is None:
        raise BadRequest(f"Image {image.id} is not active.")
    declared = image.disk_format or ""
    if image.container_format != "bare" or declared not in BOOTABLE:
        wanted = "the disk format qcow2, raw or iso and the container format bare"
        raise BadRequest(
            f"Image {image.id} cannot be booted: it needs {wanted}, and has {declared} and {image.container_format}."
        )
    if content.format != declared:
        raise BadRequest(f"Image {image.id} is unacceptable: declared {declared} but the content is {content.format}.")
    if content.unbootable:
        raise BadRequest(f"Image {image.id} cannot be booted: {content.unbootable}.")
    return BootImage(
        id=image.id,
        name=image.name or "",
        disk_format=content.format,
        size=content.size,
        sha256=content.sha256,
        virtual_size=content.virtual_size,
        min_disk_gb=image.min_disk,
        min_ram_mb=image.min_ram,
        properties=image.properties,
    )


class Moment(Struct, frozen=True, kw_only=True):
    """A bound on ``created_at`` or ``updated_at``, as exact as a second."""

    field: str
    comparison: Literal["gt", "gte", "lt", "lte", "eq", "neq"]
    at: int
    """Unix seconds."""


class ImageQuestion(Struct, frozen=True, kw_only=True):
    """Which images are wanted, and which part of that list."""

    viewer: Viewer
    page: Page = EVERYTHING
    where: tuple[Condition, ...] = ()
    """On the fields of `Image`, and on size, md5 and sha512 of its content."""
    visibility: str | None = None
    """A `Visibility`, or ``all``; None is everything but the community's."""
    member_status: str = "accepted"
    """A `MemberStatus`, or ``all``: which of the images that others share are seen."""
    size_min: int | None = None
    size_max: int | None = None
    tags: tuple[str, ...] = ()
    """An image must have all of these."""
    properties: dict[str, str] = field(default_factory=dict)
    moments: tuple[Moment, ...] = ()
