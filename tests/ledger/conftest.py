"""`ledger`: an empty ledger on SQLite, and again on PostgreSQL. `postgres_server`: one for the whole run."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kilonova.ledger.ledger import Ledger, open_ledger
from kilonova.ledger.migrate import prepare
from tests.ledger.postgres import Postgres, postgres

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.wire)]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def filled_template(postgres_server: Postgres) -> str:
    """A database with every table, to make others from."""
    name = postgres_server.new_database()
    prepare(postgres_server.url(name))
    return name


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """A PostgreSQL database with nothing in it."""
    name = postgres_server.new_database()
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(params=BOTH)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def filled_postgres_url(postgres_server: Postgres, filled_template: str) -> Iterator[str]:
    name = postgres_server.new_database(filled_template)
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture(params=BOTH)
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with every table and no row."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        prepare(url)
        return url
    return str(request.getfixturevalue("filled_postgres_url"))


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    ledger = open_ledger(ledger_url)
    yield ledger
    await ledger.close()
