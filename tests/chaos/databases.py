"""What can happen to a ledger's database while a cloud runs on it. Each fault is a context: it lasts that long, then heals."""

import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from tests.chaos.disks import SmallDisk, full
from tests.cloud.books import OnPostgres
from tests.cloud.processes import lives
from tests.cloud.running import Cloud, wait_for
from tests.ledger.postgres import Postgres

SLOW_S = 3.0
AWAY_S = 3.0
BREAKS = 5


class Place(Struct):
    """A cloud and what its ledger is on."""

    cloud: Cloud
    disk: SmallDisk
    server: Postgres | None = None

    @property
    def database(self) -> str:
        assert isinstance(self.cloud, OnPostgres)
        return self.cloud.database

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        assert self.server is not None
        return self.server.do(statement)

    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.cloud.data / "ledger.sqlite", timeout=20, isolation_level=None)


class Fault(Struct, frozen=True):
    """`refuses`: changes are refused while it lasts. `reads`: questions are answered while it lasts."""

    name: str
    strike: Callable[[Place], AbstractContextManager[None]]
    refuses: bool = False
    reads: bool = True

    def __str__(self) -> str:
        return self.name


@contextmanager
def immutable(place: Place, *, memory_too: bool = False) -> Iterator[None]:
    """The files cannot be written, also by root, also by who has them open already.

    `memory_too`: also the one that SQLite maps into memory, as on a file system that has become read-only: who writes there gets
    SIGBUS.
    """
    files = [str(file) for file in _files(place) if memory_too or not file.name.endswith("-shm")]
    subprocess.run(["chattr", "+i", *files], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


def knows_immutable(folder: Path) -> bool:
    """Whether a file there can be made such that also who has it open cannot write any more; memory file systems cannot."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        if subprocess.run(["chattr", "+i", file.name], capture_output=True, check=False).returncode:
            return False
        try:
            os.write(file.fileno(), b"1")
        except OSError:
            return True
        finally:
            subprocess.run(["chattr", "-i", file.name], check=True)
    return False


@contextmanager
def locked(place: Place) -> Iterator[None]:
    """Somebody else writes, for longer than anybody waits."""
    connection = place.connection()
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def slow(place: Place) -> Iterator[None]:
    """Somebody else writes, for seconds."""
    with locked(place):
        time.sleep(SLOW_S)
    yield


@contextmanager
def filled(place: Place) -> Iterator[None]:
    with full(place.disk):
        yield


@contextmanager
def torn(place: Place) -> Iterator[None]:
    """Control is killed as it writes, and the end of its write-ahead log is half a frame of garbage."""
    cloud = place.cloud
    keeper, serving = cloud.pid("control-keeper"), cloud.pid("control")
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(serving, signal.SIGKILL)
        wait_for(lambda: not lives(serving), 10, "the end of control", every_s=0.01)
        with (_files(place)[0].with_name("ledger.sqlite-wal")).open("ab") as log:
            log.write(b"\0\0\0\1" * 700)
    finally:
        os.kill(keeper, signal.SIGCONT)
    wait_for(lambda: cloud.pid("control") != serving, 20, "another control")
    yield


@contextmanager
def stopped(place: Place) -> Iterator[None]:
    assert place.server is not None
    place.server.stop()
    try:
        time.sleep(AWAY_S)
        yield
    finally:
        place.server.start()


@contextmanager
def restarted(place: Place) -> Iterator[None]:
    assert place.server is not None
    place.server.stop()
    place.server.start()
    yield


@contextmanager
def crashed(place: Place) -> Iterator[None]:
    """Every process of it is killed as by a fault of its memory; it recovers from its log."""
    assert place.server is not None
    assert place.server.process is not None
    place.server.process.send_signal(signal.SIGQUIT)
    place.server.process.wait(20)
    place.server.start()
    yield


@contextmanager
def read_only(place: Place) -> Iterator[None]:
    """As a standby is, or one whose operator has said so."""
    try:
        _say(place, "on")
        yield
    finally:
        _say(place, "off")


@contextmanager
def table_locked(place: Place) -> Iterator[None]:
    """Somebody changes a table, for seconds; nobody else gets at it, not even to read."""
    import psycopg

    assert place.server is not None
    with psycopg.connect(place.server.url(place.database)) as connection:
        connection.execute("LOCK TABLE servers, orders IN ACCESS EXCLUSIVE MODE")
        time.sleep(SLOW_S)
    yield


@contextmanager
def cut_off(place: Place) -> Iterator[None]:
    """Every connection of the cloud is ended, again and again."""
    for _ in range(BREAKS):
        place.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{place.database}'")
        time.sleep(0.2)
    yield


def as_control_starts(strike: Callable[[Place], AbstractContextManager[None]]) -> Callable[[Place], AbstractContextManager[None]]:
    """The same, and control is killed meanwhile: it cannot start before it is over."""

    @contextmanager
    def struck(place: Place) -> Iterator[None]:
        with strike(place):
            os.kill(place.cloud.pid("control"), signal.SIGKILL)
            time.sleep(AWAY_S)
        yield

    return struck


ON_SQLITE = (
    Fault("read-only", immutable, refuses=True),
    Fault("locked", locked, refuses=True),
    Fault("disk full", filled, refuses=True),
    Fault("slow", slow),
    Fault("log torn by a kill", torn),
    Fault("read-only as control starts", as_control_starts(partial(immutable, memory_too=True))),
    Fault("disk full as control starts", as_control_starts(filled)),
)
ON_POSTGRES = (
    Fault("restarted", restarted),
    Fault("crashed", crashed),
    Fault("away", stopped, refuses=True, reads=False),
    Fault("read-only", read_only, refuses=True),
    Fault("disk full", filled, refuses=True),
    Fault("slow", table_locked),
    Fault("connections ended", cut_off),
    Fault("away as control starts", as_control_starts(stopped)),
    Fault("read-only as control starts", as_control_starts(read_only)),
)


def _files(place: Place) -> list[Path]:
    """The database's file and those beside it; first the database."""
    file = (place.cloud.data / "ledger.sqlite").resolve()
    return [file, *(beside for beside in sorted(file.parent.glob(f"{file.name}-*")))]


def _say(place: Place, word: str) -> None:
    """To all sessions, also those that are open."""
    place.sql(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
    place.sql("SELECT pg_reload_conf()")
    wait_for(lambda: place.sql("SHOW default_transaction_read_only")[0][0] == word, 10, f"read-only to be {word}")
