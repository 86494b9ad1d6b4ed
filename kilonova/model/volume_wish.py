"""What is asked of volumes: by clients, and by those who order servers (attach one, make one to boot from). Looks nothing up.

Sizes in GiB, times in Unix seconds.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct, field

VolumeSource = Literal["image", "snapshot", "volume", "blank"]


class AttachWish(Struct, frozen=True, kw_only=True):
    """A server is to have this volume."""

    volume_id: str
    server_id: str
    device: str | None = None
    """As its owner named it (``/dev/vdc``); None: the next that is free."""
    delete_on_termination: bool = False
    tag: str | None = None
    boot_index: int | None = None
    """0: the server boots from it."""
    needs_bootable: bool = False
    """It is refused if it is not said to be fit to boot from."""


class BootVolume(Struct, frozen=True, kw_only=True):
    """A volume that comes with a server: an entry of ``block_device_mapping_v2`` whose destination is ``volume``.

    `source` ``volume`` copies that volume. `size_gb` None: the size of the source (an image's, rounded up).
    """

    source: VolumeSource
    source_id: str = ""
    size_gb: int | None = None
    name: str = ""
    volume_type: str | None = None
    """Name or id."""
    availability_zone: str | None = None


def _no_ticket(image_id: str, node: str, until: float) -> str:
    return ""


class VolumeTerms(Struct, frozen=True, kw_only=True):
    """What work on volumes needs besides the transaction. `limit_s`: within so long it is done, or has failed."""

    now: float
    ticket: Callable[[str, str, float], str]
    """(image id, node, good until) → what lets that node fetch that image."""
    upload_ticket: Callable[[str, str, float], str] = _no_ticket
    """(image id, node, good until) → what lets that node send that image its bytes."""
    limit_s: float = 600.0
    zone: str = "nova"
    """The one availability zone."""

    @property
    def deadline(self) -> float:
        return self.now + self.limit_s


def without_tickets(now: float) -> VolumeTerms:
    """Where no node fetches or sends images."""
    return VolumeTerms(now=now, ticket=_no_ticket)


class NewVolume(Struct, frozen=True, kw_only=True):
    """A volume as a client wants it. At most one of the three sources; `size_gb` None: the source's."""

    size_gb: int | None = None
    name: str | None = None
    description: str | None = None
    volume_type: str | None = None
    """Name or id."""
    availability_zone: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volid: str | None = None


class NewSnapshot(Struct, frozen=True, kw_only=True):
    """`force`: also of a volume that is in use."""

    volume_id: str
    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    force: bool = False


class Upload(Struct, frozen=True, kw_only=True):
    """A volume's bytes are to become an image. `force`: also of a volume that is in use."""

    image_name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    protected: bool = False
    force: bool = False
