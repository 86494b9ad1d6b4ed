"""SQLite's writer: what a group is, who is told what and when, and that nobody is ever left waiting."""

import asyncio
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite3  # not Python's own: two SQLites in one process undo each other's locks
import pytest
from sqlalchemy import Connection, Engine, text

from kilonova.errors import Conflict, Unavailable
from kilonova.ledger.engine import WAL_KEPT, open_engine
from kilonova.ledger.ledger import SqliteLedger
from kilonova.ledger.transaction import Transaction
from kilonova.ledger.writer import GROUP, GroupWriter

Change = Callable[[Transaction], Any]
WITHIN_S = 60


class Shelf:
    """A table of words, and the writer of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.url = f"sqlite:///{file}"
        engine = open_engine(self.url)
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE words (word TEXT PRIMARY KEY, more BLOB)")
        engine.dispose()
        self.woken = 0
        self.writer = GroupWriter(open_engine(self.url), self.wake, idle_s=0.05)

    def wake(self) -> None:
        self.woken += 1

    async def write(self, change: Change) -> Any:
        async with asyncio.timeout(WITHIN_S):
            return await asyncio.wrap_future(self.writer.submit(change))

    def words(self) -> list[str]:
        connection = sqlite3.connect(self.file)
        try:
            return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY rowid")]
        finally:
            connection.close()

    @property
    def log_size(self) -> int:
        log = self.file.with_name(self.file.name + "-wal")
        return log.stat().st_size if log.exists() else 0


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(tmp_path / "words.sqlite")
    yield shelf
    await asyncio.to_thread(shelf.writer.close)


def put(word: str, then: BaseException | None = None, more: bytes = b"", order: bool = False) -> Change:
    def change(tx: Transaction) -> str:
        tx.connection.execute(text("INSERT INTO words VALUES (:word, :more)"), {"word": word, "more": more})
        if order:
            tx._note_order()
        if then is not None:
            raise then
        return word

    return change


class Gate:
    """A change that holds the writer until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, tx: Transaction) -> None:
        self.entered.set()
        assert self.opened.wait(WITHIN_S)


async def behind_a_gate(shelf: Shelf) -> tuple[Gate, "asyncio.Task[Any]"]:
    gate = Gate()
    holding = asyncio.create_task(shelf.write(gate))
    assert await asyncio.to_thread(gate.entered.wait, WITHIN_S)
    return gate, holding


async def test_one_that_fails_does_not_spoil_its_group(shelf: Shelf) -> None:
    gate, holding = await behind_a_gate(shelf)
    group = [put("a"), put("b", then=Conflict("no")), put("c"), put("a"), put("d", then=KeyboardInterrupt()), put("e")]
    waiting = [asyncio.wrap_future(shelf.writer.submit(change)) for change in group]
    gate.opened.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    await holding
    assert [told[0], told[2], told[5]] == ["a", "c", "e"]
    assert [type(told[1]), type(told[3]), type(told[4])] == [Conflict, Conflict, KeyboardInterrupt]
    assert str(told[1]) == "no" and shelf.words() == ["a", "c", "e"]


