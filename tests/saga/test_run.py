"""The runner by itself, with sagas of three plain steps: forward, back, and on after a crash at any point, without any cloud."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from kilonova.errors import BuildFailed
from kilonova.saga import Journal, Outcome, Saga, StopBuilding, run


class Zero(Struct, frozen=True, kw_only=True):
    name: str


class One(Zero, frozen=True, kw_only=True):
    one: int


class Two(One, frozen=True, kw_only=True):
    two: int


class Table:
    """What the steps act on: `there` is what was made and not taken back, `done` everything that was called."""

    def __init__(self) -> None:
        self.there: list[str] = []
        self.done: list[str] = []
        self.fails: dict[str, BaseException] = {}

    def call(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails.pop(what)


async def make_one(record: Zero, table: Table) -> One:
    table.call("one")
    table.there.append("one")
    return One(name=record.name, one=1)


async def take_one(record: Zero, table: Table) -> None:
    table.call("undo one")
    table.there = [thing for thing in table.there if thing != "one"]


async def make_two(record: One, table: Table) -> Two:
    table.call("two")
    table.there.append("two")
    return Two(name=record.name, one=record.one, two=2)


async def take_two(record: One, table: Table) -> None:
    table.call("undo two")
    table.there = [thing for thing in table.there if thing != "two"]


async def tell(record: Two, table: Table) -> Two:
    table.call("tell")
    return record


async def wait(record: Zero, table: Table) -> Zero:
    await asyncio.sleep(3600)
    return record


SAGA = Saga.starting_with(Zero, Table, name="three", at="here").then(make_one, take_one).then(make_two, take_two).then(tell)


class Quiet:
    """A watch that sees nothing; at `dies` the process ends: nothing after that line happens."""

    def __init__(self, dies: tuple[str, str] = ("", "")) -> None:
        self.dies = dies

    async def before(self, key: str, step: str, record: Any) -> None:
        self._come("before", step)

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        self._come("after", step)

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        self._come("undone", step)

    def notes(self, key: str) -> bytes:
        return b""

    def _come(self, when: str, step: str) -> None:
        if (when, step) == self.dies:
            raise asyncio.CancelledError


class Waits(Quiet):
    """Where a step can be ended before it has done anything."""

    async def before(self, key: str, step: str, record: Any) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    made = Journal(tmp_path / "journal.sqlite")
    yield made
    made.close()


async def carry(journal: Journal, table: Table, watch: Quiet | None = None, **more: Any) -> Outcome[Two]:
    return await run(SAGA, journal.begin("k", SAGA, Zero(name="x")), table, journal, watch or Quiet(), **more)


async def test_forward(journal: Journal) -> None:
    table = Table()
    outcome = await carry(journal, table)
    assert outcome.done
    assert outcome.record == Two(name="x", one=1, two=2)
    assert table.done == ["one", "two", "tell"]


async def test_back_last_first(journal: Journal) -> None:
    table = Table()
    table.fails = {"tell": BuildFailed("No luck.")}
    outcome = await carry(journal, table)
    assert (outcome.done, outcome.failed_step, outcome.reason, outcome.final) == (False, "tell", "No luck.", False)
    assert table.done == ["one", "two", "tell", "undo two", "undo one"]
    assert table.there == []


async def test_a_step_that_may_have_been_done_without_an_answer_is_undone_too(journal: Journal) -> None:
    async def make_two_unheard(record: One, table: Table) -> Two:
        await make_two(record, table)
        raise BuildFailed("No answer.")

    first = Saga.starting_with(Zero, Table, name="three", at="here").then(make_one, take_one)
    for unsure in (False, True):
        saga, table = first.then(make_two_unheard, take_two, unsure=unsure), Table()
        await run(saga, journal.begin(f"k{unsure}", saga, Zero(name="x")), table, journal, Quiet())
        assert table.there == ([] if unsure else ["two"])


@pytest.mark.parametrize("fails", ["one", "two", "tell"])
async def test_what_others_may_have_done_is_undone_also_when_it_was_not_begun(journal: Journal, fails: str) -> None:
    first = Saga.starting_with(Zero, Table, name="three", at="here").then(make_one, take_one)
    for by_others in (False, True):
        saga, table = first.then(make_two, take_two, by_others=by_others).then(tell), Table()
        table.there, table.fails = ["two"], {fails: BuildFailed()}
        outcome = await run(saga, journal.begin(f"k{by_others}", saga, Zero(name="x")), table, journal, Quiet())
        undone = [what for what in table.done if what.startswith("undo")]
        wanted = {"one": [], "two": ["undo one"], "tell": ["undo two", "undo one"]}[fails]
        if by_others and "undo two" not in wanted:
            wanted = ["undo two", *wanted]
        assert (outcome.failed_step, outcome.left, undone) == (saga.steps[["one", "two", "tell"].index(fails)].name, (), wanted)


@pytest.mark.parametrize("dies", ["make_one", "make_two"])
async def test_going_back_after_a_crash_undoes_what_others_may_have_done(journal: Journal, dies: str) -> None:
    """The process ends after the undo of `dies`; what others may have done since is undone by the next."""
    first = Saga.starting_with(Zero, Table, name="three", at="here").then(make_one, take_one, unsure=True)
    saga, table = first.then(make_two, take_two, by_others=True).then(tell), Table()
    table.there, table.fails = ["two"], {"one": BuildFailed()}
    with pytest.raises(asyncio.CancelledError):
        await run(saga, journal.begin("k", saga, Zero(name="x")), table, journal, Quiet(("undone", dies)))
    table.there = ["two"]
    (entry,) = journal.entries()
    outcome = await run(saga, entry, table, journal, Quiet())
    assert (outcome.done, outcome.left, table.there) == (False, (), [])
    assert table.done[-2:] == ["undo two", "undo one"]


async def test_what_no_user_may_read_is_not_told(journal: Journal) -> None:
    table = Table()
    table.fails = {"two": ValueError("/etc/secret")}
    outcome = await carry(journal, table)
    assert outcome.reason == "An unexpected error in step 'make two'."


async def test_an_undo_that_fails_is_tried_again(journal: Journal) -> None:
    table = Table()
    table.fails = {"tell": BuildFailed(), "undo two": BuildFailed()}
    outcome = await carry(journal, table)
    assert outcome.left == ()
    assert table.there == []
    assert table.done.count("undo two") == 2


async def test_an_undo_that_never_works_is_named_and_the_others_are_done(journal: Journal) -> None:
    class Stuck(Table):
        def call(self, what: str) -> None:
            super().call(what)
            if what == "undo two":
                raise BuildFailed

    table = Stuck()
    table.fails = {"tell": BuildFailed()}
    outcome = await carry(journal, table)
    assert outcome.left == ("make_two",)
    assert table.there == ["two"]


async def test_a_deadline_ends_the_step_under_way(journal: Journal) -> None:
    table = Table()
    saga = Saga.starting_with(Zero, Table, name="waits", at="here").then(make_one, take_one).then(wait)
    entry = journal.begin("k", saga, Zero(name="x"))
    outcome = await run(saga, entry, table, journal, Quiet(), deadline=time.time() + 60)
    assert (outcome.failed_step, outcome.reason, outcome.final) == ("wait", "wait: it took longer than allowed.", False)
    assert table.there == []


async def test_a_stop_is_final_and_an_end_of_the_process_is_not(journal: Journal) -> None:
    table = Table()
    saga = Saga.starting_with(Zero, Table, name="waits", at="here").then(make_one, take_one).then(wait)
    for argument, ends in ((StopBuilding.__name__, True), ("", False)):
        entry = journal.begin(f"k{argument}", saga, Zero(name="x"))
        task = asyncio.create_task(run(saga, entry, table, journal, Quiet()))
        await asyncio.sleep(1)
        task.cancel(argument)
        await asyncio.wait([task])
        assert task.cancelled() != ends
        assert table.there == ([] if ends else ["one"])
        if ends:
            assert task.result().final


POINTS = [("before", "make_one"), ("after", "make_one"), ("before", "make_two"), ("after", "make_two"), ("before", "tell")]


@pytest.mark.parametrize("point", [*POINTS, ("after", "tell")])
async def test_after_a_crash_going_forward_it_goes_on(tmp_path: Path, point: tuple[str, str]) -> None:
    table, file = Table(), tmp_path / "journal.sqlite"
    first = Journal(file)
    with pytest.raises(asyncio.CancelledError):
        await carry(first, table, Quiet(point))
    first.close()
    second = Journal(file)
    (entry,) = second.entries()
    outcome: Outcome[Two] = await run(SAGA, entry, table, second, Quiet())
    second.close()
    assert outcome.record == Two(name="x", one=1, two=2)
    assert set(table.there) == {"one", "two"}
    assert max(table.done.count(what) for what in ("one", "two", "tell")) <= 2


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("point", POINTS[:4])
async def test_after_a_crash_a_step_that_fails_is_undone_too(tmp_path: Path, point: tuple[str, str], late: bool) -> None:
    """Seed 20691: the deadline had passed, so the step was not even begun again; or it is, and is refused."""
    table, file = Table(), tmp_path / "journal.sqlite"
    first = Journal(file)
    with pytest.raises(asyncio.CancelledError):
        await carry(first, table, Quiet(point))
    first.close()
    table.fails = {} if late else {point[1].removeprefix("make_"): BuildFailed("No luck.")}
    second = Journal(file)
    (entry,) = second.entries()
    outcome = await run(SAGA, entry, table, second, Waits(), deadline=time.time() + (-1 if late else 60))
    second.close()
    assert outcome.failed_step == point[1]
    assert table.there == []


@pytest.mark.parametrize("point", [("undone", "make_two"), ("undone", "make_one")])
async def test_after_a_crash_going_back_it_goes_back(tmp_path: Path, point: tuple[str, str]) -> None:
    table, file = Table(), tmp_path / "journal.sqlite"
    table.fails = {"tell": BuildFailed("No luck.")}
    first = Journal(file)
    with pytest.raises(asyncio.CancelledError):
        await carry(first, table, Quiet(point))
    first.close()
    second = Journal(file)
    (entry,) = second.entries()
    outcome: Outcome[Two] = await run(SAGA, entry, table, second, Quiet())
    second.close()
    assert (outcome.done, outcome.reason) == (False, "No luck.")
    assert table.there == []
    assert "tell" not in table.done[3:]


async def test_the_last_step_is_done_again_when_the_process_ended_before_its_report_was_kept(tmp_path: Path) -> None:
    table, file = Table(), tmp_path / "journal.sqlite"
    first = Journal(file)
    assert (await carry(first, table)).done
    first.close()  # and nobody has called `finish`
    second = Journal(file)
    (entry,) = second.entries()
    assert (await run(SAGA, entry, table, second, Quiet())).done
    second.close()
    assert table.done == ["one", "two", "tell", "tell"]


async def test_the_last_report_is_kept_until_it_is_confirmed_as_it_was_sent(journal: Journal) -> None:
    journal.begin("k", SAGA, Zero(name="x"))
    journal.finish("k", ("k", b"old"))
    assert journal.entries() == []
    assert journal.is_over("k", "other")
    sent = journal.reports(10)
    journal.keep_report("k", b"new")
    journal.drop_reports(sent)
    assert journal.reports(10) == [("k", b"new")]
