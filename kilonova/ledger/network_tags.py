"""Tags of networks, subnets, ports and security groups. Whether the caller may is checked by whoever asks."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select

from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import network_tags

_IS_OF = network_tags.c.resource_id.in_(bindparam("things", expanding=True))
_OF = select(network_tags).where(_IS_OF).order_by(network_tags.c.tag)
_FORGET = delete(network_tags).where(_IS_OF)


class Tags:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, thing_id: str) -> Sequence[str]:
        return self.of_many([thing_id]).get(thing_id, ())

    def of_many(self, ids: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Id → its tags in alphabetical order; an id without tags is not in it."""
        found: dict[str, list[str]] = {}
        for some in chunks(ids):
            for row in self._connection.execute(_OF, {"things": some}):
                found.setdefault(row.resource_id, []).append(row.tag)
        return {thing_id: tuple(tags) for thing_id, tags in found.items()}

    def replace(self, thing_id: str, tags: Sequence[str]) -> None:
        self.forget([thing_id])
        rows = [{"resource_id": thing_id, "tag": tag} for tag in sorted(set(tags))]
        if rows:
            self._connection.execute(insert(network_tags), rows)

    def forget(self, ids: Sequence[str]) -> None:
        for some in chunks(ids):
            self._connection.execute(_FORGET, {"things": some})
