"""The book of flavors, on both databases."""

import pytest
from sqlalchemy import Connection

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.flavors import Flavors
from kilonova.model.caller import Caller
from kilonova.model.flavor import Flavor
from kilonova.model.flavor_filter import FlavorFilter
from kilonova.model.ids import FlavorId
from tests.ledger.both import connection as connection

MEMBER = Caller(user_id="u", user_name="u", project_id="p1", roles=frozenset({"member", "reader"}))
ADMIN = Caller(user_id="a", user_name="a", project_id="p0", roles=frozenset({"admin", "member", "reader"}))


def flavor(name: str, ram: int = 512, *, public: bool = True) -> Flavor:
    return Flavor(id=FlavorId(name), name=f"m1.{name}", vcpus=1, ram_mb=ram, disk_gb=1, is_public=public, extra_specs={"k": "v"})


@pytest.fixture
def book(connection: Connection) -> Flavors:
    book = Flavors(connection)
    for name, ram in (("c", 1024), ("a", 2048), ("b", 1024)):
        book.create(flavor(name, ram), 1.0)
    return book


def test_get_gives_back_what_was_created(book: Flavors) -> None:
    assert book.get("a", MEMBER) == flavor("a", 2048)
    with pytest.raises(NotFound):
        book.get("z", MEMBER)


def test_ids_and_names_are_taken_once(book: Flavors) -> None:
    for again in (flavor("a"), Flavor(id=FlavorId("z"), name="m1.a", vcpus=1, ram_mb=1, disk_gb=1)):
        with pytest.raises(Conflict):
            book.create(again, 1.0)


def test_a_private_one_needs_access(book: Flavors) -> None:
    book.create(flavor("secret", public=False), 1.0)
    with pytest.raises(NotFound):
        book.get("secret", MEMBER)
    assert book.get("secret", ADMIN).id == "secret"
    book.give_access("secret", "p1")
    with pytest.raises(Conflict):
        book.give_access("secret", "p1")
    assert book.get("secret", MEMBER).id == "secret"
    assert list(book.projects("secret")) == ["p1"]
    assert "secret" in [found.id for found in book.find(FlavorFilter(accessible_to="p1"))]
    assert "secret" not in [found.id for found in book.find(FlavorFilter(accessible_to="p2"))]
    book.take_access("secret", "p1")
    with pytest.raises(NotFound):
        book.take_access("secret", "p1")
    book.give_access("secret", "p1")
    book.delete("secret")
    assert list(book.projects("secret")) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (FlavorFilter(), "abc"),
        (FlavorFilter(descending=True), "cba"),
        (FlavorFilter(sort_key="ram_mb"), "bca"),
        (FlavorFilter(sort_key="ram_mb", marker="b"), "ca"),
        (FlavorFilter(sort_key="ram_mb", descending=True, marker="a"), "cb"),
        (FlavorFilter(limit=2), "ab"),
        (FlavorFilter(marker="a", limit=1), "b"),
        (FlavorFilter(min_ram_mb=1025), "a"),
        (FlavorFilter(min_disk_gb=2), ""),
        (FlavorFilter(is_public=False), ""),
    ],
)
def test_find(book: Flavors, wanted: FlavorFilter, found: str) -> None:
    assert "".join(one.id for one in book.find(wanted)) == found


def test_an_unknown_marker(book: Flavors) -> None:
    with pytest.raises(BadRequest):
        book.find(FlavorFilter(marker="z"))


def test_changes(book: Flavors) -> None:
    book.describe("a", "large")
    book.set_extra_specs("a", {"x": "y"})
    changed = book.get("a", MEMBER)
    assert (changed.description, changed.extra_specs) == ("large", {"x": "y"})
    book.delete("a")
    with pytest.raises(NotFound):
        book.describe("a", None)
    with pytest.raises(NotFound):
        book.set_extra_specs("a", {})
    with pytest.raises(NotFound):
        book.delete("a")
