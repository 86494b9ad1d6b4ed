"""One noun's records in one table: get, find, add, change, remove. What is special about a noun stands in its own class."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table, bindparam, delete, insert, select, update

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.identity_epoch import count_up
from kilonova.ledger.paging import select_page
from kilonova.model.page import Condition, Page

Record = TypeVar("Record", bound=msgspec.Struct)


class Shelf(Generic[Record]):
    """Records whose fields are the table's columns. `noun` is the word in messages."""

    def __init__(self, connection: Connection, table: Table, record: type[Record], noun: str) -> None:
        self._connection = connection
        self._table = table
        self._record = record
        self._noun = noun

    def get(self, record_id: str) -> Record:
        """Raises NotFound."""
        row = self._connection.execute(_by_id(self._table), {"wanted": record_id}).first()
        if row is None:
            raise NotFound(f"Could not find {self._noun}: {record_id[:64]}.")
        return self._as_record(row._mapping)

    def find(self, where: Sequence[Condition], page: Page) -> list[Record]:
        """Raises BadRequest when the page's marker is not there."""
        return [self._as_record(row._mapping) for row in select_page(self._connection, self._table, where, page)]

    def add(self, record: Record) -> Record:
        """Raises Conflict when there is such a one already."""
        self._check(record)
        self._refuse_twin(record)
        self._connection.execute(insert(self._table).values(self._as_row(record)))
        return record

    def change(self, record_id: str, fields: Mapping[str, object]) -> Record:
        """The record as it is now."""
        changed = msgspec.structs.replace(self.get(record_id), **fields)
        self._refuse_twin(changed)
        if fields:
            self._connection.execute(update(self._table).where(self._table.c.id == record_id).values(self._as_row(changed)))
            count_up(self._connection)
        return changed

    def remove(self, record_id: str) -> None:
        """Raises NotFound."""
        self.get(record_id)
        self._connection.execute(delete(self._table).where(self._table.c.id == record_id))
        count_up(self._connection)

    def _check(self, record: Record) -> None:
        """Is what the record refers to there? Raises NotFound or BadRequest."""

    def _twins(self, record: Record) -> Mapping[str, object]:
        """Columns whose values no other record may have all at once; none by default but the id."""
        return {}

    def _twin_message(self, record: Record) -> str:
        """What is said of a twin."""
        return "Duplicate entry"

    def _refuse_twin(self, record: Record) -> None:
        """A look before the leap: the unique constraint behind it would say the same without words."""
        columns = self._twins(record)
        if not columns:
            return
        query = select(self._table.c.id).where(*(self._table.c[name] == value for name, value in columns.items()))
        found = self._connection.execute(query).scalar()
        if found is not None and found != self._as_row(record)["id"]:
            raise Conflict(f"Conflict occurred attempting to store {self._noun} - {self._twin_message(record)}.")

    def _as_record(self, row: Mapping[Any, Any]) -> Record:
        return self._record(**row)

    def _as_row(self, record: Record) -> dict[str, Any]:
        return msgspec.structs.asdict(record)


@cache
def _by_id(table: Table) -> Select[Any]:
    """Built once a table: this is what every token that is looked at asks."""
    return select(table).where(table.c.id == bindparam("wanted"))
