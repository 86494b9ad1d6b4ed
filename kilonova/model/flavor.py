"""A flavor: how large a server is."""

from msgspec import Struct, field

from kilonova.model.ids import FlavorId


class Flavor(Struct, frozen=True, kw_only=True):
    """vCPUs, memory in MiB, disks in GiB (swap in MiB), as the compute API shows them."""

    id: FlavorId
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    description: str | None = None
    extra_specs: dict[str, str] = field(default_factory=dict)
