"""Turns a Page and its Conditions into SQL: where, order by, limit, and "after the marker" as a comparison of sort keys.

Pages by key and not by offset, so that a page costs the same wherever it stands, and no item is skipped when one before it goes.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table, and_, false, func, literal, or_, select

from kilonova.errors import BadRequest
from kilonova.model.page import Condition, Order, Page


def select_page(
    connection: Connection, table: Table, where: Sequence[Condition], page: Page, base: Select[Any] | None = None
) -> Sequence[Row[Any]]:
    """The rows of `table` on this page. `base` narrows further (what the caller may see); it must select from `table`.

    The table's primary key is one column, ``id`` in the model. Raises BadRequest when the marker is not there.
    """
    key = next(iter(table.primary_key.columns))
    query = (select(table) if base is None else base).where(*(compare(table, condition) for condition in where))
    orders = [*page.order, Order(key.name)] if all(order.field != key.name for order in page.order) else list(page.order)
    if page.marker is not None:
        marker = connection.execute(select(table).where(key == page.marker)).first()
        if marker is None:
            raise BadRequest(f"Marker {page.marker[:64]} could not be found.")
        query = query.where(_after(table, orders, marker))
    query = query.order_by(*(_ordering(table.c[order.field], order.descending) for order in orders))
    if page.limit is not None:
        query = query.limit(page.limit)
    return connection.execute(query).all()


def compare(table: Table, condition: Condition) -> ColumnElement[bool]:
    """A condition as SQL."""
    column = table.c[condition.field]
    value = condition.value
    if condition.how == "in":
        return column.in_(value) if isinstance(value, tuple) and value else false()
    if condition.how == "is":
        return column.is_(None) if value is None else column == value
    text = str(value).lower()
    if condition.how == "starts":
        return func.lower(column).startswith(text, autoescape=True)
    if condition.how == "ends":
        return func.lower(column).endswith(text, autoescape=True)
    return func.lower(column).contains(text, autoescape=True)


def _ordering(column: Column[Any], descending: bool) -> ColumnElement[Any]:
    """Nothing sorts before everything, on both databases."""
    if column.nullable:
        return column.desc().nulls_last() if descending else column.asc().nulls_first()
    return column.desc() if descending else column.asc()


def _after(table: Table, orders: Sequence[Order], marker: Row[Any]) -> ColumnElement[bool]:
    """(a, b, id) > (marker's), spelt out, since directions may differ and values may be missing."""
    cases: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for order in orders:
        column, value = table.c[order.field], marker._mapping[order.field]
        cases.append(and_(*equal, _beyond(column, value, order.descending)))
        equal.append(column.is_(None) if value is None else column == value)
    return or_(*cases)


def _beyond(column: Column[Any], value: Any, descending: bool) -> ColumnElement[bool]:
    if value is None:
        return false() if descending else column.is_not(None)
    bound = literal(value, column.type)  # SQLAlchemy does not compare a column with a bare True or False
    if descending:
        lower: ColumnElement[bool] = column < bound
        return or_(lower, column.is_(None)) if column.nullable else lower
    higher: ColumnElement[bool] = column > bound
    return higher
