"""What control asks of a volume node, and what it answers. Both ends' words; exports stand in `build/export.py`.

Work is an order: written in the transaction that changes the volume's status, in the node's queue until the node has given
its last word, with a deadline.
"""

from typing import Literal

from msgspec import Struct

from kilonova.model.ids import NodeName
from kilonova.model.image import BootImage
from kilonova.model.span import Span

Work = Literal["create", "delete", "extend", "snapshot", "delete_snapshot", "revert", "upload"]


class VolumeOrder(Struct, frozen=True, kw_only=True):
    """control → the volume node's queue. Sizes in GiB, times Unix seconds. What a work does not need is empty.

    create: blank, or from `image` (fetched with `image_ticket`), `source_volume_id`, or that volume's `source_snapshot_id`.
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


class VolumeReports(Struct, frozen=True, kw_only=True):
    """volume node → control: everything it has to say at the moment; answered with `Confirmed`."""

    node: NodeName
    reports: tuple[VolumeWorkDone, ...]
