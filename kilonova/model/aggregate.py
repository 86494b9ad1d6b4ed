"""Host aggregates: hosts that an admin gives a name, metadata and, if wanted, an availability zone together."""

from msgspec import Struct, field


class Aggregate(Struct, frozen=True, kw_only=True):
    """`zone` is where its hosts are while they are in it; `metadata` does not hold it. Times are Unix seconds."""

    id: int
    uuid: str
    name: str
    zone: str | None = None
    hosts: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    created_at: float = 0.0
    updated_at: float | None = None
