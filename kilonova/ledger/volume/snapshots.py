"""Snapshots of volumes in one transaction: look up, list, add, change."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from kilonova.errors import NotFound
from kilonova.ledger.volume.listing import count_rows, find_rows
from kilonova.ledger.volume.metadata import Metadata
from kilonova.ledger.volume.tables import row_of, snapshot_of, volume_snapshots, volumes
from kilonova.model.caller import Caller
from kilonova.model.volume import Snapshot, VolumeListing

_c = volume_snapshots.c
_BY_ID = select(volume_snapshots).where(_c.id == bindparam("snapshot"))
_OWN = _BY_ID.where(_c.project_id == bindparam("project"))
_OF_VOLUME = select(volume_snapshots).where(_c.volume_id == bindparam("volume")).order_by(_c.created_at, _c.id)
_CHANGE = update(volume_snapshots).where(_c.id == bindparam("snapshot"))
"""What else it is executed with are the columns it sets."""
_USE = (
    select(volumes.c.node, _c.project_id, func.count(), func.sum(_c.size_gb))
    .join(volumes, volumes.c.id == _c.volume_id)
    .where(volumes.c.node.is_not(None))
    .group_by(volumes.c.node, _c.project_id)
)


class SnapshotRows:
    def __init__(self, connection: Connection, metadata: Metadata) -> None:
        self._db, self._metadata = connection, metadata

    def get(self, snapshot_id: str, caller: Caller | None = None) -> Snapshot:
        """Raises NotFound, also when it is another project's and `caller` no admin. `caller` None: whoever's."""
        if caller is None or caller.is_admin:
            row = self._db.execute(_BY_ID, {"snapshot": snapshot_id}).first()
        else:
            row = self._db.execute(_OWN, {"snapshot": snapshot_id, "project": caller.project_id}).first()
        if row is None:
            raise NotFound(f"Snapshot {snapshot_id[:64]} could not be found.")
        return self._whole([row])[0]

    def or_none(self, snapshot_id: str) -> Snapshot | None:
        row = self._db.execute(_BY_ID, {"snapshot": snapshot_id}).first()
        return None if row is None else self._whole([row])[0]

    def find(self, wanted: VolumeListing) -> Sequence[Snapshot]:
        return self._whole(find_rows(self._db, volume_snapshots, wanted, "Snapshot"))

    def count(self, wanted: VolumeListing) -> int:
        return count_rows(self._db, volume_snapshots, wanted)

    def of_volume(self, volume_id: str) -> Sequence[Snapshot]:
        """The oldest first."""
        return self._whole(self._db.execute(_OF_VOLUME, {"volume": volume_id}).all())

    def add(self, snapshot: Snapshot) -> None:
        self._db.execute(insert(volume_snapshots), row_of(snapshot))
        self._metadata.add(snapshot.id, snapshot.metadata)

    def replace(self, snapshot: Snapshot, told: bool = False) -> None:
        """The row with this id becomes `snapshot`; its metadata too when `told`."""
        self._db.execute(_CHANGE, {"snapshot": snapshot.id, **row_of(snapshot)})
        if told:
            self._metadata.replace(snapshot.id, snapshot.metadata)

    def remove(self, snapshot_id: str) -> None:
        self._metadata.replace(snapshot_id, {})
        self._db.execute(delete(volume_snapshots).where(_c.id == snapshot_id))

    def use_of_nodes(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Node → project → (how many, GiB)."""
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for node, project_id, count, size in self._db.execute(_USE):
            found.setdefault(node, {})[project_id] = (count, size)
        return found

    def _whole(self, rows: Sequence[Row[Any]]) -> list[Snapshot]:
        told = self._metadata.of([row.id for row in rows])
        return [snapshot_of(row, told[row.id]) for row in rows]
