"""Brings a database's tables to what this program knows. Looks at nothing else."""

from sqlalchemy import Connection

from kilonova.ledger import transaction as _every_table  # noqa: F401 - importing the books registers their tables
from kilonova.ledger.engine import open_engine
from kilonova.ledger.schema import metadata


def prepare(url: str) -> None:
    """Makes what is missing. Blocks; run it before the ledger is opened."""
    engine = open_engine(url)
    with engine.connect() as connection:
        _create(connection)
    engine.dispose()


def _create(connection: Connection) -> None:
    metadata.create_all(connection)
    if connection.get_isolation_level() != "AUTOCOMMIT":
        connection.commit()
