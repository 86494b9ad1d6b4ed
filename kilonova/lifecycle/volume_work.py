"""What control asks of a volume node, and what it answers: work on volumes (kept in its queue), and exports. Both ends' words.

Work is an order: written in the transaction that changes the volume's status, in the node's queue until the node has given
its last word, with a deadline. An export is asked by a compute node and waited for, like a wire from a network node; it
waits by itself until the volume's bytes are there.
"""

from typing import Literal

from msgspec import Struct

from kilonova.model.ids import NodeName, ServerId
from kilonova.model.image import BootImage
from kilonova.model.span import Span
from kilonova.model.volume_link import NbdAddress

Work = Literal["create", "delete", "extend", "snapshot", "delete_snapshot", "revert", "upload"]


class VolumeOrder(Struct, frozen=True, kw_only=True):
    """control → the volume node's queue. Sizes in GiB, times Unix seconds. What a work does not need is empty.

    create: blank, or from `image` (fetched with `image_ticket`), `source_volume_id` or `source_snapshot_id`.
    snapshot, delete_snapshot, revert: `snapshot_id`. upload: the volume's bytes become `upload_image_id` in `upload_format`.
    """

    work_id: str
    work: Work
    volume_id: str
    node: NodeName
    size_gb: int
    deadline: float
    ordered_at: float
    image: BootImage | None = None
    image_ticket: str = ""
    source_volume_id: str = ""
    source_snapshot_id: str = ""
    snapshot_id: str = ""
    upload_image_id: str = ""
    upload_ticket: str = ""
    upload_format: str = "raw"
    attached: bool = False
    """A guest may be writing to it just now."""


class VolumeWorkDone(Struct, frozen=True, kw_only=True):
    """volume node → control: the last word on one order, kept until control has it. `failed` empty: it is done."""

    work_id: str
    work: Work
    volume_id: str
    node: NodeName
    at: float
    failed: str = ""
    """What its owner may read."""
    failed_step: str = ""
    spans: tuple[Span, ...] = ()


class ExportWanted(Struct, frozen=True, kw_only=True):
    """compute → the volume node's queue: serve this volume to this server. Repeatable; the same attachment gets the same."""

    server_id: ServerId
    volume_id: str
    attachment_id: str
    size_gb: int
    read_only: bool = False


class ExportNotWanted(Struct, frozen=True, kw_only=True):
    """compute → the volume node's queue: this attachment is over; none there is no error."""

    server_id: ServerId
    volume_id: str
    attachment_id: str


class ExportGiven(Struct, frozen=True, kw_only=True):
    """The volume node's answer to both. `refused` says why there is no address. `queued` and `work` in seconds."""

    address: NbdAddress | None = None
    refused: str = ""
    queued: float = 0.0
    work: float = 0.0
