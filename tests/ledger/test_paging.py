"""Pages of a table whose sort keys may be missing, in every direction: each row once, in order."""

from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from kilonova.errors import BadRequest
from kilonova.ledger.engine import open_engine
from kilonova.ledger.paging import select_page
from kilonova.model.page import Condition, Order, Page

rows = Table(
    "rows",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("name", String),
    Column("size", Integer),
    Column("kind", String),
)
VALUES = [
    {"id": f"{name}-{size}", "name": name, "size": size, "kind": "even" if (size or 0) % 2 == 0 else "odd"}
    for name, size in product((None, "a", "b"), (None, 1, 2))
]


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_each_once_in_order(tmp_path: Path, limit: int, first: bool, second: bool) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'rows.db'}")
    with engine.connect() as connection:
        rows.create(connection)
        connection.execute(insert(rows), VALUES)
        order = (Order("name", first), Order("size", second))
        seen: list[str] = []
        while found := select_page(connection, rows, (), Page(limit=limit, marker=seen[-1] if seen else None, order=order)):
            seen += [row.id for row in found]
        wanted = sorted(VALUES, key=lambda row: (row["size"] is not None, row["size"] or 0), reverse=second)
        wanted.sort(key=lambda row: (row["name"] is not None, row["name"] or ""), reverse=first)
        assert seen == [row["id"] for row in wanted]
        odd = select(rows).where(rows.c.kind == "odd")
        narrowed = select_page(connection, rows, (Condition("name", None),), Page(order=order), odd)
        assert [row.id for row in narrowed] == ["None-1"]
        with pytest.raises(BadRequest, match="Marker"):
            select_page(connection, rows, (), Page(marker="none"))
    engine.dispose()
