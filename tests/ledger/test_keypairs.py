"""The book of key pairs, on both databases."""

import pytest
from sqlalchemy import Connection

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.keypairs import Keypairs
from kilonova.model.keypair import Keypair
from tests.ledger.both import connection as connection


def pair(name: str, user: str = "alice") -> Keypair:
    return Keypair(
        id=0, user_id=user, name=name, type="ssh", public_key=f"ssh-ed25519 {name}", fingerprint="00:11", created_at=1.0
    )


@pytest.fixture
def book(connection: Connection) -> Keypairs:
    book = Keypairs(connection)
    for name in ("b", "a", "c"):
        book.create(pair(name))
    return book


def test_create_gives_an_id_and_get_gives_it_back(book: Keypairs) -> None:
    made = book.create(pair("d"))
    assert made.id > 0
    assert book.get("alice", "d") == made


def test_names_are_a_users_own(book: Keypairs) -> None:
    with pytest.raises(Conflict):
        book.create(pair("a"))
    assert book.create(pair("a", "bob")).user_id == "bob"
    assert (book.count("alice"), book.count("bob"), book.count("eve")) == (3, 1, 0)


def test_pages(book: Keypairs) -> None:
    assert [one.name for one in book.find("alice")] == ["a", "b", "c"]
    assert [one.name for one in book.find("alice", marker="a", limit=1)] == ["b"]
    assert book.find("bob") == []
    with pytest.raises(BadRequest):
        book.find("alice", marker="z")


def test_delete(book: Keypairs) -> None:
    book.delete("alice", "a")
    with pytest.raises(NotFound):
        book.delete("alice", "a")
    with pytest.raises(NotFound):
        book.get("alice", "a")