async def test_what_waits_is_committed_together_and_no_more_than_a_group(shelf: Shelf) -> None:
    gate, holding = await behind_a_gate(shelf)

    def count(tx: Transaction) -> int:
        return int(tx.connection.exec_driver_sql("SELECT count(*) FROM words").scalar_one())

    inner = [asyncio.create_task(shelf.write(put(f"{n:03}"))) for n in range(GROUP + 10)]
    await asyncio.sleep(0)
    on_disk: list[int] = []

    def look(tx: Transaction) -> None:
        on_disk.append(len(shelf.words()))

    looks = [asyncio.create_task(shelf.write(look)) for _ in range(2)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(holding, *inner, *looks)
    assert await shelf.write(count) == GROUP + 10
    assert on_disk[0] == GROUP, "the first group was committed, the second, which looks, was not yet"


async def test_a_result_is_told_only_when_it_is_on_disk(shelf: Shelf) -> None:
    for number in range(20):
        await shelf.write(put(str(number)))
        assert shelf.words()[-1] == str(number)


async def test_orders_wake_the_relay_once_after_the_commit(shelf: Shelf) -> None:
    seen: list[list[str]] = []
    shelf.writer._orders_queued = lambda: seen.append(shelf.words())
    gate, holding = await behind_a_gate(shelf)
    waiting = [asyncio.wrap_future(shelf.writer.submit(put(word, order=word in "bc"))) for word in "abc"]
    gate.opened.set()
    await asyncio.gather(holding, *waiting)
    await asyncio.sleep(0.05)
    assert seen == [["a", "b", "c"]]
    await shelf.write(put("d"))
    with pytest.raises(Conflict):
        await shelf.write(put("e", then=Conflict("no"), order=True))
    await asyncio.sleep(0.05)
    assert len(seen) == 1, "nothing was ordered"


async def test_a_caller_who_went_away_harms_nobody(shelf: Shelf) -> None:
    gate, holding = await behind_a_gate(shelf)
    tasks = [asyncio.create_task(shelf.write(put(word))) for word in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    gate.opened.set()
    assert await tasks[0] == "a" and await tasks[2] == "c"
    assert shelf.words() == ["a", "c"], "cancelled before its turn: not carried out"


async def test_one_cancelled_while_it_runs_is_committed_and_wakes_the_relay(shelf: Shelf) -> None:
    gate = Gate()

    def slow(tx: Transaction) -> None:
        put("a", order=True)(tx)
        gate(tx)

    task = asyncio.create_task(shelf.write(slow))
    assert await asyncio.to_thread(gate.entered.wait, WITHIN_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.opened.set()
    assert await shelf.write(put("b")) == "b"
    assert shelf.words() == ["a", "b"] and shelf.woken == 1


@pytest.mark.parametrize("error", [StopIteration("x"), SystemExit(3), MemoryError(), GeneratorExit(), asyncio.CancelledError()])
async def test_whatever_a_change_raises_comes_back_and_the_writer_goes_on(shelf: Shelf, error: BaseException) -> None:
    future = asyncio.wrap_future(shelf.writer.submit(put("a", then=error)))
    done, _ = await asyncio.wait([future], timeout=WITHIN_S)
    assert done
    if not future.cancelled():
        told = future.exception()
        assert isinstance(told, type(error)) or (isinstance(error, StopIteration) and isinstance(told, RuntimeError))
    assert await shelf.write(put("b")) == "b" and shelf.words() == ["b"]


async def test_close_commits_what_was_submitted_and_takes_no_more(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "words.sqlite")
    gate, holding = await behind_a_gate(shelf)
    waiting = [asyncio.wrap_future(shelf.writer.submit(put(str(n)))) for n in range(3 * GROUP)]
    closing = asyncio.create_task(asyncio.to_thread(shelf.writer.close))
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable, match="closed"):
        shelf.writer.submit(put("late"))
    gate.opened.set()
    await asyncio.gather(closing, holding, *waiting)
    assert len(shelf.words()) == 3 * GROUP
    assert shelf.writer.ended.result(timeout=WITHIN_S) is None and shelf.log_size == 0
    await asyncio.to_thread(shelf.writer.close)


async def test_a_locked_file_is_unavailable_for_the_whole_group_and_then_works_again(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "words.sqlite")
    await shelf.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA busy_timeout = 20"))
    other = sqlite3.connect(shelf.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for told in await asyncio.gather(*(shelf.write(put(word)) for word in "ab"), return_exceptions=True):
        assert isinstance(told, Unavailable) and "nothing was changed" in str(told)
    other.execute("ROLLBACK")
    other.close()
    assert await shelf.write(put("c")) == "c"
    await asyncio.to_thread(shelf.writer.close)
    assert shelf.words() == ["c"]


async def test_a_full_disk_is_unavailable_and_then_works_again(shelf: Shelf) -> None:
    pages = await shelf.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    await shelf.write(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}").scalar_one())
    with pytest.raises(Unavailable):
        await shelf.write(put("large", more=b"x" * 100_000))
    await shelf.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA max_page_count = 100000").scalar_one())
    assert await shelf.write(put("a")) == "a" and shelf.words() == ["a"]


async def test_a_commit_that_fails_is_told_to_everyone(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference that is checked at the end makes COMMIT itself fail."""
    await shelf.write(
        lambda tx: tx.connection.exec_driver_sql(
            "CREATE TABLE likes (word TEXT REFERENCES words (word) DEFERRABLE INITIALLY DEFERRED)"
        )
    )
    gate, holding = await behind_a_gate(shelf)
    bad = shelf.writer.submit(lambda tx: tx.connection.exec_driver_sql("INSERT INTO likes VALUES ('nothing')"))
    good = shelf.writer.submit(put("a"))
    gate.opened.set()
    await holding
    told = await asyncio.gather(asyncio.wrap_future(bad), asyncio.wrap_future(good), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable, Unavailable] and shelf.words() == []
    assert await shelf.write(put("b")) == "b"


class Broken(Exception):
    """What no database raises."""


class DyingEngine:
    """Its connections fail in a way nobody foresaw, once told to."""

    def __init__(self, engine: Engine, at_once: bool) -> None:
        self.engine, self.broken = engine, at_once

    def connect(self) -> Any:
        if self.broken:
            raise Broken
        connection = self.engine.connect()
        real = connection.exec_driver_sql

        def execute(statement: str, *rest: Any) -> Any:
            if self.broken:
                raise Broken
            return real(statement, *rest)

        connection.exec_driver_sql = execute  # type: ignore[assignment, method-assign]
        return connection


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_writer_that_dies_says_so_to_everyone(tmp_path: Path, at_once: bool) -> None:
    ledger = SqliteLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    await asyncio.to_thread(ledger._writer.close)
    engine = DyingEngine(open_engine(f"sqlite:///{tmp_path}/ledger.sqlite"), at_once)
    ledger._writer = GroupWriter(engine, lambda: None)  # type: ignore[arg-type]
    watching = asyncio.create_task(ledger.watch())
    await asyncio.sleep(0)
    if not at_once:
        assert await ledger.write(lambda tx: 1) == 1 and not watching.done()
        engine.broken = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            async with asyncio.timeout(WITHIN_S):
                await ledger.write(lambda tx: 1)
    with pytest.raises(Unavailable, match="started anew") as told:
        async with asyncio.timeout(WITHIN_S):
            await watching
    assert isinstance(told.value.__cause__, Broken)
    await ledger.close()


async def test_who_stops_watching_does_not_end_the_writer(tmp_path: Path) -> None:
    ledger = SqliteLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    watching = asyncio.create_task(ledger.watch())
    await asyncio.sleep(0.01)
    watching.cancel()
    assert await ledger.write(lambda tx: 1) == 1
    await ledger.close()


LARGE = b"x" * 50_000


async def test_the_log_stays_small_under_writes_and_reads(shelf: Shelf) -> None:
    """30 MB go through it, with reads all the time."""
    reader: Connection = open_engine(shelf.url, read_only=True).connect()
    largest = 0
    for start in range(0, 600, 30):
        await asyncio.gather(*(shelf.write(put(str(n), more=LARGE)) for n in range(start, start + 30)))
        reader.exec_driver_sql("BEGIN")
        reader.exec_driver_sql("SELECT count(*) FROM words").all()
        reader.exec_driver_sql("COMMIT")
        largest = max(largest, shelf.log_size)
    reader.close()
    print(f"largest log: {largest >> 10} KiB of {600 * len(LARGE) >> 10} KiB written")
    assert largest < 3 * WAL_KEPT


async def test_a_read_that_is_held_open_lets_the_log_grow_only_for_as_long_as_it_is(shelf: Shelf) -> None:
    holder = sqlite3.connect(shelf.file, isolation_level=None)
    holder.execute("BEGIN")
    holder.execute("SELECT count(*) FROM words").fetchall()
    for start in range(0, 300, 30):
        await asyncio.gather(*(shelf.write(put(str(n), more=LARGE)) for n in range(start, start + 30)))
    held = shelf.log_size
    await asyncio.sleep(0.3)
    assert shelf.log_size == held > 3 * WAL_KEPT, "what the reader sees must stay"
    assert holder.execute("SELECT count(*) FROM words").fetchone() == (0,)
    await shelf.write(put("still", more=LARGE))
    holder.close()
    for _ in range(WITHIN_S * 20):
        if shelf.log_size == 0:
            break
        await asyncio.sleep(0.05)
    assert shelf.log_size == 0 and len(shelf.words()) == 301


async def test_an_idle_writer_does_nothing(shelf: Shelf) -> None:
    await shelf.write(put("a"))
    for _ in range(WITHIN_S * 20):
        if shelf.log_size == 0:
            break
        await asyncio.sleep(0.05)
    before = shelf.file.stat().st_mtime_ns
    await asyncio.sleep(0.3)
    assert shelf.log_size == 0 and shelf.file.stat().st_mtime_ns == before


async def test_a_read_cannot_write(tmp_path: Path) -> None:
    Shelf(tmp_path / "w.sqlite").writer.close()
    ledger = SqliteLedger(f"sqlite:///{tmp_path}/w.sqlite")
    with pytest.raises(Unavailable):
        await ledger.read(put("a"))
    assert await ledger.read(lambda tx: tx.connection.exec_driver_sql("SELECT count(*) FROM words").scalar_one()) == 0
    await ledger.close()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable, for root too")
async def test_what_was_opened_when_it_could_only_be_read_ends_once_it_can_be_written(tmp_path: Path) -> None:
    """SQLite opens it for reading then, says so only when something is to be written, and goes on so while it is open."""
    shelf = Shelf(tmp_path / "words.sqlite")
    await shelf.write(put("before"))
    await asyncio.to_thread(shelf.writer.close)
    subprocess.run(["chattr", "+i", shelf.file], check=True)
    try:
        late = GroupWriter(open_engine(shelf.url), shelf.wake)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await asyncio.wrap_future(late.submit(put("refused")))
        assert not late.ended.done()
    finally:
        subprocess.run(["chattr", "-i", shelf.file], check=True)
    with pytest.raises(Unavailable):
        await asyncio.wrap_future(late.submit(put("refused")))
    with pytest.raises(Unavailable, match="started anew"):
        await asyncio.wait_for(asyncio.wrap_future(late.ended), WITHIN_S)
    assert shelf.words() == ["before"]
