"""The image that a snapshot of a server becomes: what it inherits, what it says about where it is from. Stores nothing."""

import re

from msgspec import Struct, field

from kilonova.errors import TooLarge
from kilonova.model.ids import ImageId, ProjectId, ServerId, UserId, new_uuid
from kilonova.model.images import Image, Visibility

MOST_PROPERTIES = 128
_NOT_INHERITED = re.compile(
    r"cache_in_nova|bittorrent|img_signature.*|signature_verified|os_glance.*|block_device_mapping|bdm_v2"
)
"""Nova's list of what is true of one image's bytes only, and what says where bytes are."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """What is wanted. `min_disk` GiB, `min_ram` MiB, `until` Unix seconds."""

    name: str
    owner: ProjectId
    user_id: UserId
    server_id: ServerId
    disk_format: str
    """What the host will send: qcow2 or raw."""
    until: float
    """Without bytes by then it is given up."""
    base_image_id: str = ""
    """What the server was made of; empty when it boots from a volume."""
    min_disk: int = 0
    min_ram: int = 0
    roles: tuple[str, ...] = ()
    """Of whoever asked for it."""
    user_name: str = ""
    project_name: str = ""
    inherited: dict[str, str] = field(default_factory=dict)
    """Properties of the base image as the server remembers them: it may be gone by now. Those it still has win."""
    properties: dict[str, str] = field(default_factory=dict)
    """Set by the client; they win over everything else, as in Nova."""
    kind: str = "snapshot"
    """Nova's ``image_type``: ``snapshot`` or ``backup``."""


def snapshot_image(wanted: Snapshot, base: Image | None, now: float) -> Image:
    """Queued, private, in the project of the server. Raises TooLarge for more properties than an image may have."""
    passed_on = {**wanted.inherited, **(base.properties if base else {})}
    properties = {name: value for name, value in passed_on.items() if not _NOT_INHERITED.fullmatch(name)}
    properties |= _origin(wanted) | wanted.properties
    if len(properties) > MOST_PROPERTIES:
        raise TooLarge(f"The limit of {MOST_PROPERTIES} additional properties has been exceeded.")
    return Image(
        id=ImageId(new_uuid()),
        owner=wanted.owner,
        name=wanted.name,
        visibility=Visibility.PRIVATE,
        disk_format=wanted.disk_format,
        container_format="bare",
        min_disk=max(wanted.min_disk, base.min_disk if base else 0),
        min_ram=max(wanted.min_ram, base.min_ram if base else 0),
        properties=properties,
        wanted_until=wanted.until,
        created_at=now,
        updated_at=now,
    )


def _origin(wanted: Snapshot) -> dict[str, str]:
    """As Nova tells it; what is not known is left out."""
    told = {
        "image_type": wanted.kind,
        "instance_uuid": wanted.server_id,
        "user_id": wanted.user_id,
        "base_image_ref": wanted.base_image_id,
        "boot_roles": ",".join(sorted(wanted.roles)),
        "owner_id": wanted.owner,
        "owner_user_name": wanted.user_name,
        "owner_project_name": wanted.project_name,
        "image_location": "snapshot",
        "image_state": "available",
    }
    return {name: value for name, value in told.items() if value or name == "base_image_ref"}
