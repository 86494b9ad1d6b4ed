"""Runs transactions: on SQLite through one writer that commits in groups, on PostgreSQL in a pool of threads."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import count
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from kilonova.errors import Unavailable
from kilonova.ledger.engine import SQLITE_PREFIX, open_engine
from kilonova.ledger.failures import meaning
from kilonova.ledger.transaction import Transaction
from kilonova.ledger.writer import GroupWriter, wake

Result = TypeVar("Result")
Change = Callable[[Transaction], Result]
LOST_A_RACE = ("40001", "40P01")
"""Serialisation failure, deadlock: nothing is wrong with the change itself."""
MET_ANOTHER = ("23505", "23503")
"""Made the same name as another at once, or referred to what another took away: run again, it sees that and says so."""
TRIES_TO_MEET = 3
PATIENCE_S = 15.0
"""After so long without luck the caller is told to come back."""
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.25


class Ledger(Protocol):
    """See the two classes below; `on_orders` is called, in the event loop, after each commit that queued an order."""

    on_orders: Callable[[], None]

    async def read(self, question: Change[Result]) -> Result: ...

    async def write(self, change: Change[Result]) -> Result: ...

    async def watch(self) -> None:
        """Waits for as long as the ledger can be written. Raises Unavailable once it never can be again in this process."""
        ...

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

    async def watch(self) -> None:
        await asyncio.wrap_future(self._writer.ended)

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.close)
        self._reader.close()

    def _orders_queued(self) -> None:
        self.on_orders()


class PostgresLedger:
    """Serialisable transactions in threads; one that lost a race is run again. Reads have threads of their own."""

    def __init__(self, url: str, threads: int = 8) -> None:
        self.on_orders: Callable[[], None] = _nobody
        self._engine = open_engine(url, pool_size=threads)
        self._read_engine = open_engine(url, read_only=True, pool_size=threads)
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="ledger-read")
        self._writers = ThreadPoolExecutor(threads, thread_name_prefix="ledger-write")
        self._closed = asyncio.Event()
        self._losers = threading.Lock()
        """Those who lost try again one at a time, so that they do not lose to each other for ever."""

    async def read(self, question: Change[Result]) -> Result:
        return await self._in_thread(self._readers, lambda: self._run(self._read_engine, question)[0])

    async def write(self, change: Change[Result]) -> Result:
        loop = asyncio.get_running_loop()

        def work() -> Result:
            result, ordered = self._run(self._engine, change)
            if ordered:
                wake(loop, self._orders_queued)  # from here, so that it is also called when nobody waits any more
            return result

        return await self._in_thread(self._writers, work)

    async def watch(self) -> None:
        await self._closed.wait()

    async def close(self) -> None:
        self._closed.set()
        for threads in (self._readers, self._writers):
            await asyncio.to_thread(threads.shutdown)
        self._engine.dispose()
        self._read_engine.dispose()

    def _orders_queued(self) -> None:
        self.on_orders()

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        if self._closed.is_set():
            raise Unavailable("The database is closed.")
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    def _run(self, engine: Engine, change: Change[Result]) -> tuple[Result, bool]:
        until = time.monotonic() + PATIENCE_S
        for attempt in count():
            if attempt:
                if time.monotonic() > until:
                    break
                time.sleep(random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 10))))
            try:
                with self._losers if attempt else nullcontext(), engine.begin() as connection:
                    transaction = Transaction(connection)
                    result = change(transaction)
                return result, transaction.ordered
            except BaseException as failure:  # noqa: BLE001 - whatever it is belongs to the caller
                if not _try_again(failure, attempt):
                    raise meaning(failure)  # noqa: B904 - it carries its cause itself
        raise Unavailable("Too many changes at once; nothing was changed. Please try again.")


def open_ledger(url: str) -> Ledger:
    """The ledger at `url`; its tables must be there (see migrations)."""
    return SqliteLedger(url) if url.startswith(SQLITE_PREFIX) else PostgresLedger(url)


def _try_again(failure: BaseException, attempt: int) -> bool:
    state = getattr(failure.orig, "sqlstate", None) if isinstance(failure, DBAPIError) else None
    return state in LOST_A_RACE or (state in MET_ANOTHER and attempt < TRIES_TO_MEET)


def _consistent(connection: Connection, question: Change[Result]) -> Result:
    """One snapshot for all queries of one question."""
    try:
        connection.exec_driver_sql("BEGIN")
        try:
            return question(Transaction(connection))
        finally:
            connection.exec_driver_sql("COMMIT")
    except BaseException as failure:  # noqa: BLE001 - whatever it is belongs to the caller
        raise meaning(failure)  # noqa: B904 - it carries its cause itself


def _nobody() -> None:
    """Until a relay listens."""
