"""Brings a database's tables to what this program knows, or refuses to touch them. Looks at no row in them.

A new database gets today's tables at once; one that is up to date costs a look; Alembic, whose import alone takes a third of
a second, is loaded only when there are steps to run. All that is done is done in one transaction, under a lock.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from kilonova.errors import Unavailable
from kilonova.ledger import transaction as _every_table  # noqa: F401 - importing the books registers their tables
from kilonova.ledger.engine import open_engine
from kilonova.ledger.migrations import REVISIONS
from kilonova.ledger.schema import metadata

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"
WAIT_MS = 60_000
"""How long one control process waits for another that is at it already."""
LOCK = 0x6B696C6F6E6F7661
"""The advisory lock's number on PostgreSQL: "kilonova"."""

stamp = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own table: the number of the last step that was run."""


def prepare(url: str, revisions: Sequence[str] = REVISIONS, scripts: Path = SCRIPTS) -> None:
    """Blocks; run it before the ledger is opened. Raises Unavailable, and then nothing was changed.

    `revisions` and `scripts` are what this program knows, in order, and where it lies.
    """
    engine = open_engine(url).execution_options(**_isolation(url))
    try:
        with engine.connect() as connection:
            known = _stamped(connection)
            connection.rollback()
        if known != revisions[-1:]:
            _bring_up_to_date(engine, revisions, scripts)
    except DBAPIError as failure:
        raise Unavailable("The database does not answer, or its tables could not be changed; nothing was.") from failure
    finally:
        engine.dispose()


def alembic_config(connection: Connection, scripts: Path) -> "Config":
    """For Alembic's commands on this connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _isolation(url: str) -> dict[str, str]:
    """A snapshot that was taken before the lock was got would not show what the other process has done meanwhile."""
    return {} if url.startswith("sqlite") else {"isolation_level": "READ COMMITTED"}


def _stamped(connection: Connection) -> tuple[str, ...]:
    """The number the database carries, or nothing."""
    if not inspect(connection).has_table(stamp.name):
        return ()
    return tuple(connection.execute(select(stamp.c.version_num)).scalars())


def _bring_up_to_date(engine: Engine, revisions: Sequence[str], scripts: Path) -> None:
    with engine.connect() as connection:
        _lock(connection)
        known = _stamped(connection)
        if not known:
            _create(connection, revisions[-1])
        elif len(known) != 1 or known[0] not in revisions:
            raise Unavailable("The database was made by a newer version of this program. It was left as it is.")
        elif known[0] != revisions[-1]:
            _upgrade(connection, scripts)
        connection.commit()


def _lock(connection: Connection) -> None:
    """Begins the transaction that everything is done in; a second process waits here."""
    if connection.dialect.name == "sqlite":
        # A step that rebuilds a table drops the old one, and with it, were this on, every row that refers to it.
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {WAIT_MS}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {WAIT_MS}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")


def _create(connection: Connection, newest: str) -> None:
    """Also finishes what was begun and never stamped."""
    begun = set(inspect(connection).get_table_names()) & set(metadata.tables)
    for name in begun:
        there = {column["name"] for column in inspect(connection).get_columns(name)}
        if there != set(metadata.tables[name].columns.keys()):
            raise Unavailable(f"The database has a table {name!r} that is not this program's. It was left as it is.")
    metadata.create_all(connection)
    for name in begun:
        for index in metadata.tables[name].indexes:
            index.create(connection, checkfirst=True)
    stamp.create(connection, checkfirst=True)
    connection.execute(insert(stamp).values(version_num=newest))


def _upgrade(connection: Connection, scripts: Path) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection, scripts), "head")
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise Unavailable("The database could not be brought up to date; nothing was changed.")
