"""Opens the database, SQLite or PostgreSQL, the way this program needs it. Runs no query of its own."""

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

SQLITE_PREFIX = "sqlite:"
BUSY_MS = 10_000


def open_engine(url: str, *, read_only: bool = False, pool_size: int = 8) -> Engine:
    """`url` as SQLAlchemy writes it: ``sqlite:///FILE`` or ``postgresql+psycopg://…``."""
    if url.startswith(SQLITE_PREFIX):
        return _open_sqlite(url, read_only)
    isolation = "REPEATABLE READ" if read_only else "SERIALIZABLE"
    return create_engine(url, poolclass=QueuePool, pool_size=pool_size, isolation_level=isolation, pool_pre_ping=True)


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
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        if read_only:
            # Checkpoints belong to the writer alone: a reader that checkpoints waits for the disk in a request.
            cursor.execute("PRAGMA query_only = ON")
            cursor.execute("PRAGMA wal_autocheckpoint = 0")
        cursor.close()

    return engine
