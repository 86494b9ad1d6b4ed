"""Which cases run, and their `proof`. ``KILONOVA_CHAOS=all`` runs every one; otherwise a sample of each family does.

A test says its family, the row of docs/reliability.md that it counts for: ``@pytest.mark.family("compute killed during a build",
sample=3)``; `sample` is how many of the family's cases run every time, spread evenly over them.
"""

import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.chaos.proof import Proof

SAMPLE = 3


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("KILONOVA_CHAOS") == "all" or config.option.keyword or any("::" in arg for arg in config.args):
        return
    families: dict[str, list[pytest.Item]] = {}
    for item in items:
        if (mark := item.get_closest_marker("family")) is not None:
            families.setdefault(mark.args[0], []).append(item)
    chosen = {id(item) for members in families.values() for item in _spread(members)}
    left_out = [item for item in items if item.get_closest_marker("family") and id(item) not in chosen]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _spread(members: list[pytest.Item]) -> list[pytest.Item]:
    mark = members[0].get_closest_marker("family")
    wanted = mark.kwargs.get("sample", SAMPLE) if mark else SAMPLE
    step = len(members) / wanted if wanted else 0
    return members if wanted >= len(members) else [members[int(number * step)] for number in range(wanted)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[_passed] = report.passed
    return report


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Iterator[Proof]:
    """Written down however the test ends; one whose fault was never seen has proved nothing."""
    mark = request.node.get_closest_marker("family")
    assert mark is not None, "the test does not say which family it belongs to"
    found = Proof(mark.args[0], request.node.name)
    yield found
    kept = request.node.stash.get(_passed, False) and bool(found.places)
    found.write_down(kept)
    assert found.places or not request.node.stash.get(_passed, False), "the fault did not fire"


_passed: pytest.StashKey[bool] = pytest.StashKey()
