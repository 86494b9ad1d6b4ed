"""Lists of the network API: filters, sort keys, keyset pages and tags, turned into one query. Each noun gives its `Shelf`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    Row,
    Table,
    and_,
    false,
    literal,
    not_,
    or_,
    select,
)

from kilonova.errors import BadRequest, NotFound
from kilonova.ledger.network_tables import network_tags
from kilonova.model.caller import Caller
from kilonova.model.network import Listing

CHUNK = 500
"""Ids asked for in one query at most."""
_TRUE = ("true", "1", "yes", "on", "t", "y")
_FALSE = ("false", "0", "no", "off", "f", "n")
_BIGGEST = 2**31 - 1

Special = Callable[[Sequence[str]], ColumnElement[bool]]


@dataclass(frozen=True)
class Shelf:
    """How one noun is listed. `columns` can be filtered and sorted by; `visible` is what a caller who is no admin sees."""

    noun: str
    table: Table
    columns: Mapping[str, Column[Any]]
    visible: Callable[[Caller], ColumnElement[bool]]
    special: Mapping[str, Special] = field(default_factory=dict)

    @property
    def id(self) -> Column[Any]:
        return self.table.c.id

    def missing(self, thing_id: str) -> NotFound:
        """Neutron's words for a thing that is not there."""
        words = "".join(f" {c.lower()}" if c.isupper() else c for c in self.noun).strip().capitalize()
        return NotFound(f"{words} {thing_id[:64]} could not be found.", kind=f"{self.noun}NotFound")


def get(connection: Connection, shelf: Shelf, thing_id: str, caller: Caller) -> Row[Any]:
    """The row, if the caller sees it. Raises NotFound."""
    query = select(shelf.table).where(shelf.id == thing_id)
    if not caller.is_admin:
        query = query.where(shelf.visible(caller))
    row = connection.execute(query).first() if "\0" not in thing_id else None
    if row is None:
        raise shelf.missing(thing_id)
    return row


def find(connection: Connection, shelf: Shelf, wanted: Listing, caller: Caller) -> Sequence[Row[Any]]:
    """The rows of one page. Raises BadRequest for what is not known, NotFound for a marker that is not there."""
    query = select(shelf.table)
    if not caller.is_admin:
        query = query.where(shelf.visible(caller))
    for name, values in wanted.filters.items():
        query = query.where(_condition(shelf, name, values))
    order = [(_sort_column(shelf, key), descending != wanted.page_reverse) for key, descending in wanted.sort]
    order.append((shelf.id, wanted.page_reverse))
    if wanted.marker is not None:
        query = query.where(_after(order, get(connection, shelf, wanted.marker, caller)))
    query = query.order_by(*[order_clause for column, descending in order for order_clause in _direction(column, descending)])
    if wanted.limit is not None:
        query = query.limit(wanted.limit)
    rows = connection.execute(query).all()
    return rows[::-1] if wanted.page_reverse else rows


def chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]


def _direction(column: Column[Any], descending: bool) -> list[Any]:
    """NULLs first, whatever the database thinks of them."""
    clauses: list[Any] = []
    if column.nullable:
        clauses.append(column.is_not(None).desc() if descending else column.is_not(None))
    clauses.append(column.desc() if descending else column)
    return clauses


def _after(order: Sequence[tuple[Column[Any], bool]], marker: Row[Any]) -> ColumnElement[bool]:
    """Everything behind the marker in this order."""
    ways = []
    for index, (column, descending) in enumerate(order):
        same = [_same(earlier, marker._mapping[earlier]) for earlier, _ in order[:index]]
        ways.append(and_(*same, _beyond(column, marker._mapping[column], descending)))
    return or_(*ways)


def _same(column: Column[Any], value: Any) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _beyond(column: Column[Any], value: Any, descending: bool) -> ColumnElement[bool]:
    if value is None:
        return false() if descending else column.is_not(None)
    bound = literal(value, column.type)  # SQLAlchemy does not compare a column with a bare True or False
    beyond: ColumnElement[bool] = column < bound if descending else column > bound
    return or_(beyond, column.is_(None)) if descending and column.nullable else beyond


def _sort_column(shelf: Shelf, key: str) -> Column[Any]:
    column = shelf.columns.get(key)
    if column is None:
        raise BadRequest(f"'{key[:64]}' is an invalid attribute for sort key.", kind="HTTPBadRequest")
    return column


def _condition(shelf: Shelf, name: str, values: Sequence[str]) -> ColumnElement[bool]:
    if any("\0" in value for value in values):
        raise BadRequest(f"Invalid input for {name}. Reason: a NUL is no part of a text.", kind="HTTPBadRequest")
    if name in _TAG_FILTERS:
        return _TAG_FILTERS[name](shelf, [tag for value in values for tag in value.split(",") if tag])
    if name in shelf.special:
        return shelf.special[name](values)
    column = shelf.columns.get(name)
    if column is None:
        raise BadRequest(f"['{name[:64]}'] is invalid attribute for filtering.", kind="HTTPBadRequest")
    known = [_value(column, name, value) for value in values]
    return column == known[0] if len(known) == 1 else column.in_(known)


def _value(column: Column[Any], name: str, text: str) -> Any:
    """The filter's text as the column holds it."""
    if isinstance(column.type, Boolean):
        if text.lower() not in _TRUE + _FALSE:
            raise BadRequest(
                f"Invalid input for {name}. Reason: '{text[:64]}' cannot be converted to boolean.", kind="InvalidInput"
            )
        return text.lower() in _TRUE
    if isinstance(column.type, Integer | Float):
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and abs(int(text)) <= _BIGGEST):
            raise BadRequest(f"Invalid input for {name}. Reason: '{text[:64]}' is not an integer.", kind="InvalidInput")
        return int(text)
    return text


def _tagged(shelf: Shelf, tag: str) -> ColumnElement[bool]:
    return shelf.id.in_(select(network_tags.c.resource_id).where(network_tags.c.tag == tag))


def _all_tags(shelf: Shelf, tags: Sequence[str]) -> ColumnElement[bool]:
    return and_(True, *[_tagged(shelf, tag) for tag in tags])


def _any_tag(shelf: Shelf, tags: Sequence[str]) -> ColumnElement[bool]:
    return shelf.id.in_(select(network_tags.c.resource_id).where(network_tags.c.tag.in_(tags)))


def _not_all_tags(shelf: Shelf, tags: Sequence[str]) -> ColumnElement[bool]:
    return not_(_all_tags(shelf, tags))


def _no_tag(shelf: Shelf, tags: Sequence[str]) -> ColumnElement[bool]:
    return not_(_any_tag(shelf, tags))


_TAG_FILTERS: Mapping[str, Callable[[Shelf, Sequence[str]], ColumnElement[bool]]] = {
    "tags": _all_tags,
    "tags-any": _any_tag,
    "not-tags": _not_all_tags,
    "not-tags-any": _no_tag,
}
