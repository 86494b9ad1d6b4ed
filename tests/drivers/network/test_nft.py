"""Rulesets reach the kernel whole or not at all, by the library and by the program, in the right namespace."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from kilonova.drivers.network import namespaces, nft
from kilonova.errors import BuildFailed

pytestmark = pytest.mark.root


@pytest.fixture
def place(able: None, cloud: str) -> Iterator[str]:
    """A namespace of this test's own."""
    name = f"nft{cloud}"
    namespaces.create(name)
    yield name
    namespaces.remove(name)


def _tables(place: str) -> str:
    done = subprocess.run(["ip", "netns", "exec", place, "nft", "list", "tables"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("by", ["library", "program"])
async def test_a_ruleset_is_taken_whole_or_not(place: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "program":
        monkeypatch.setattr(nft, "_library", lambda: None)
    elif nft._library() is None:
        pytest.skip("libnftables is not installed")
    await asyncio.to_thread(namespaces.inside, place, lambda: nft.apply("table inet one"))
    assert _tables(place) == "table inet one"
    with pytest.raises(BuildFailed) as error:
        await asyncio.to_thread(namespaces.inside, place, lambda: nft.apply("table inet two\ndelete table inet three\n"))
    assert "three" not in str(error.value)
    assert _tables(place) == "table inet one"
