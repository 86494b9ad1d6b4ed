"""The identity book on SQLite and on PostgreSQL: its rules, its lists, and what two do at once."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from kilonova.errors import BadRequest, Conflict, Forbidden, NotFound
from kilonova.ledger.engine import open_engine
from kilonova.ledger.identity import Identity
from kilonova.ledger.ledger import PostgresLedger
from kilonova.ledger.schema import metadata
from kilonova.model.identity import Assignment, CatalogService, Domain, Endpoint, Group, Project, Region, Role, User
from kilonova.model.page import EVERYTHING, Condition, Order, Page

TABLES = [table for name, table in metadata.tables.items() if name.startswith("identity_")]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.wire)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    metadata.drop_all(engine, tables=TABLES)
    metadata.create_all(engine, tables=TABLES)
    yield engine
    engine.dispose()


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """SQLite is in autocommit here, as in the writer, which begins by hand."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.exec_driver_sql("COMMIT")
        else:
            yield connection
            connection.commit()


@pytest.fixture
def book(engine: Engine) -> Iterator[Identity]:
    with transaction(engine) as connection:
        identity = Identity(connection)
        identity.domains.add(Domain(id="default", name="Default"))
        yield identity


def project(name: str, parent: str = "default", domain: str = "default") -> Project:
    return Project(id=f"p-{name}", name=name, domain_id=domain, parent_id=parent)


def user(name: str, domain: str = "default") -> User:
    return User(id=f"u-{name}", name=name, domain_id=domain)


def test_every_record_comes_back_as_it_went_in(book: Identity) -> None:
    extra: dict[str, Any] = {"shoe": 38, "nested": {"list": [1, 2.5, None, "ü"]}}
    records: list[tuple[Any, Any]] = [
        (book.domains, Domain(id="d", name="north", description="cold", enabled=False, extra=extra, tokens_from=1.5)),
        (book.projects, Project(id="p", name="blue", domain_id="default", parent_id="default", tags=("a", "b"), extra=extra)),
        (book.users, User(id="u", name="ann", domain_id="default", email="a@b", password_hash="x", options={"a": True})),
        (book.groups, Group(id="g", name="crew", domain_id="default", extra=extra)),
        (book.roles, Role(id="r", name="auditor", description="looks", extra=extra)),
        (book.regions, Region(id="west", extra=extra)),
        (book.services, CatalogService(id="s", type="dns", extra=extra)),
        (book.endpoints, Endpoint(id="e", service_id="s", interface="public", url="http://x", extra=extra)),
    ]
    for shelf, record in records:
        assert shelf.add(record) == record
        assert shelf.get(record.id) == record
        assert record in shelf.find((), EVERYTHING)
        shelf.remove(record.id)
        with pytest.raises(NotFound):
            shelf.get(record.id)
        with pytest.raises(NotFound):
            shelf.remove(record.id)
        with pytest.raises(NotFound):
            shelf.change(record.id, {"extra": {}})


def test_names_are_unique_where_they_must_be(book: Identity) -> None:
    book.domains.add(Domain(id="other", name="other"))
    book.projects.add(project("blue"))
    book.users.add(user("ann"))
    book.projects.add(Project(id="p2", name="blue", domain_id="other", parent_id="other"))
    book.users.add(User(id="u2", name="ann", domain_id="other"))
    twins: list[tuple[Any, Any]] = [
        (book.projects, Project(id="p3", name="blue", domain_id="default", parent_id="default")),
        (book.users, User(id="u3", name="ann", domain_id="default")),
        (book.domains, Domain(id="d3", name="other")),
    ]
    for shelf, twin in twins:
        with pytest.raises(Conflict, match="Conflict occurred attempting to store"):
            shelf.add(twin)
    with pytest.raises(NotFound, match="Could not find domain: none"):
        book.users.add(user("bert", "none"))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_hold_each_once_in_order(book: Identity, descending: bool, limit: int) -> None:
    for number in range(7):
        book.users.add(User(id=f"u{number}", name=f"n{number}", domain_id="default", description=f"same-{number % 2}"))
    order = (Order("description", descending), Order("name", not descending))
    seen: list[User] = []
    marker = None
    while found := book.users.find((), Page(limit=limit, marker=marker, order=order)):
        seen += found
        marker = found[-1].id
    everyone = book.users.find((), EVERYTHING)
    wanted = sorted(
        sorted(everyone, key=lambda u: u.name, reverse=not descending), key=lambda u: u.description, reverse=descending
    )
    assert seen == wanted
    with pytest.raises(BadRequest, match="Marker nobody could not be found"):
        book.users.find((), Page(marker="nobody"))


def test_conditions(book: Identity) -> None:
    for name in ("Anna", "annie", "50%_off", "bert"):
        book.users.add(User(id=name, name=name, domain_id="default", enabled=name != "bert"))

    def names(*conditions: Condition) -> list[str]:
        return sorted(found.name for found in book.users.find(conditions, EVERYTHING))

    assert names(Condition("name", "ann", "starts")) == ["Anna", "annie"]
    assert names(Condition("name", "NN", "contains")) == ["Anna", "annie"]
    assert names(Condition("name", "%_", "contains")) == ["50%_off"]
    assert names(Condition("name", "off", "ends"), Condition("enabled", True)) == ["50%_off"]
    assert names(Condition("enabled", False)) == ["bert"]
    assert names(Condition("name", ("bert", "annie"), "in")) == ["annie", "bert"]
    assert names(Condition("name", (), "in")) == []


