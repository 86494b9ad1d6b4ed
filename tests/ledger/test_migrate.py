"""Tables come to be, and change, in one transaction and under a lock; and the steps lead to what the books say."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table, Text, inspect, text

from kilonova.errors import Unavailable
from kilonova.ledger.engine import open_engine
from kilonova.ledger.migrate import SCRIPTS, alembic_config, prepare, stamp
from kilonova.ledger.migrations import REVISIONS
from kilonova.ledger.schema import metadata
from tests.ledger.postgres import Postgres

MIGRATE_FIRST = "Change a table only with a step: see docs/decisions/0008-tables-change-in-steps.md"


@pytest.fixture
def connection(empty_url: str) -> Iterator[Connection]:
    with connected(empty_url) as connection:
        yield connection


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def tables(url: str) -> dict[str, Any]:
    """Everything the database says about its tables, in one order."""
    with connected(url) as connection:
        seen = inspect(connection)
        return {name: _table(seen, name) for name in seen.get_table_names()}


def _table(seen: Any, name: str) -> dict[str, Any]:
    columns = [{**column, "type": str(column["type"])} for column in seen.get_columns(name)]
    columns.sort(key=lambda column: str(column["name"]))  # a step adds at the end; nothing goes by place
    keys = seen.get_foreign_keys(name)
    return {
        "columns": [{k: v for k, v in c.items() if k != "default" or v is not None} for c in columns],
        "primary": seen.get_pk_constraint(name),
        "foreign": sorted(keys, key=lambda key: str(key["constrained_columns"])),
        "unique": sorted(seen.get_unique_constraints(name), key=lambda one: str(one["name"])),
        "indexes": sorted(seen.get_indexes(name), key=lambda one: str(one["name"])),
        "checks": seen.get_check_constraints(name),
    }


def test_the_steps_lead_to_the_same_tables_as_the_books(empty_url: str, connection: Connection) -> None:
    metadata.create_all(connection)
    stamp.create(connection)
    connection.commit()
    by_books = tables(empty_url)
    assert set(by_books) == {*metadata.tables, stamp.name}
    for name in [*reversed([table.name for table in metadata.sorted_tables]), stamp.name]:
        connection.execute(text(f"DROP TABLE {name}"))
    connection.commit()
    command.upgrade(alembic_config(connection, SCRIPTS), "head")
    connection.commit()
    by_steps = tables(empty_url)
    for name, table in by_books.items():
        if name != stamp.name:
            assert by_steps[name] == table, MIGRATE_FIRST
    assert set(by_steps) == set(by_books), MIGRATE_FIRST


def test_no_table_changes_without_a_step(connection: Connection) -> None:
    command.upgrade(alembic_config(connection, SCRIPTS), "head")
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    assert compare_metadata(context, metadata) == [], MIGRATE_FIRST
    # And this test can fail:
    changed = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.tables.values():
        table.to_metadata(changed)
    changed.tables["servers"].append_column(Column("colour", Text))
    Table("clouds", changed, Column("id", Text, primary_key=True))
    found = compare_metadata(context, changed)
    assert {step[0] for step in found} == {"add_table", "add_column"}


def test_the_known_steps_are_those_there_are() -> None:
    with open_engine("sqlite://").connect() as connection:
        scripts = ScriptDirectory.from_config(alembic_config(connection, SCRIPTS))
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_heads() == [REVISIONS[-1]]


def test_a_new_database_gets_todays_tables(empty_url: str) -> None:
    prepare(empty_url)
    assert set(tables(empty_url)) == {*metadata.tables, stamp.name}
    assert stamped(empty_url) == [REVISIONS[-1]]
    prepare(empty_url)
    assert stamped(empty_url) == [REVISIONS[-1]]


def stamped(url: str) -> list[str]:
    return rows(url, "SELECT version_num FROM alembic_version")


def rows(url: str, query: str) -> list[Any]:
    with connected(url) as connection:
        return list(connection.execute(text(query)).scalars())


def do(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()


def test_what_starts_daily_does_not_load_alembic(tmp_path: Path) -> None:
    program = f"""
        import sys
        from kilonova.ledger.migrate import prepare
        for _ in range(2):
            prepare("sqlite:///{tmp_path}/ledger.sqlite")
        assert "kilonova.ledger.migrations" in sys.modules
        assert not [name for name in sys.modules if name.startswith("alembic") or name.startswith("kilonova.ledger.migrations.")]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)


def test_an_up_to_date_database_is_not_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    prepare(url)
    with connected(url) as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # who wants to write has to wait a minute
        prepare(url)


