"""What a journal's file looks like after a power cut: its write-ahead log is there, but for the end of it.

The real file and the real recovery: nothing of SQLite is simulated.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kilonova.saga import Journal


class WatchedJournal(Journal):
    """A journal of which is known how much of its log has been waited for until it was on the disk: `synced`, in bytes.

    It begins with what an earlier process has waited for.
    """

    def __init__(self, file: Path, synced: int = 0) -> None:
        super().__init__(file)
        self._db.execute("PRAGMA wal_autocheckpoint = 0")  # the end of the file is what was written last
        self._log, self.synced = _log_of(file), synced

    def turn_back(self, key: str, step: int, reason: str, notes: bytes) -> None:
        with self._watched():
            super().turn_back(key, step, reason, notes)

    def reserve(self, number: int) -> None:
        with self._watched():
            super().reserve(number)

    def settle(self) -> None:
        with self._watched():
            super().settle()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        said: list[str] = []
        self._db.set_trace_callback(said.append)
        yield
        self._db.set_trace_callback(None)
        if _waits_for_the_disk(said):
            self.synced = self._log.stat().st_size


def fall(journal: Journal, file: Path, cut_bytes: int) -> int:
    """The process of this journal is gone; of its write-ahead log the last `cut_bytes`, at most, never reached the disk.

    What a WatchedJournal has waited for did. How many went.
    """
    log = _log_of(file)
    database, logged = file.read_bytes(), log.read_bytes() if log.exists() else b""
    journal.close()  # it would empty the log into the database, so both are written anew as they were
    synced = journal.synced if isinstance(journal, WatchedJournal) else 0
    cut = min(cut_bytes, max(0, len(logged) - synced))
    for left in (log, file.with_name(f"{file.name}-shm")):
        left.unlink(missing_ok=True)
    file.write_bytes(database)
    log.write_bytes(logged[: len(logged) - cut])
    return cut


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _waits_for_the_disk(statements: Sequence[str]) -> bool:
    """Whether one of them is a change, and SQLite has promised to wait for the disk when it commits it."""
    full = False
    for statement in statements:
        if statement.startswith("PRAGMA synchronous"):
            full = statement.endswith("FULL")
        elif full:
            return True
    return False
