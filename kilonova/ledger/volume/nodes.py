"""Volume nodes: which are there, which are up, which an admin has disabled."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from kilonova.errors import NotFound
from kilonova.ledger.hosts import IS_UP, SILENT_AFTER_S, nodes
from kilonova.ledger.volume.tables import volume_nodes
from kilonova.model.volume import VolumeNode

_ALL = (
    select(nodes, IS_UP.label("up"), volume_nodes.c.name.label("disabled"), volume_nodes.c.disabled_reason)
    .outerjoin(volume_nodes, volume_nodes.c.name == nodes.c.name)
    .where(nodes.c.role == "volume")
    .order_by(nodes.c.name)
)


class VolumeNodes:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def all(self, now: float) -> Sequence[VolumeNode]:
        """By name."""
        return [
            VolumeNode(
                id=row.id,
                name=row.name,
                up=row.up,
                enabled=row.disabled is None,
                last_seen=row.last_seen,
                created_at=row.created_at,
                disabled_reason=row.disabled_reason,
            )
            for row in self._db.execute(_ALL, {"now": now})
        ]

    def control(self, now: float) -> Sequence[VolumeNode]:
        """The processes that schedule, in the same form."""
        query = select(nodes).where(nodes.c.role == "control").order_by(nodes.c.name)
        return [
            VolumeNode(
                id=row.id,
                name=row.name,
                up=now - row.last_seen < SILENT_AFTER_S,
                enabled=True,
                last_seen=row.last_seen,
                created_at=row.created_at,
            )
            for row in self._db.execute(query)
        ]

    def set_enabled(self, name: str, enabled: bool, reason: str | None, now: float) -> VolumeNode:
        """Raises NotFound."""
        if all(node.name != name for node in self.all(now)):
            raise NotFound(f"Host {name[:64]} could not be found.")
        self._db.execute(delete(volume_nodes).where(volume_nodes.c.name == name))
        if not enabled:
            self._db.execute(insert(volume_nodes), {"name": name, "disabled_reason": reason})
        return next(node for node in self.all(now) if node.name == name)
