"""A journal whose last writes never reached the disk: what is before them is whole."""

from pathlib import Path

from msgspec import Struct

from kilonova.saga import Journal, Saga
from kilonova.sim.torn import WatchedJournal, fall


class Thing(Struct):
    """What the saga is about."""

    number: int


async def grow(thing: Thing, world: object) -> Thing:
    return thing


SAGA = Saga.starting_with(Thing, object, name="growing", at="here").then(grow)


def written(file: Path, steps: int) -> Journal:
    journal = Journal(file)
    journal.begin("key", SAGA, Thing(0))
    for step in range(1, steps + 1):
        journal.advance("key", step, Thing(step), b"")
    return journal


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    assert fall(written(file, 7), file, 0) == 0
    entry = Journal(file).entry("key")
    assert entry is not None
    assert entry.step == 7


def test_without_power_the_last_writes_are_gone_and_those_before_are_whole(tmp_path: Path) -> None:
    found = set()
    for cut in range(1, 30_000, 700):
        file = tmp_path / f"{cut}.sqlite"
        assert fall(written(file, 7), file, cut) == cut
        journal = Journal(file)
        entry = journal.entry("key")
        found.add(None if entry is None else entry.step)
        journal.begin("other", SAGA, Thing(1))
        assert journal.entry("other") is not None
        journal.close()
    assert {None, 0, 3, 6} <= found
    assert 7 not in found


def test_more_than_there_is_cannot_be_cut(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    assert 0 < fall(written(file, 1), file, 10**9) < 10**6
    assert Journal(file).entries() == []


def test_what_was_waited_for_is_there_without_power_too(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = WatchedJournal(file)
    journal.begin("key", SAGA, Thing(0))
    assert journal.synced == 0
    journal.turn_back("key", 1, "It failed.", b"")
    assert journal.synced > 0
    journal.drop("key")
    assert fall(journal, file, 10**9) > 0
    entry = (found := WatchedJournal(file, journal.synced)).entry("key")
    assert entry is not None
    assert entry.direction == "back"
    assert fall(found, file, 10**9) == 0, "an earlier process has waited for it"


def test_what_has_settled_is_there_without_power_too(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    journal = WatchedJournal(file)
    journal.keep_report("told", b"it runs")
    assert journal.synced == 0
    journal.settle()
    synced = journal.synced
    journal.settle()
    assert journal.synced == synced > 0, "nothing was written since"
    journal.keep_report("not told", b"it runs")
    assert fall(journal, file, 10**9) > 0
    found = Journal(file)
    assert found.reports(9) == [("told", b"it runs")]
    found.close()


def test_a_full_disk_keeps_nobody_from_telling(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite")
    journal.keep_report("told", b"it runs")
    journal._db.execute("PRAGMA query_only = ON")  # as a full disk: nothing can be written
    journal.settle()
    journal._db.execute("PRAGMA query_only = OFF")
    assert journal._settled == -1, "it is tried again"
    journal.settle()
    assert journal._settled > 0
    journal.close()
