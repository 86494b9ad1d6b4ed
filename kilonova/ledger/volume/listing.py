"""A page of volumes or snapshots: filters, times, metadata, keys and offset as one query."""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select

from kilonova.errors import NotFound
from kilonova.ledger.paging import compare, select_page
from kilonova.ledger.volume.metadata import has_all
from kilonova.model.images import Moment
from kilonova.model.volume import VolumeListing

_COMPARE: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def find_rows(connection: Connection, table: Table, wanted: VolumeListing, noun: str) -> Sequence[Row[Any]]:
    """Raises NotFound for a marker that is not there. A limit of 0 is none at all."""
    base = _asked(table, wanted)
    marker = wanted.page.marker
    if (
        marker is not None
        and connection.execute(_own(select(table.c.id), table, wanted).where(table.c.id == marker)).first() is None
    ):
        raise NotFound(f"{noun} {marker[:64]} could not be found.")
    if wanted.page.limit == 0:
        return []
    if wanted.offset:
        base = base.limit(2**31 - 1).offset(wanted.offset)  # SQLite has no offset without a limit; the page's own replaces it
    return select_page(connection, table, wanted.where, wanted.page, base)


def count_rows(connection: Connection, table: Table, wanted: VolumeListing) -> int:
    """How many there are, on all pages."""
    query = _asked(table, wanted).where(*(compare(table, condition) for condition in wanted.where))
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def _asked(table: Table, wanted: VolumeListing) -> Select[Any]:
    query = _own(select(table), table, wanted)
    for moment in wanted.moments:
        query = query.where(_when(table, moment))
    return query.where(has_all(table.c.id, wanted.metadata)) if wanted.metadata else query


def _own(query: Select[Any], table: Table, wanted: VolumeListing) -> Select[Any]:
    return query if wanted.project_id is None else query.where(table.c.project_id == wanted.project_id)


def _when(table: Table, moment: Moment) -> ColumnElement[bool]:
    """As exact as a second: what a client is shown has no fractions worth comparing."""
    column = table.c[moment.field]
    if moment.comparison in ("eq", "neq"):
        within = (column >= moment.at) & (column < moment.at + 1)
        return within if moment.comparison == "eq" else ~within
    return _COMPARE[moment.comparison](column, moment.at)
