"""Host names out of server names: always one RFC 1123 allows, and Nova's where Nova's is known."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilonova.model.hostname import hostname_for

GOOD = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
ID = "2d4b9e0a-5d0f-4f7e-8a94-0d8f6f3b9a11"


@given(st.text(max_size=255))
def test_every_name_gives_a_host_name(name: str) -> None:
    assert GOOD.match(hostname_for(name, ID)), hostname_for(name, ID)


@pytest.mark.parametrize(
    ("name", "host_name"),
    [
        ("web", "web"),
        ("Web Server_1", "web-server-1"),
        ("db.example.com", "db-example-com"),
        ("--odd--", "odd"),
        ("Zürich", "zurich"),
        ("x" * 100, "x" * 63),
        ("東京", f"server-{ID}"),
        ("...", f"server-{ID}"),
    ],
)
def test_as_nova_does(name: str, host_name: str) -> None:
    assert hostname_for(name, ID) == host_name
