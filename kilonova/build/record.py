"""What is known after each stage of a build. Frozen records that grow; nothing here does anything.

    Requested ──admit──► Placed ──prepare──► Disked ──connect──► Wired ──start──► Running

A step takes one of these and returns the next, and mypy refuses a step that is placed before what it needs.
The records are what the journal keeps and what the order message carries, so every field is plain data.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from kilonova.model.flavor import Flavor
from kilonova.model.guest import Disk, Guest
from kilonova.model.ids import HostName, NodeName, ProjectId, ServerId, UserId
from kilonova.model.image import BootImage
from kilonova.model.port import Port, Wire
from kilonova.model.volume_link import VolumeLink


class Requested(Struct, frozen=True, kw_only=True):
    """A request that was found sound, allowed and within quota, but has no place yet."""

    server_id: ServerId
    project_id: ProjectId
    user_id: UserId
    request_id: str
    name: str
    hostname: str
    flavor: Flavor
    image: BootImage | None
    availability_zone: str | None = None
    only_host: str | None = None
    """An admin named it; a build that fails there is not tried elsewhere."""
    key_name: str | None = None
    public_key: str | None = None
    key_type: str = "ssh"
    user_data: str | None = None
    """Base64, as the client sent it."""
    admin_password: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    personality: tuple[tuple[str, str], ...] = ()
    config_drive: bool = False
    hints: dict[str, Any] = field(default_factory=dict)
    """What the scheduler is asked to mind: ``group``, ``same_host``, ``different_host``; others are kept and mean nothing."""
    reservation_id: str = ""
    launch_index: int = 0
    created_at: float = 0.0


class Placed(Requested, frozen=True, kw_only=True):
    """A host is claimed for it and its addresses are fixed: this is what lies in the compute node's queue."""

    host: HostName
    node: NodeName
    zone: str = "nova"
    network_node: NodeName
    attempt: int
    """1 for the first host, 2 for the second, …; an order of an older attempt is ignored everywhere."""
    deadline: float
    """Unix time after which this build must be ACTIVE or ERROR."""
    ordered_at: float
    ports: tuple[Port, ...] = ()
    tried: tuple[str, ...] = ()
    """Hosts on which an earlier attempt failed."""
    image_ticket: str = ""
    """Lets this host fetch exactly this image from control until the deadline."""
    volumes: tuple[VolumeLink, ...] = ()
    task_id: str = ""
    """Which later action of the server this is; empty for the build itself."""


class Disked(Placed, frozen=True, kw_only=True):
    """The block devices are assembled."""

    disks: tuple[Disk, ...]


class Wired(Disked, frozen=True, kw_only=True):
    """The network node has answered."""

    wires: tuple[Wire, ...]


class Running(Wired, frozen=True, kw_only=True):
    """The guest runs."""

    guest: Guest


Next = TypeVar("Next", bound=Requested)


def grow(build: Requested, into: type[Next], **known_now: Any) -> Next:
    """The same build with what is known now: every field of `build`, and `known_now` on top."""
    kept = {name: getattr(build, name) for name in build.__struct_fields__ if name in into.__struct_fields__}
    return into(**{**kept, **known_now})


def encode(build: Requested) -> bytes:
    """A record as msgpack, for the journal and the order message."""
    return msgspec.msgpack.encode(build)
