"""Runs transactions: on SQLite through one writer that commits in groups, on PostgreSQL in a pool of threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from kilonova.errors import Unavailable
from kilonova.ledger.engine import SQLITE_PREFIX, open_engine
from kilonova.ledger.transaction import Transaction
from kilonova.ledger.writer import GroupWriter

Result = TypeVar("Result")
Change = Callable[[Transaction], Result]
SERIALISATION_FAILURES = ("40001", "40P01", "23505")
"""Lost a race, deadlocked, or made the same name as another at once: run again, it sees what the other did and says so."""
TRIES = 10


class Ledger(Protocol):
    """See the two classes below; `committed` is called, in the event loop, after each commit that queued an order."""

    on_orders: Callable[[], None]

    async def read(self, question: Change[Result]) -> Result: ...

    async def write(self, change: Change[Result]) -> Result: ...

    async def close(self) -> None: ...


class SqliteLedger:
    """One writer thread, many readers; a read runs in the caller's thread, where it takes tenths of a millisecond."""

    def __init__(self, url: str) -> None:
        self.on_orders: Callable[[], None] = _nobody
        self._reader: Connection = open_engine(url, read_only=True).connect()
        self._writer = GroupWriter(open_engine(url), self._orders_queued)

    async def read(self, question: Change[Result]) -> Result:
        return _consistent(self._reader, question)

    async def write(self, change: Change[Result]) -> Result:
        return await asyncio.wrap_future(self._writer.submit(change))

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.close)
        self._reader.close()

    def _orders_queued(self) -> None:
        self.on_orders()


class PostgresLedger:
    """Serialisable transactions in threads; one that lost a race is run again."""

    def __init__(self, url: str, threads: int = 8) -> None:
        self.on_orders: Callable[[], None] = _nobody
        self._engine = open_engine(url, pool_size=threads)
        self._read_engine = open_engine(url, read_only=True, pool_size=threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="ledger")

    async def read(self, question: Change[Result]) -> Result:
        return await self._in_thread(lambda: self._run(self._read_engine, question)[0])

    async def write(self, change: Change[Result]) -> Result:
        result, ordered = await self._in_thread(lambda: self._run(self._engine, change))
        if ordered:
            self.on_orders()
        return result

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()
        self._read_engine.dispose()

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _run(self, engine: Engine, change: Change[Result]) -> tuple[Result, bool]:
        for attempt in range(TRIES):
            try:
                with engine.begin() as connection:
                    transaction = Transaction(connection)
                    result = change(transaction)
                return result, transaction.ordered
            except DBAPIError as failure:
                if getattr(failure.orig, "sqlstate", None) in SERIALISATION_FAILURES and attempt < TRIES - 1:
                    continue
                if isinstance(failure, OperationalError):
                    raise Unavailable("The database does not answer; nothing was changed.") from failure
                raise
        raise Unavailable("Too many changes at once; nothing was changed. Please try again.")


def open_ledger(url: str) -> Ledger:
    """The ledger at `url`; its tables must be there (see migrations)."""
    return SqliteLedger(url) if url.startswith(SQLITE_PREFIX) else PostgresLedger(url)


def _consistent(connection: Connection, question: Change[Result]) -> Result:
    """One snapshot for all queries of one question."""
    connection.exec_driver_sql("BEGIN")
    try:
        return question(Transaction(connection))
    finally:
        connection.exec_driver_sql("COMMIT")


def _nobody() -> None:
    """Until a relay listens."""
