"""SQLite's one writer: takes whatever changes have queued up and commits them as a group, a savepoint each.

Why: a commit costs one wait for the disk whatever it holds, so under load a hundred builds share it.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kilonova.errors import Unavailable
from kilonova.ledger.transaction import Transaction

Result = TypeVar("Result")
GROUP = 64
"""Changes that share one commit at most; more would make the first of them wait too long."""


class GroupWriter:
    """`submit` from any thread; the future is done when the change is on disk, and holds its result or its error."""

    def __init__(self, engine: Engine, orders_queued: Callable[[], None]) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[tuple[Callable[[Transaction], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._orders_queued = orders_queued
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._write, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Callable[[Transaction], Result]) -> "Future[Result]":
        self._loop = asyncio.get_running_loop()
        future: Future[Result] = Future()
        self._queue.put((change, future))
        return future

    def close(self) -> None:
        """What was submitted before is still committed."""
        self._queue.put(None)
        self._thread.join(timeout=30)

    def _write(self) -> None:
        connection = self._engine.connect()
        try:
            while (first := self._queue.get()) is not None:
                group, ended = self._take_what_waits(first)
                self._commit(connection, group)
                if ended:
                    return
        finally:
            connection.close()

    def _take_what_waits(self, first: Any) -> tuple[list[Any], bool]:
        group = [first]
        while len(group) < GROUP:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return group, True
            group.append(item)
        return group, False

    def _commit(self, connection: Connection, group: list[Any]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        ordered = False
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            for change, future in group:
                transaction = Transaction(connection)
                result = self._try_change(connection, transaction, change, future)
                if not future.done():
                    done.append((future, result))
                    ordered = ordered or transaction.ordered
            connection.exec_driver_sql("COMMIT")
        except SQLAlchemyError as failure:
            self._give_up(connection, group, failure)
            return
        for future, result in done:
            future.set_result(result)
        if ordered and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._orders_queued)

    @staticmethod
    def _try_change(connection: Connection, transaction: Transaction, change: Any, future: "Future[Any]") -> Any:
        connection.exec_driver_sql("SAVEPOINT change")
        try:
            result = change(transaction)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, not to the group
            connection.exec_driver_sql("ROLLBACK TO change")
            connection.exec_driver_sql("RELEASE change")
            future.set_exception(error)
            return None
        connection.exec_driver_sql("RELEASE change")
        return result

    @staticmethod
    def _give_up(connection: Connection, group: list[Any], failure: SQLAlchemyError) -> None:
        """The disk is full or the file is locked: nothing of the group was written, and everyone is told."""
        try:
            connection.exec_driver_sql("ROLLBACK")
        except SQLAlchemyError:
            pass  # no transaction was open
        for _, future in group:
            if not future.done():
                error = Unavailable("The database could not be written; nothing was changed.")
                error.__cause__ = failure
                future.set_exception(error)
