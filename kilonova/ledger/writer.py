"""SQLite's one writer: takes whatever changes have queued up and commits them as a group, a savepoint each.

Why: a commit costs one wait for the disk whatever it holds, so under load a hundred builds share it.
It alone moves the write-ahead log into the database: as it grows, and all of it when nothing is asked for a while.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from kilonova.errors import Unavailable
from kilonova.ledger.engine import BUSY_MS
from kilonova.ledger.failures import is_read_only, meaning, not_written
from kilonova.ledger.transaction import Transaction

Result = TypeVar("Result")
GROUP = 64
"""Changes that share one commit at most; more would make the first of them wait too long."""
IDLE_S = 5.0
"""After so long without a change the write-ahead log is emptied."""
CLOSING_S = 30.0
POLITE_MS = 50
"""How long emptying the log waits for readers; it is tried again after the next pause."""

Asked = tuple[Callable[[Transaction], Any], "Future[Any]"]


class Outcome(NamedTuple):
    """How one change went."""

    result: Any
    error: BaseException | None
    ordered: bool


class GroupWriter:
    """`submit` from the event loop; the future is done when the change is on disk, and holds its result or its error.

    `ended` is done when the thread is: without an error when it was closed, else with an Unavailable that says why.
    """

    def __init__(self, engine: Engine, orders_queued: Callable[[], None], idle_s: float = IDLE_S) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._orders_queued = orders_queued
        self._idle_s = idle_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._door = threading.Lock()
        self._shut: str | None = None
        """Why nothing more is taken, once that is so."""
        self._read_only = False
        """What was refused just now was refused because the files were opened when they could only be read: it stays so.

        All connections of this process share them, so that only a new process helps; until they can be written, this one answers
        questions.
        """
        self.ended: Future[None] = Future()
        self.ended.set_running_or_notify_cancel()  # whoever stops waiting for it does not undo it
        self._thread = threading.Thread(target=self._live, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Callable[[Transaction], Result]) -> "Future[Result]":
        """Raises Unavailable when the writer is closed or has died."""
        self._loop = asyncio.get_running_loop()
        future: Future[Result] = Future()
        with self._door:
            if self._shut is not None:
                raise Unavailable(self._shut)
            self._queue.put((change, future))
        return future

    def close(self) -> None:
        """What was submitted before is still committed. Raises Unavailable when that takes too long."""
        with self._door:
            if self._shut is None:
                self._shut = "The database is closed."
                self._queue.put(None)
        self._thread.join(timeout=CLOSING_S)
        if self._thread.is_alive():
            raise Unavailable("The database did not finish its last changes in time.")

    def _live(self) -> None:
        """The thread. However it ends, nobody is left waiting."""
        died: BaseException | None = None
        try:
            with self._engine.connect() as connection:
                self._write(connection)
        except BaseException as error:  # noqa: BLE001 - it ends the thread, and everybody is told
            died = error
        with self._door:
            if died is not None:
                self._shut = "The database can no longer be written; this process has to be started anew."
            reason = self._shut or ""
        while not self._queue.empty():
            if (left := self._queue.get()) is not None and left[1].set_running_or_notify_cancel():
                left[1].set_exception(Unavailable(reason))
        if died is None:
            self.ended.set_result(None)
        else:
            told = Unavailable(reason)
            told.__cause__ = died
            self.ended.set_exception(told)

    def _write(self, connection: Connection) -> None:
        """Until it is closed. Raises Unavailable when it was opened while it could only be read, and can be written now."""
        logged = True
        """Whether there may be something in the write-ahead log; what an earlier life left there counts too."""
        while True:
            try:
                first = self._queue.get(timeout=self._idle_s if logged else None)
            except queue.Empty:
                logged = not empty_log(connection)
                continue
            group, ended = self._take_what_waits(first)
            logged = self._commit(connection, group) or logged
            if ended:
                empty_log(connection)
                return
            if self._read_only and self._can_be_written():
                raise Unavailable("The database was opened for reading only.")

    def _can_be_written(self) -> bool:
        """By whoever opens the files now."""
        file = self._engine.url.database or ""
        try:
            for name in (file, f"{file}-wal", f"{file}-shm"):
                os.close(os.open(name, os.O_RDWR))
        except FileNotFoundError:
            return True  # SQLite makes it
        except OSError:
            return False
        return True

    def _take_what_waits(self, first: Asked | None) -> tuple[list[Asked], bool]:
        """What was cancelled before its turn is not carried out."""
        group: list[Asked] = []
        item = first
        while item is not None:
            if item[1].set_running_or_notify_cancel():
                group.append(item)
            if len(group) == GROUP:
                return group, False
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, connection: Connection, group: Sequence[Asked]) -> bool:
        """True when something was written."""
        if not group:
            return False
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            outcomes = [_try_change(connection, change) for change, _ in group]
            connection.exec_driver_sql("COMMIT")
        except SQLAlchemyError as failure:
            self._read_only = is_read_only(failure)
            _give_up(connection, group, failure)
            return False
        except BaseException as failure:
            _give_up(connection, group, SQLAlchemyError(str(failure)))
            raise
        self._read_only = any(is_read_only(outcome.error) for outcome in outcomes)
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)
        if any(outcome.ordered for outcome in outcomes) and self._loop is not None:
            wake(self._loop, self._orders_queued)
        return True


def wake(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Has `call` called in the loop; a loop that has ended needs no hint."""
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:
        pass


def empty_log(connection: Connection) -> bool:
    """Moves the whole write-ahead log into the database and cuts its file off; False when a reader or the disk is in the way."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {POLITE_MS}")
    try:
        return not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
    except SQLAlchemyError:
        return False
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_MS}")


def _try_change(connection: Connection, change: Callable[[Transaction], Any]) -> Outcome:
    """One that fails leaves nothing behind, and the others of its group in peace."""
    transaction = Transaction(connection)
    connection.exec_driver_sql("SAVEPOINT change")
    try:
        result = change(transaction)
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller, not to the group
        connection.exec_driver_sql("ROLLBACK TO change")
        connection.exec_driver_sql("RELEASE change")
        return Outcome(None, meaning(error), False)
    connection.exec_driver_sql("RELEASE change")
    return Outcome(result, None, transaction.ordered)


def _give_up(connection: Connection, group: Sequence[Asked], failure: SQLAlchemyError) -> None:
    """The disk is full or the file is locked: nothing of the group was written, and everyone is told."""
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        pass  # no transaction was open
    finally:
        for _, future in group:
            future.set_exception(not_written(failure))
