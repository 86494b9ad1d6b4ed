"""An image and its life: who sees it, what state it is in, what was found in its bytes. Stores and serves nothing."""

from collections.abc import Collection
from enum import Enum

from msgspec import Struct, field

from kilonova.model.ids import ImageId


class ImageStatus(Enum):
    """The states of Glance that can occur here."""

    QUEUED = "queued"
    """It has a record and no bytes."""
    SAVING = "saving"
    """Its bytes are on their way."""
    UPLOADING = "uploading"
    """Its bytes are staged, or on their way there, and wait for an import."""
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


class Moment(Struct, frozen=True, kw_only=True):
    """A bound on a time: `comparison` is one of gt, gte, lt, lte, eq, neq."""

    comparison: str
    at: float


class ImageQuestion(Struct, frozen=True, kw_only=True):
    """Which images, in which order. A None or an empty collection does not narrow."""

    viewer: Viewer
    ids: Collection[str] | None = None
    names: Collection[str] | None = None
    statuses: Collection[str] | None = None
    disk_formats: Collection[str] | None = None
    container_formats: Collection[str] | None = None
    visibility: str | None = None
    """``all`` adds community images to what is seen."""
    member_status: str = "accepted"
    """``pending``, ``accepted``, ``rejected`` or ``all``: which images shared by others are seen."""
    owner: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    tags: tuple[str, ...] = ()
    """An image must have all of these."""
    os_hidden: bool = False
    protected: bool | None = None
    checksum: str | None = None
    os_hash_value: str | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    """Exact values of ``min_disk`` and ``min_ram``."""
    properties: dict[str, str] = field(default_factory=dict)
    created: tuple[Moment, ...] = ()
    updated: tuple[Moment, ...] = ()
    sort: tuple[tuple[str, str], ...] = ()
    """(key, ``asc`` or ``desc``), most important first; the book ends it with created_at and id."""
    marker: str | None = None
    limit: int = 25
