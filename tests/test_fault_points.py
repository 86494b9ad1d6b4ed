"""Every point at which a fault can strike is one that docs/operating.md tells of."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kilonova.errors import BuildFailed
from kilonova.nodes import attempts
from kilonova.nodes.attempts import Attempts
from kilonova.nodes.fault_points import name_of, on_bus, on_journal, on_ledger
from kilonova.saga import Journal, journal
from kilonova.saga.faults import Faults, no_faults, parse_faults, strike_around

ROOT = Path(__file__).parent.parent
TOLD = (ROOT / "docs" / "operating.md").read_text().split("## Faults on demand")[1]


def test_every_point_in_the_program_is_told_of() -> None:
    """Those that stand in the code as a whole; by themselves or, as reports do, in a list of names."""
    said = {
        point
        for file in (ROOT / "kilonova").rglob("*.py")
        for point in re.findall(r'(?:_faults|faults)\.(?:at|strike)\(f?"([^"]+)"\)', file.read_text())
    }
    whole = {point for point in said if "{" not in point}
    assert len(whole) > 10
    names = {point: point.rpartition(".")[0] for point in whole}
    told = {point for point, name in names.items() if f"`{name}.before`, `.after`" in TOLD or f"`{name.split('.')[1]}`" in TOLD}
    assert sorted(whole - told) == []


@pytest.mark.parametrize("write", journal.WRITES)
def test_every_write_of_a_journal_is_told_of(write: str) -> None:
    assert callable(getattr(Journal, write))
    assert f"`{write}`" in TOLD


def test_no_write_of_a_journal_is_left_out() -> None:
    """Whatever changes its file is a point, but for what is only remembered less, and numbers that nobody may use."""
    changes = _writing(ROOT / "kilonova/saga/journal.py")
    assert changes - {"forget_old", "keep_report", "reserve", "__init__"} == set(journal.WRITES)
    assert _writing(ROOT / "kilonova/nodes/attempts.py") == {"__init__", "_note"}
    assert all(f"`{write}`" in TOLD and callable(getattr(Attempts, write)) for write in attempts.WRITES)


def test_they_strike_before_and_after(tmp_path: Path) -> None:
    points = [f"compute.journal.drop.{when}" for when in ("before", "after")]
    faults = Faults("compute", parse_faults(",".join(f"{point}=raise" for point in points)), tmp_path)
    kept = on_journal(Journal(tmp_path / "journal.sqlite"), faults)
    with pytest.raises(BuildFailed, match=r"drop\.before"):
        kept.drop("one")
    assert not kept.is_over("one")
    with pytest.raises(BuildFailed, match=r"drop\.after"):
        kept.drop("one")
    assert kept.is_over("one")
    kept.drop("two")
    kept.close()
    assert all((tmp_path / point).exists() for point in points)


def test_where_no_fault_is_wanted_nothing_is_wrapped(tmp_path: Path) -> None:
    kept, books = Journal(tmp_path / "journal.sqlite"), object()
    assert not vars(on_journal(kept, no_faults("compute"))).keys() & set(journal.WRITES)
    assert on_ledger(books, no_faults("control")) is books  # type: ignore[arg-type]
    assert type(on_bus(no_faults("network"))).__name__ == "Unobserved"
    kept.close()


def test_a_transaction_is_named_after_the_function_it_stands_in() -> None:
    def inner() -> None: ...

    class Desk:
        def _order(self) -> Callable[[Any], Any]:
            return lambda tx: tx

    assert name_of(inner) == name_of(lambda tx: tx) == "test_a_transaction_is_named_after_the_function_it_stands_in"
    assert name_of(strike_around) == name_of(partial(strike_around, 1)) == "strike_around"
    Desk._order.__qualname__ = "Desk._order"
    assert name_of(Desk()._order) == "Desk.order"


def _writing(file: Path) -> set[str]:
    """The methods that say INSERT, UPDATE or DELETE to SQLite."""
    methods = re.split(r"\n    def ", file.read_text())[1:]
    return {method.partition("(")[0] for method in methods if re.search(r'"(INSERT|UPDATE|DELETE|CREATE)', method)}
