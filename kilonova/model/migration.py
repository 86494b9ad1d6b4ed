"""A server's move from one host to another, or to another size on the same: who asked, from where to where, how far it is."""

from msgspec import Struct

RESIZE, COLD, LIVE, EVACUATION = "resize", "migration", "live-migration", "evacuation"
RUNNING = ("queued", "preparing", "running", "post-migrating")
"""States in which a live migration can be looked at as the server's own."""


class Migration(Struct, frozen=True, kw_only=True):
    """Times are Unix seconds. `old_flavor` and `new_flavor` are the ids of flavors."""

    id: int
    uuid: str
    server_id: str
    project_id: str
    user_id: str
    kind: str
    status: str
    source_host: str | None = None
    dest_host: str | None = None
    old_flavor: str | None = None
    new_flavor: str | None = None
    created_at: float
    updated_at: float | None = None


class MigrationFilter(Struct, frozen=True, kw_only=True):
    """None = does not matter; `host` is where it comes from or goes to."""

    server_id: str | None = None
    host: str | None = None
    source_host: str | None = None
    status: str | None = None
    kind: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    changed_since: float | None = None
    changed_before: float | None = None
    marker: str | None = None
    """A UUID."""
    limit: int | None = None
