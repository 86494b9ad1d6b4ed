"""Which attempts at building a server have asked a network node for wires, and which want none any more.

A volume node keeps the same of attachments, with the numbers of wishes (build/wishes.py) for attempts; and a network node of
routers, groups and external networks that had to go, with the revisions of their plans.

A message that comes late must not undo what a later one did, also after a restart: so it is one SQLite file. A write is done
before what it is about; `synchronous=NORMAL` is enough, since after a power cut there are no wires either.
"""

import time
from pathlib import Path

import pysqlite3.dbapi2 as sqlite

from kilonova.model.ids import ServerId

REMEMBERED_S = 2 * 24 * 3600.0
"""As long as the broker keeps a message."""
FORGET_EVERY_S = 3600.0
_NOTE = (
    "INSERT INTO attempts VALUES (?, ?, ?, ?) ON CONFLICT (server_id) DO UPDATE"
    " SET wanted = max(wanted, excluded.wanted), over = max(over, excluded.over), at = excluded.at"
)
WRITES = ("note_wanted", "note_over")
"""The methods that leave something on disk: at each of them faults on demand can strike."""


class Attempts:
    """`file` as SQLite names it; ``:memory:`` for what need not outlive the process."""

    def __init__(self, file: Path | str = ":memory:") -> None:
        self._db = sqlite.connect(str(file), isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA busy_timeout = 5000")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS attempts (server_id TEXT PRIMARY KEY, wanted INTEGER NOT NULL, over INTEGER NOT NULL,"
            " at REAL NOT NULL) WITHOUT ROWID"
        )
        self._forgotten_at = 0.0

    def wanted(self, server_id: ServerId | str) -> int:
        """The newest attempt that asked for its wires; 0 for none."""
        return self._of(server_id)[0]

    def over(self, server_id: ServerId | str) -> int:
        """The newest attempt that wants none any more; 0 for none."""
        return self._of(server_id)[1]

    def note_wanted(self, server_id: ServerId | str, attempt: int) -> None:
        self._note(server_id, attempt, 0)

    def note_over(self, server_id: ServerId | str, attempt: int) -> None:
        self._note(server_id, 0, attempt)

    def close(self) -> None:
        self._db.close()

    def _of(self, server_id: str) -> tuple[int, int]:
        row = self._db.execute("SELECT wanted, over FROM attempts WHERE server_id = ?", (server_id,)).fetchone()
        return row or (0, 0)

    def _note(self, server_id: str, wanted: int, over: int) -> None:
        now = time.time()
        if now > self._forgotten_at + FORGET_EVERY_S:
            self._db.execute("DELETE FROM attempts WHERE at < ?", (now - REMEMBERED_S,))
            self._forgotten_at = now
        self._db.execute(_NOTE, (server_id, wanted, over, now))
