"""Server groups: servers that shall run together on a host, or apart, and how strictly."""

from msgspec import Struct, field

from kilonova.model.ids import ServerId

AFFINITY, ANTI_AFFINITY = "affinity", "anti-affinity"
SOFT_AFFINITY, SOFT_ANTI_AFFINITY = "soft-affinity", "soft-anti-affinity"
POLICIES = (ANTI_AFFINITY, AFFINITY, SOFT_ANTI_AFFINITY, SOFT_AFFINITY)
HARD_POLICIES = (ANTI_AFFINITY, AFFINITY)
"""Those that a build would rather fail than break; clients older than 2.15 know no others."""
MOST_ON_ONE_HOST = "max_server_per_host"


class ServerGroup(Struct, frozen=True, kw_only=True):
    """`members` are those that are not deleted, in the order in which they came."""

    id: str
    project_id: str
    user_id: str
    name: str
    policy: str
    rules: dict[str, int] = field(default_factory=dict)
    """Of an anti-affinity group: ``max_server_per_host``."""
    members: tuple[ServerId, ...] = ()
    created_at: float = 0.0

    @property
    def most_on_one_host(self) -> int:
        return self.rules.get(MOST_ON_ONE_HOST, 1)
