"""What a journal's file looks like after a power cut: its write-ahead log is there, but for the end of it.

The real file and the real recovery: nothing of SQLite is simulated.
"""

from pathlib import Path

from kilonova.saga import Journal


def fall(journal: Journal, file: Path, cut_bytes: int, synced: int = 0) -> int:
    """The process of this journal is gone; of its write-ahead log the last `cut_bytes`, at most, never reached the disk.

    The first `synced` bytes did. How many went.
    """
    log = file.with_name(f"{file.name}-wal")
    database, logged = file.read_bytes(), log.read_bytes() if log.exists() else b""
    journal.close()  # it would empty the log into the database, so both are written anew as they were
    cut = min(cut_bytes, max(0, len(logged) - synced))
    for left in (log, file.with_name(f"{file.name}-shm")):
        left.unlink(missing_ok=True)
    file.write_bytes(database)
    log.write_bytes(logged[: len(logged) - cut])
    return cut
