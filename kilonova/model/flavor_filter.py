"""Which flavors a listing asks for."""

from typing import Literal

from msgspec import Struct

FlavorSortKey = Literal[
    "id", "name", "ram_mb", "vcpus", "disk_gb", "ephemeral_gb", "swap_mb", "rxtx_factor", "is_public", "created_at"
]


class FlavorFilter(Struct, frozen=True, kw_only=True):
    """`is_public` None: both kinds. `accessible_to` a project's id: its private flavors too; None: every private one (admins)."""

    is_public: bool | None = None
    name: str | None = None
    """A regular expression."""
    accessible_to: str | None = None
    min_disk_gb: int | None = None
    min_ram_mb: int | None = None
    sort_key: FlavorSortKey = "id"
    descending: bool = False
    marker: str | None = None
    limit: int = 1000
