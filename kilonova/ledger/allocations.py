"""Claims with whose they are, as Placement shows them. Claims nothing: `hosts.py` does."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kilonova.ledger.hosts import claims
from kilonova.ledger.servers import servers
from kilonova.model.placement import Allocation

_ALL = (
    select(claims, servers.c.project_id, servers.c.user_id)
    .join(servers, servers.c.id == claims.c.server_id)
    .order_by(claims.c.server_id)
)


class Allocations:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def find(
        self, *, host: str | None = None, consumer: str | None = None, project_id: str | None = None, user_id: str | None = None
    ) -> Sequence[Allocation]:
        """Those that meet every condition given."""
        query = _ALL
        given = ((claims.c.host, host), (claims.c.server_id, consumer))
        for column, value in (*given, (servers.c.project_id, project_id), (servers.c.user_id, user_id)):
            if value is not None:
                query = query.where(column == value)
        return [
            Allocation(
                consumer=row.server_id,
                host=row.host,
                project_id=row.project_id,
                user_id=row.user_id,
                vcpus=row.vcpus,
                ram_mb=row.ram_mb,
                disk_gb=row.disk_gb,
            )
            for row in self._db.execute(query)
        ]
