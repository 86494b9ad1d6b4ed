"""Volumes in one transaction: look up, list, add, change, count. What may be done when is in `model/volume_rules.py`."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from kilonova.errors import NotFound
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.volume.listing import count_rows, find_rows
from kilonova.ledger.volume.metadata import Metadata
from kilonova.ledger.volume.tables import row_of, volume_metadata, volume_of, volumes
from kilonova.model.caller import Caller
from kilonova.model.volume import Volume, VolumeListing

_BY_ID = select(volumes).where(volumes.c.id == bindparam("volume"))
_OWN = _BY_ID.where(volumes.c.project_id == bindparam("project"))
_MANY = select(volumes).where(volumes.c.id.in_(bindparam("ids", expanding=True)))
_INSERT = insert(volumes)
_CHANGE = update(volumes).where(volumes.c.id == bindparam("volume"))
"""What else it is executed with are the columns it sets."""
_REMOVE = delete(volumes).where(volumes.c.id == bindparam("volume"))
_USE = (
    select(volumes.c.node, volumes.c.project_id, func.count(), func.sum(volumes.c.size_gb))
    .where(volumes.c.node.is_not(None))
    .group_by(volumes.c.node, volumes.c.project_id)
)


class VolumeRows:
    def __init__(self, connection: Connection, metadata: Metadata) -> None:
        self._db, self._metadata = connection, metadata

    def get(self, volume_id: str, caller: Caller | None = None) -> Volume:
        """Raises NotFound, also when it is another project's and `caller` no admin. `caller` None: whoever's."""
        if caller is None or caller.is_admin:
            row = self._db.execute(_BY_ID, {"volume": volume_id}).first()
        else:
            row = self._db.execute(_OWN, {"volume": volume_id, "project": caller.project_id}).first()
        if row is None:
            raise NotFound(f"Volume {volume_id[:64]} could not be found.")
        return self._whole([row])[0]

    def or_none(self, volume_id: str) -> Volume | None:
        row = self._db.execute(_BY_ID, {"volume": volume_id}).first()
        return None if row is None else self._whole([row])[0]

    def many(self, ids: Sequence[str]) -> Mapping[str, Volume]:
        """Those of them that are there, by id."""
        rows = [row for some in chunks(ids) for row in self._db.execute(_MANY, {"ids": some})]
        return {one.id: one for one in self._whole(rows)}

    def find(self, wanted: VolumeListing) -> Sequence[Volume]:
        return self._whole(find_rows(self._db, volumes, wanted, "Volume"))

    def count(self, wanted: VolumeListing) -> int:
        return count_rows(self._db, volumes, wanted)

    def summary(self, project_id: str | None) -> tuple[int, int, Mapping[str, Sequence[str]]]:
        """(how many, GiB in all, metadata: name → its different values)."""
        mine = [] if project_id is None else [volumes.c.project_id == project_id]
        count, size = self._db.execute(select(func.count(), func.sum(volumes.c.size_gb)).where(*mine)).one()
        told: dict[str, list[str]] = {}
        pairs = select(volume_metadata.c.name, volume_metadata.c.value).distinct()
        pairs = pairs.join(volumes, volumes.c.id == volume_metadata.c.thing_id).where(*mine)
        for name, value in self._db.execute(pairs.order_by(volume_metadata.c.name, volume_metadata.c.value)):
            told.setdefault(name, []).append(value)
        return count, size or 0, told

    def add(self, volume: Volume) -> None:
        self._db.execute(_INSERT, row_of(volume))
        self._metadata.add(volume.id, volume.metadata)

    def replace(self, volume: Volume, told: bool = False) -> None:
        """The row with this id becomes `volume`; its metadata too when `told`."""
        self._db.execute(_CHANGE, {"volume": volume.id, **row_of(volume)})
        if told:
            self._metadata.replace(volume.id, volume.metadata)

    def remove(self, volume_id: str) -> None:
        self._metadata.replace(volume_id, {})
        self._db.execute(_REMOVE, {"volume": volume_id})

    def use_of_nodes(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Node → project → (how many, GiB)."""
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for node, project_id, count, size in self._db.execute(_USE):
            found.setdefault(node, {})[project_id] = (count, size)
        return found

    def inventory(self) -> Mapping[str, str]:
        """Volume id → node, for the audit."""
        return {row.id: row.node for row in self._db.execute(select(volumes.c.id, volumes.c.node)) if row.node}

    def _whole(self, rows: Sequence[Row[Any]]) -> list[Volume]:
        told = self._metadata.of([row.id for row in rows])
        return [volume_of(row, told[row.id]) for row in rows]