def test_a_newer_database_is_left_alone(empty_url: str) -> None:
    prepare(empty_url)
    do(empty_url, "UPDATE alembic_version SET version_num = '9999'", "DROP TABLE claims")
    before = tables(empty_url)
    with pytest.raises(Unavailable, match="newer version"):
        prepare(empty_url)
    assert tables(empty_url) == before and stamped(empty_url) == ["9999"]


def test_a_creation_that_was_cut_off_is_finished(empty_url: str) -> None:
    prepare(empty_url)
    whole = tables(empty_url)
    do(empty_url, "DROP TABLE claims", "DROP INDEX ix_servers_host",
       "DROP TABLE alembic_version")  # fmt: skip
    prepare(empty_url)
    assert tables(empty_url) == whole and stamped(empty_url) == [REVISIONS[-1]]


def test_another_programs_database_is_left_alone(empty_url: str) -> None:
    do(empty_url, "CREATE TABLE servers (id TEXT, weight INTEGER)", "CREATE TABLE theirs (id TEXT)")
    before = tables(empty_url)
    with pytest.raises(Unavailable, match="'servers'"):
        prepare(empty_url)
    assert tables(empty_url) == before


def test_many_control_processes_start_at_once(empty_url: str) -> None:
    failed: list[BaseException] = []

    def start() -> None:
        try:
            prepare(empty_url)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert stamped(empty_url) == [REVISIONS[-1]]


NEXT = f"{len(REVISIONS) + 1:04}"
ONE_MORE = '''
"""A second step: a parent table is rebuilt (SQLite), or changed in place."""
import sqlalchemy as sa
from alembic import op
revision = "{next}"
down_revision = "{last}"
def upgrade() -> None:
    with op.batch_alter_table("flavors") as table:
        table.add_column(sa.Column("colour", sa.Text, nullable=False, server_default="red"))
        table.alter_column("name", type_=sa.String(300))
    {end}
'''


def with_one_more_step(folder: Path, end: str = "") -> Path:
    scripts = folder / "migrations"
    (scripts / "versions").mkdir(parents=True)
    for file in (SCRIPTS / "env.py", *(SCRIPTS / "versions").glob("r*.py")):
        (scripts / file.relative_to(SCRIPTS)).write_text(file.read_text())
    step = ONE_MORE.format(end=end, next=NEXT, last=REVISIONS[-1])
    (scripts / "versions" / f"r{NEXT}_next.py").write_text(step.strip())
    return scripts


def a_flavor(url: str) -> None:
    prepare(url)
    said = "'1', 'tiny', 1, 1, 1, 0, 0, 1.0, true, NULL, '', 1.0"
    do(url, f"INSERT INTO flavors VALUES ({said})", "INSERT INTO flavor_access VALUES ('1', 'p')")


def test_an_older_database_is_brought_up_to_date_and_loses_nothing(empty_url: str, tmp_path: Path) -> None:
    a_flavor(empty_url)
    old = tables(empty_url)
    prepare(empty_url, (*REVISIONS, NEXT), with_one_more_step(tmp_path))
    assert stamped(empty_url) == [NEXT]
    assert rows(empty_url, "SELECT colour FROM flavors") == ["red"]
    assert rows(empty_url, "SELECT project_id FROM flavor_access") == ["p"], "the rebuilt table took its children with it"
    new = tables(empty_url)
    assert {name for name in old if old[name] != new[name]} == {"flavors"} and set(old) == set(new)
    with pytest.raises(Unavailable, match="newer version"):
        prepare(empty_url)
    do_not = "INSERT INTO flavor_access VALUES ('none', 'p')"
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        do(empty_url, do_not)


@pytest.mark.parametrize("end", ["raise RuntimeError('half way')", "op.execute('SELECT nonsense')"])
def test_a_step_that_fails_changes_nothing(empty_url: str, tmp_path: Path, end: str) -> None:
    a_flavor(empty_url)
    old = tables(empty_url)
    with pytest.raises((RuntimeError, Unavailable)):
        prepare(empty_url, (*REVISIONS, NEXT), with_one_more_step(tmp_path, end))
    assert tables(empty_url) == old and stamped(empty_url) == [REVISIONS[-1]]
    assert rows(empty_url, "SELECT project_id FROM flavor_access") == ["p"]


@pytest.mark.parametrize(
    "url",
    ["mysql://u:secret@nowhere/x", "nonsense", "postgresql+asyncpg://u:secret@nowhere/x", "sqlite:////nowhere/at/all.sqlite"],
)
def test_a_database_that_cannot_be_used_is_one_clear_line(url: str) -> None:
    with pytest.raises(Unavailable) as said:
        prepare(url)
    assert "secret" not in str(said.value) and "nowhere" not in str(said.value)


@pytest.mark.wire
def test_a_postgresql_that_is_not_there_is_one_clear_line(postgres_server: Postgres) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        prepare(postgres_server.url("there_is_none"))
