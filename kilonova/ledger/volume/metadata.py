"""The metadata of volumes and snapshots, one row a pair, so that lists can be filtered by it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, insert, select

from kilonova.ledger.network_listing import chunks
from kilonova.ledger.volume.tables import volume_metadata

_OF = select(volume_metadata).where(volume_metadata.c.thing_id.in_(bindparam("things", expanding=True)))
_FORGET = delete(volume_metadata).where(volume_metadata.c.thing_id == bindparam("thing"))
_INSERT = insert(volume_metadata)


class Metadata:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def of(self, ids: Sequence[str]) -> Mapping[str, dict[str, str]]:
        """Id → its pairs; every id is in it."""
        found: dict[str, dict[str, str]] = {one: {} for one in ids}
        for some in chunks(ids):
            for thing_id, name, value in self._db.execute(_OF, {"things": some}):
                found[thing_id][name] = value
        return found

    def add(self, thing_id: str, pairs: Mapping[str, str]) -> None:
        """The first ones of a new thing."""
        if pairs:
            rows = [{"thing_id": thing_id, "name": name, "value": value} for name, value in pairs.items()]
            self._db.execute(_INSERT, rows)

    def replace(self, thing_id: str, pairs: Mapping[str, str]) -> None:
        self._db.execute(_FORGET, {"thing": thing_id})
        self.add(thing_id, pairs)


def has_all(thing_id: ColumnElement[str], pairs: Mapping[str, str]) -> ColumnElement[bool]:
    """The thing has all of these pairs."""
    c = volume_metadata.c
    return and_(
        *(
            exists(select(c.thing_id).where(c.thing_id == thing_id, c.name == name, c.value == value))
            for name, value in pairs.items()
        )
    )
