"""Opens the database, SQLite or PostgreSQL, the way this program needs it. Runs no query of its own."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool

from kilonova.errors import Unavailable

SQLITE_PREFIX = "sqlite:"
BUSY_MS = 10_000
WAL_KEPT = 4 << 20
"""Bytes of its write-ahead log that SQLite keeps on disk once everything in it is in the database."""
STATEMENT_MS = 30_000
POSTGRES_WAITS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""libpq's own names and units; what the URL says goes before it. Without them a host that vanished is waited for for hours."""


def open_engine(url: str, *, read_only: bool = False, pool_size: int = 8) -> Engine:
    """`url` as SQLAlchemy writes it: ``sqlite:///FILE`` or ``postgresql://…``. Raises Unavailable for any other."""
    if url.startswith(SQLITE_PREFIX):
        return _open_sqlite(url, read_only)
    return _open_postgres(_postgres_url(url), read_only, pool_size)


def _postgres_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Unavailable("The database URL cannot be read; it is like sqlite:///FILE or postgresql://USER@HOST/NAME.") from None
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise Unavailable(f"A database of the kind {parsed.drivername!r} cannot be used; SQLite and PostgreSQL can.")
    return parsed.set(drivername="postgresql+psycopg")


def _open_postgres(url: URL, read_only: bool, pool_size: int) -> Engine:
    """No more connections than threads; one that PostgreSQL has dropped is noticed and replaced when it is next taken."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ" if read_only else "SERIALIZABLE",
        execution_options={"postgresql_readonly": True} if read_only else {},
        connect_args={name: value for name, value in POSTGRES_WAITS.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        was, connection.autocommit = connection.autocommit, True
        connection.execute(f"SET statement_timeout = {STATEMENT_MS}")
        connection.execute(f"SET idle_in_transaction_session_timeout = {2 * STATEMENT_MS}")
        connection.autocommit = was

    return engine


def _open_sqlite(url: str, read_only: bool) -> Engine:
    """The wheel's SQLite, not the one that came with Python: before 3.50 a WAL reset could corrupt the file."""
    import pysqlite3.dbapi2 as sqlite

    engine = create_engine(
        url,
        module=sqlite,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        if read_only:
            # Checkpoints belong to the writer alone: a reader that checkpoints waits for the disk in a request.
            cursor.execute("PRAGMA query_only = ON")
            cursor.execute("PRAGMA wal_autocheckpoint = 0")
        cursor.close()

    return engine
