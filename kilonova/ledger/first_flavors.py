"""The flavors a new cloud has: the names and sizes that OpenStack users know. Only written while there are none."""

from typing import Protocol

from kilonova.model.flavor import Flavor
from kilonova.model.ids import FlavorId

FIRST = (
    ("1", "m1.tiny", 1, 512, 1),
    ("2", "m1.small", 1, 2048, 20),
    ("3", "m1.medium", 2, 4096, 40),
    ("4", "m1.large", 4, 8192, 80),
    ("5", "m1.xlarge", 8, 16384, 160),
    ("42", "m1.nano", 1, 128, 1),
    ("84", "m1.micro", 1, 192, 1),
)
"""id, name, vCPUs, MiB of memory, GiB of disk."""


class FlavorShelf(Protocol):
    def empty(self) -> bool: ...

    def create(self, flavor: Flavor, now: float) -> Flavor: ...


def ensure_flavors(shelf: FlavorShelf, now: float) -> None:
    """An admin who deleted all but one of them does not get them back."""
    if not shelf.empty():
        return
    for flavor_id, name, vcpus, ram_mb, disk_gb in FIRST:
        shelf.create(Flavor(id=FlavorId(flavor_id), name=name, vcpus=vcpus, ram_mb=ram_mb, disk_gb=disk_gb), now)
