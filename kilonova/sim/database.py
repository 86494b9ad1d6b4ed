"""The ledger without a thread and without a disk: the same transactions, each carried out at one moment of a loop's time.

`Database` is kept for many simulations, because what SQLAlchemy has compiled for it is worth more than the data; `restore` makes
it as it was when it was furnished.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from kilonova.ledger.failures import meaning
from kilonova.ledger.ledger import Change
from kilonova.ledger.transaction import Transaction

Result = TypeVar("Result")


class Trouble(Protocol):
    """What a database may do to those who use it."""

    async def before_read(self) -> None:
        """May take its time, or raise Unavailable."""
        ...

    async def before_write(self) -> None:
        """The same; what it refuses is not written."""
        ...

    async def written(self) -> None:
        """The same; but it is written, whatever the caller hears."""
        ...


class Database:
    """SQLite in memory, with the schema and the rules of the real one."""

    def __init__(self) -> None:
        import pysqlite3.dbapi2 as sqlite

        self._engine = create_engine(
            "sqlite://",
            module=sqlite,
            poolclass=StaticPool,
            isolation_level="AUTOCOMMIT",
            query_cache_size=5000,
            connect_args={"check_same_thread": False, "cached_statements": 2000},
        )

        @event.listens_for(self._engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA foreign_keys = ON")

        self.connection: Connection = self._engine.connect()
        self._kept = sqlite.connect(":memory:")

    def keep(self) -> None:
        """What is in it now is what `restore` brings back."""
        self.raw.backup(self._kept)

    def restore(self) -> None:
        self._kept.backup(self.raw)

    def close(self) -> None:
        self.connection.close()
        self._engine.dispose()
        self._kept.close()

    def lines(self) -> list[str]:
        """All that is in it, a row a line."""
        names = [name for (name,) in self.raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return [f"{name} {row!r}" for name in names for row in self.raw.execute(f'SELECT * FROM "{name}"')]

    @property
    def raw(self) -> Any:
        """SQLite's own connection."""
        return self.connection.connection.dbapi_connection


class InlineLedger:
    """A `Ledger` on that database. `trouble` strikes before and after."""

    def __init__(self, database: Database, trouble: Trouble) -> None:
        self.on_orders: Callable[[], None] = _nobody
        self.on_written: Callable[[], None] = _nobody
        """Called after each commit, before anybody else can go on: for onlookers."""
        self._connection, self._raw, self._trouble = database.connection, database.raw, trouble

    async def read(self, question: Change[Result]) -> Result:
        await self._trouble.before_read()
        return self.look(question)

    def look(self, question: Change[Result]) -> Result:
        """As `read`, at once and without trouble: for onlookers."""
        raw = self._raw
        try:
            raw.execute("BEGIN")
            try:
                return question(Transaction(self._connection))
            finally:
                raw.execute("ROLLBACK")
        except BaseException as failure:  # noqa: BLE001 - whatever it is belongs to the caller
            raise meaning(failure)  # noqa: B904 - it carries its cause itself

    async def write(self, change: Change[Result]) -> Result:
        await self._trouble.before_write()
        raw, transaction = self._raw, Transaction(self._connection)
        raw.execute("BEGIN IMMEDIATE")
        try:
            result = change(transaction)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
            raw.execute("ROLLBACK")
            raise meaning(error)  # noqa: B904 - it carries its cause itself
        raw.execute("COMMIT")
        self.on_written()
        if transaction.ordered:
            asyncio.get_running_loop().call_soon(self._orders_queued)
        await self._trouble.written()
        return result

    def rows(self, sql: str) -> list[Any]:
        """What is in the tables, as it lies there, at little cost: for those who ask after every commit."""
        return list(self._raw.execute(sql))

    @property
    def changes(self) -> int:
        """Grows with every row that is written: who has seen all of it at one number need not look again."""
        return int(self._raw.total_changes)

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        """The database stays."""

    def _orders_queued(self) -> None:
        self.on_orders()


def _nobody() -> None:
    """Until somebody listens."""
