"""What is asked of volumes by those who order servers: attach one, make one to boot from. Looks nothing up.

Sizes in GiB, times in Unix seconds.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

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


class VolumeTerms(Struct, frozen=True, kw_only=True):
    """What work on volumes needs besides the transaction. `limit_s`: within so long it is done, or has failed."""

    now: float
    ticket: Callable[[str, str, float], str]
    """(image id, node, good until) → what lets that node fetch that image."""
    limit_s: float = 600.0

    @property
    def deadline(self) -> float:
        return self.now + self.limit_s
