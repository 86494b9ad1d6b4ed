"""What a journal keeps for control: in order, also in a file of an older program."""

import sqlite3
from pathlib import Path

from kilonova.saga.journal import Journal


def test_reports_are_told_in_the_order_in_which_they_were_kept(tmp_path: Path) -> None:
    """Whatever they are called: control takes the end of a detaching before that of what was done after it (seed 6745)."""
    journal = Journal(tmp_path / "journal")
    journal.keep_report("b", b"first")
    journal.finish("c", ("c", b"second"))
    journal.keep_report("a", b"third")
    assert journal.reports(10) == [("b", b"first"), ("c", b"second"), ("a", b"third")]
    assert journal.reports(2) == [("b", b"first"), ("c", b"second")]
    journal.keep_report("b", b"newer")
    journal.drop_reports([("b", b"first"), ("c", b"second")])
    assert Journal(tmp_path / "journal").reports(10) == [("a", b"third"), ("b", b"newer")]


def test_a_journal_of_an_older_program_is_read_on(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal") as old:
        old.execute("CREATE TABLE reports (key TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        old.execute("INSERT INTO reports VALUES ('z', x'01')")
    old.close()
    journal = Journal(tmp_path / "journal")
    journal.keep_report("a", b"new")
    assert journal.reports(10) == [("z", b"\x01"), ("a", b"new")]
