"""Snapshots of volumes in one transaction: look up, list, add, change."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from kilonova.errors import NotFound
from kilonova.ledger.volume.listing import count_rows, find_rows
from kilonova.ledger.volume.metadata import Metadata
from kilonova.ledger.volume.tables import row_of, snapshot_of, volume_snapshots, volumes
from kilonova.model.caller import Caller
from kilonova.model.volume import Snapshot, VolumeListing

_c = volume_snapshots.c


class SnapshotRows:
    def __init__(self, connection: Connection, metadata: Metadata) -> None:
        self._db, self._metadata = connection, metadata

    def get(self, snapshot_id: str, caller: Caller | None = None) -> Snapshot:
        """Raises NotFound, also when it is another project's and `caller` no admin. `caller` None: whoever's."""
        query = select(volume_snapshots).where(_c.id == snapshot_id)
        if caller is not None and not caller.is_admin:
            query = query.where(_c.project_id == caller.project_id)
        row = self._db.execute(query).first()
        if row is None:
            raise NotFound(f"Snapshot {snapshot_id[:64]} could not be found.")
        return self._whole([row])[0]

    def or_none(self, snapshot_id: str) -> Snapshot | None:
        row = self._db.execute(select(volume_snapshots).where(_c.id == snapshot_id)).first()
        return None if row is None else self._whole([row])[0]

    def find(self, wanted: VolumeListing) -> Sequence[Snapshot]:
        return self._whole(find_rows(self._db, volume_snapshots, wanted, "Snapshot"))

    def count(self, wanted: VolumeListing) -> int:
        return count_rows(self._db, volume_snapshots, wanted)

    def of_volume(self, volume_id: str) -> Sequence[Snapshot]:
        """The oldest first."""
        query = select(volume_snapshots).where(_c.volume_id == volume_id).order_by(_c.created_at, _c.id)
        return self._whole(self._db.execute(query).all())

    def add(self, snapshot: Snapshot) -> None:
        self._db.execute(insert(volume_snapshots), row_of(snapshot))
        self._metadata.replace(snapshot.id, snapshot.metadata)

    def replace(self, snapshot: Snapshot, told: bool = False) -> None:
        """The row with this id becomes `snapshot`; its metadata too when `told`."""
        self._db.execute(update(volume_snapshots).where(_c.id == snapshot.id).values(row_of(snapshot)))
        if told:
            self._metadata.replace(snapshot.id, snapshot.metadata)

    def remove(self, snapshot_id: str) -> None:
        self._metadata.replace(snapshot_id, {})
        self._db.execute(delete(volume_snapshots).where(_c.id == snapshot_id))

    def use_of_nodes(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Node → project → (how many, GiB)."""
        query = select(volumes.c.node, _c.project_id, func.count(), func.sum(_c.size_gb))
        query = query.join(volumes, volumes.c.id == _c.volume_id).where(volumes.c.node.is_not(None))
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for node, project_id, count, size in self._db.execute(query.group_by(volumes.c.node, _c.project_id)):
            found.setdefault(node, {})[project_id] = (count, size)
        return found

    def _whole(self, rows: Sequence[Row[Any]]) -> list[Snapshot]:
        told = self._metadata.of([row.id for row in rows])
        return [snapshot_of(row, told[row.id]) for row in rows]
