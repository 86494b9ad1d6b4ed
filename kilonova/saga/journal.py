"""What survives kill -9 on a node: for each saga under way, how far it is and the record as it stands.

One SQLite file. `synchronous=NORMAL` is enough: a killed process loses nothing, and after a power cut the ledger's
order comes again and every step can be repeated. The disk is waited for where that is not so: when a saga turns back, before
its last word goes out or what it made is given to others (`settle`), for numbers that must grow. No queries by content.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pysqlite3.dbapi2 as sqlite

from kilonova.saga.saga import Saga

log = logging.getLogger(__name__)

REMEMBERED_S = 3600.0
LOG_PAGES = 250
"""Of the log beside the file, about a megabyte: a journal itself is small, and its log must not be what fills a disk up."""
_KEEP_REPORT = "INSERT OR REPLACE INTO reports VALUES (?, ?, (SELECT coalesce(max(number), 0) + 1 FROM reports))"
WRITES = ("begin", "advance", "turn_back", "finish", "drop", "drop_reports")
"""The methods that leave something on disk: at each of them faults on demand can strike."""
Direction = Literal["forward", "back"]


@dataclass(frozen=True)
class Entry:
    """One saga under way. `step` counts the finished steps still standing."""

    key: str
    saga: str
    direction: Direction
    step: int
    record: bytes
    reason: str
    notes: bytes
    """What the watch wants kept with it: the spans so far."""
    taken_up: bool = False
    """Its next step may have been begun before, by a process that is gone."""


class Journal:
    """Calls take some ten microseconds and do not wait for the disk, so they are plain functions."""

    def __init__(self, file: Path | str) -> None:
        self._db = sqlite.connect(str(file), isolation_level=None, cached_statements=64)
        self._settled = -1
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS sagas (key TEXT PRIMARY KEY, saga TEXT NOT NULL, direction TEXT NOT NULL,"
            " step INTEGER NOT NULL, record BLOB NOT NULL, reason TEXT NOT NULL, notes BLOB NOT NULL) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS over (key TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS reports (key TEXT PRIMARY KEY, body BLOB NOT NULL, number INTEGER NOT NULL DEFAULT 0)"
            " WITHOUT ROWID"
        )
        if "number" not in {column[1] for column in self._db.execute("PRAGMA table_info(reports)")}:  # an older file
            self._db.execute("ALTER TABLE reports ADD COLUMN number INTEGER NOT NULL DEFAULT 0")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS numbers (one INTEGER PRIMARY KEY CHECK (one = 1), reserved INTEGER NOT NULL)"
        )

    def begin(self, key: str, saga: Saga[Any, Any, Any], record: Any) -> Entry:
        """The saga's first line; if there is one already, that one stands."""
        body = msgspec.msgpack.encode(record)
        new = self._db.execute("INSERT OR IGNORE INTO sagas VALUES (?, ?, 'forward', 0, ?, '', x'')", (key, saga.name, body))
        there = None if new.rowcount else self.entry(key)
        return there or Entry(key, saga.name, "forward", 0, body, "", b"")

    def advance(self, key: str, step: int, record: Any, notes: bytes) -> None:
        """So many steps are done, and this is known now."""
        body = msgspec.msgpack.encode(record)
        self._db.execute("UPDATE sagas SET step = ?, record = ?, notes = ? WHERE key = ?", (step, body, notes, key))

    def turn_back(self, key: str, step: int, reason: str, notes: bytes) -> None:
        """From here on it is undone, whatever happens; `step` steps stand and must go. On the disk when this returns."""
        # Without power too it must not go forward again on what an undo has already taken away.
        with self._waiting_for_the_disk():
            self._db.execute(
                "UPDATE sagas SET direction = 'back', step = ?, reason = ?, notes = ? WHERE key = ?", (step, reason, notes, key)
            )

    def finish(self, key: str, report: tuple[str, bytes] | None = None) -> None:
        """The saga is over; its last report is kept, in the same transaction, until control has confirmed it."""
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM sagas WHERE key = ?", (key,))
        self._db.execute("INSERT OR REPLACE INTO over VALUES (?, ?)", (key, time.time()))
        if report is not None:
            self._db.execute(_KEEP_REPORT, report)
        self._db.execute("COMMIT")

    def drop(self, key: str) -> None:
        """Another saga has taken over what this one had under way."""
        self._db.execute("DELETE FROM sagas WHERE key = ?", (key,))
        self._db.execute("INSERT OR REPLACE INTO over VALUES (?, ?)", (key, time.time()))

    def is_over(self, *keys: str) -> bool:
        """True when one of these sagas ended here within the last hour: an order that comes late must not begin it anew."""
        marks = ", ".join("?" * len(keys))
        return self._db.execute(f"SELECT 1 FROM over WHERE key IN ({marks})", keys).fetchone() is not None

    def forget_old(self) -> None:
        """Ended sagas are remembered for an hour: far longer than any message is on its way."""
        self._db.execute("DELETE FROM over WHERE at < ?", (time.time() - REMEMBERED_S,))

    def entry(self, key: str) -> Entry | None:
        query = "SELECT key, saga, direction, step, record, reason, notes FROM sagas WHERE key = ?"
        row = self._db.execute(query, (key,)).fetchone()
        return None if row is None else replace(Entry(*row), taken_up=True)

    def is_under_way(self, beginning: str) -> bool:
        """True as long as a saga whose key begins so can still go forward or back."""
        query = "SELECT 1 FROM sagas WHERE key >= ? AND key < ? LIMIT 1"
        return self._db.execute(query, (beginning, f"{beginning}\U0010ffff")).fetchone() is not None

    def entries(self) -> list[Entry]:
        """What was under way when the process ended."""
        rows = self._db.execute("SELECT key, saga, direction, step, record, reason, notes FROM sagas ORDER BY key").fetchall()
        return [replace(Entry(*row), taken_up=True) for row in rows]

    def keep_report(self, key: str, body: bytes) -> None:
        self._db.execute(_KEEP_REPORT, (key, body))

    def reports(self, limit: int) -> list[tuple[str, bytes]]:
        """Those that are not confirmed, in the order in which they were kept: what one means depends on those before it."""
        return list(self._db.execute("SELECT key, body FROM reports ORDER BY number LIMIT ?", (limit,)).fetchall())

    def waiting(self, now: float) -> list[tuple[str, float]]:
        """(key, when its saga ended) of each report that is not confirmed; `now` where that is not known any more."""
        query = "SELECT reports.key, coalesce(over.at, ?) FROM reports LEFT JOIN over ON over.key = reports.key"
        return list(self._db.execute(query, (now,)).fetchall())

    def drop_reports(self, confirmed: list[tuple[str, bytes]]) -> None:
        """Only as they were sent: a newer report under the same key stays."""
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM reports WHERE key = ? AND body = ?", confirmed)
        self._db.execute("COMMIT")

    def reserved(self) -> int:
        """All numbers up to this one may have been given away; 0 for none."""
        row = self._db.execute("SELECT reserved FROM numbers").fetchone()
        return 0 if row is None else int(row[0])

    def reserve(self, number: int) -> None:
        """All numbers up to this one may be given away from now on. On the disk when this returns."""
        with self._waiting_for_the_disk():
            self._db.execute("INSERT OR REPLACE INTO numbers VALUES (1, ?)", (number,))

    def settle(self) -> None:
        """All that was written so far is on the disk when this returns, unless that is full: what was told is not forgotten."""
        changes = self._db.total_changes
        if changes == self._settled:
            return
        try:
            with self._waiting_for_the_disk():
                self._db.execute(f"PRAGMA user_version = {changes % 2**31}")  # a change that says nothing; one commit
        except sqlite.OperationalError as error:
            log.warning("journal: %s", error, extra={"action": "not_settled"})  # only a power cut now would be one too many
        else:
            self._settled = changes

    @contextmanager
    def _waiting_for_the_disk(self) -> Iterator[None]:
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        self._db.close()
