"""The Block Storage API's nouns: volumes, snapshots, attachments, types, transfers, messages. Holds no query and no rule.

Sizes in GiB, times in Unix seconds.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from kilonova.model.images import Moment
from kilonova.model.page import EVERYTHING, Condition, Page

DEFAULT_TYPE = "__DEFAULT__"
"""The volume type that every cloud has, and that a volume is of unless somebody says otherwise."""
BACKEND = "kilonova"
"""What a volume node's one store is called in the names of hosts and pools: ``NODE@kilonova#kilonova``."""


class Volume(Struct, frozen=True, kw_only=True):
    id: str
    project_id: str
    user_id: str
    size_gb: int
    status: str
    volume_type_id: str
    availability_zone: str
    created_at: float
    updated_at: float | None = None
    name: str | None = None
    description: str | None = None
    node: str | None = None
    """The volume node that keeps its bytes; None when none was found for it."""
    bootable: bool = False
    read_only: bool | None = None
    """None: nobody has said."""
    snapshot_id: str | None = None
    source_volid: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_metadata: Mapping[str, str] | None = None
    """What it says of the image it was made from; None when it was not."""
    previous_status: str | None = None
    """Where work that does not destroy it goes back to."""
    work_id: str | None = None
    """The order that is under way; an answer to another one is out of date."""
    wanted_size_gb: int | None = None
    """While it is extended."""


class Snapshot(Struct, frozen=True, kw_only=True):
    id: str
    volume_id: str
    project_id: str
    user_id: str
    size_gb: int
    status: str
    created_at: float
    updated_at: float | None = None
    name: str | None = None
    description: str | None = None
    progress: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    work_id: str | None = None


class Attachment(Struct, frozen=True, kw_only=True):
    """`state` is ``reserved`` (a client asked for it), ``attaching``, ``attached`` or ``detaching``."""

    id: str
    volume_id: str
    project_id: str
    state: str
    created_at: float
    server_id: str | None = None
    device: str | None = None
    mode: str = "rw"
    host_name: str | None = None
    attached_at: float | None = None
    detached_at: float | None = None
    connector: Mapping[str, Any] | None = None
    delete_on_termination: bool = False
    tag: str | None = None
    boot_index: int | None = None
    made_by_server: bool = False
    """An order of a server keeps it, and only that may end it."""


class VolumeType(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    created_at: float
    updated_at: float | None = None
    description: str | None = None
    is_public: bool = True
    qos_specs_id: str | None = None
    extra_specs: Mapping[str, str] = field(default_factory=dict)


class QosSpecs(Struct, frozen=True, kw_only=True):
    """`consumer` is front-end, back-end or both. Kept and shown; no store here reads them."""

    id: str
    name: str
    created_at: float
    consumer: str = "back-end"
    specs: Mapping[str, str] = field(default_factory=dict)


class Transfer(Struct, frozen=True, kw_only=True):
    """A volume that its project offers to whoever knows the key; of the key only a salted hash is kept."""

    id: str
    volume_id: str
    source_project_id: str
    key_salt: str
    key_hash: str
    created_at: float
    name: str | None = None
    with_snapshots: bool = True
    previous_status: str = "available"


class Message(Struct, frozen=True, kw_only=True):
    """Why something that was accepted was not done, for the project it belongs to."""

    id: str
    project_id: str
    request_id: str
    resource_type: str
    resource_id: str
    event_id: str
    text: str
    created_at: float
    until: float
    level: str = "ERROR"


class VolumeNode(Struct, frozen=True, kw_only=True):
    """A volume node as the API lists it."""

    id: str
    name: str
    up: bool
    enabled: bool
    last_seen: float
    created_at: float
    disabled_reason: str | None = None


class VolumeListing(Struct, frozen=True, kw_only=True):
    """What a list request asks for. `project_id` None: everybody's, for admins."""

    project_id: str | None
    where: tuple[Condition, ...] = ()
    moments: tuple[Moment, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    """All of these."""
    page: Page = EVERYTHING
    offset: int = 0


def host_of(node: str | None) -> str | None:
    """A node as Cinder names a host with its backend and pool."""
    return f"{node}@{BACKEND}#{BACKEND}" if node else None
