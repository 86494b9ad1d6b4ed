"""`connection`: one transaction on empty tables, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from kilonova.ledger.engine import open_engine
from kilonova.ledger.flavors import flavor_access, flavors
from kilonova.ledger.keypairs import keypairs
from kilonova.ledger.schema import metadata

TABLES = [flavors, flavor_access, keypairs]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.wire)])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """What is written is never committed on PostgreSQL, so every test finds empty tables."""
    on_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'ledger.db'}" if on_sqlite else str(request.getfixturevalue("postgres_url"))
    engine = open_engine(url)
    metadata.create_all(engine, tables=TABLES)
    with engine.connect() as connection:
        yield connection
    engine.dispose()