def test_roles_reach_down_and_through_groups(book: Identity) -> None:
    for name in ("admin", "member", "reader"):
        book.roles.add(Role(id=name, name=name))
    book.roles.imply("admin", "member")
    book.roles.imply("member", "reader")
    book.roles.imply("reader", "member")  # a circle must not hang
    book.projects.add(project("top"))
    book.projects.add(project("leaf", "p-top"))
    book.users.add(user("ann"))
    book.groups.add(Group(id="crew", name="crew", domain_id="default"))
    book.groups.add_member("crew", "u-ann")

    def roles(target: str, target_id: str) -> list[str]:
        return [role.name for role in book.assignments.effective("u-ann", target, target_id)]

    assert roles("project", "p-leaf") == []
    inherited = Assignment(actor="group", actor_id="crew", target="project", target_id="p-top", role_id="member", inherited=True)
    book.assignments.grant(inherited)
    book.assignments.grant(inherited)
    assert roles("project", "p-leaf") == ["member", "reader"]
    assert roles("project", "p-top") == []
    assert book.assignments.targets("u-ann", "project") == ["p-leaf"]
    direct = Assignment(actor="user", actor_id="u-ann", target="project", target_id="p-top", role_id="admin")
    book.assignments.grant(direct)
    assert roles("project", "p-top") == ["admin", "member", "reader"]
    assert book.assignments.targets("u-ann", "project") == ["p-leaf", "p-top"]
    book.groups.remove("crew")
    assert roles("project", "p-leaf") == []
    with pytest.raises(NotFound):
        book.assignments.withdraw(inherited)
    with pytest.raises(NotFound):
        book.assignments.effective("u-ann", "project", "p-none")


def test_a_domain_takes_everything_with_it_but_only_when_disabled(book: Identity) -> None:
    book.domains.add(Domain(id="north", name="north"))
    book.projects.add(project("blue", "north", "north"))
    book.users.add(user("ann", "north"))
    book.groups.add(Group(id="crew", name="crew", domain_id="north"))
    book.groups.add_member("crew", "u-ann")
    book.roles.add(Role(id="member", name="member"))
    for actor, actor_id in (("user", "u-ann"), ("group", "crew")):
        for target, target_id in (("project", "p-blue"), ("domain", "north"), ("system", "all")):
            book.assignments.grant(
                Assignment(actor=actor, actor_id=actor_id, target=target, target_id=target_id, role_id="member")
            )
    with pytest.raises(Forbidden):
        book.domains.remove("north")
    book.domains.change("north", {"enabled": False})
    book.domains.remove("north")
    assert book.assignments.find(()) == []
    assert book.projects.find((), EVERYTHING) == [] and book.users.find((), EVERYTHING) == []
    with pytest.raises(Forbidden):
        book.domains.remove("default")


def test_revocations_are_kept_as_long_as_the_token_lives(book: Identity) -> None:
    book.revocations.add("one", 100.0)
    book.revocations.add("one", 100.0)
    book.revocations.add("two", 200.0)
    book.revocations.forget_expired(150.0)
    assert not book.revocations.has("one")
    assert book.revocations.has("two")


def test_every_change_counts_and_a_look_does_not(book: Identity) -> None:
    """What is remembered of tokens hangs on it, in every control process."""
    for name in ("member", "reader"):
        book.roles.add(Role(id=name, name=name))
    book.users.add(user("ann"))
    book.projects.add(project("blue"))
    book.groups.add(Group(id="crew", name="crew", domain_id="default"))
    role = Assignment(actor="user", actor_id="u-ann", target="project", target_id="p-blue", role_id="member")
    changes: list[Any] = [
        lambda: book.users.change("u-ann", {"enabled": False}),
        lambda: book.assignments.grant(role),
        lambda: book.groups.add_member("crew", "u-ann"),
        lambda: book.groups.remove_member("crew", "u-ann"),
        lambda: book.roles.imply("member", "reader"),
        lambda: book.roles.stop_implying("member", "reader"),
        lambda: book.assignments.withdraw(role),
        lambda: book.revocations.add("x", 1.0),
        lambda: book.projects.remove("p-blue"),
        lambda: book.users.remove("u-ann"),
    ]
    for change in changes:
        before = book.epoch()
        assert book.epoch() == before
        change()
        assert book.epoch() == before + 1


@pytest.mark.wire
async def test_two_who_take_one_name_at_once(postgres_url: str) -> None:
    """The loser of the race is told so, whichever way the database noticed."""
    engine = open_engine(postgres_url)
    metadata.drop_all(engine, tables=TABLES)
    metadata.create_all(engine, tables=TABLES)
    engine.dispose()
    ledger = PostgresLedger(postgres_url, threads=4)
    together = threading.Barrier(2)
    tries: list[str] = []

    def take(identifier: str) -> Any:
        def change(books: Any) -> None:
            books.identity.roles.find((), EVERYTHING)
            tries.append(identifier)
            if tries.count(identifier) == 1:
                together.wait(20)
            books.identity.roles.add(Role(id=identifier, name="auditor"))

        return ledger.write(change)

    outcomes = await asyncio.gather(take("a"), take("b"), return_exceptions=True)
    await ledger.close()
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict]
    assert len(tries) > 2
