"""A compute role that fails or is killed at every step of a build and of a removal: the server ends well, and nothing stays.

The cases are generated from the sagas, so a new step is tested from its first day. One cloud stands for all of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kilonova.build import CARRY_OUT
from kilonova.lifecycle.remove import REMOVE
from tests.cloud.running import Cloud, Machine, remembered, running

pytestmark = [pytest.mark.cloud, pytest.mark.wire]

LIMIT_S = 60
STEPS = [step.name for step in CARRY_OUT.steps]
DEATHS = [f"compute.{step}.{when}" for step in STEPS for when in ("before", "after")]
REMOVAL_DEATHS = [f"compute.{step.name}.{when}" for step in REMOVE.steps for when in ("before", "after")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("compute-dies"), hosts=2, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of one host: what fails there can be built nowhere else."""
    with running(tmp_path_factory.mktemp("no-other-host"), hosts=1, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud


@pytest.mark.parametrize("point", DEATHS)
def test_killed_during_a_build_it_goes_on_with_it(cloud: Cloud, point: str) -> None:
    cloud.want_fault(f"{point}=kill")
    server_id = cloud.api.build(f"killed-{point}")
    server = cloud.api.settled(server_id, LIMIT_S)
    assert cloud.fired(point)
    assert server["status"] == "ACTIVE", server
    guests = [memory.name for memory, words in _guests(cloud) if server_id in words]
    assert len(guests) == 1, "exactly one guest"
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()


@pytest.mark.parametrize("point", REMOVAL_DEATHS)
def test_killed_during_a_removal_it_goes_on_with_it(cloud: Cloud, point: str) -> None:
    cloud.want_fault()
    server_id = cloud.api.build(f"removed-{point}")
    assert cloud.api.settled(server_id, LIMIT_S)["status"] == "ACTIVE"
    cloud.want_fault(f"{point}=kill")
    cloud.api.delete(server_id)
    assert cloud.fired(point)
    cloud.assert_nothing_held()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_tried_on_another_host(cloud: Cloud, step: str, when: str) -> None:
    point = f"compute.{step}.{when}"
    cloud.want_fault(f"{point}=raise")
    server_id = cloud.api.build(f"elsewhere-{point}")
    server = cloud.api.settled(server_id, LIMIT_S)
    assert cloud.fired(point)
    assert server["status"] == "ACTIVE", server
    assert [len(words) for _, words in _guests(cloud) if words] == [1], "the first host has given everything back"
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_with_no_other_host_is_an_error_with_a_reason(single: Cloud, step: str, when: str) -> None:
    point = f"compute.{step}.{when}"
    single.want_fault(f"{point}=raise")
    server_id = single.api.build(f"failed-{point}")
    server = single.api.settled(server_id, LIMIT_S)
    assert single.fired(point)
    assert server["status"] == "ERROR"
    assert "A fault was injected" in server["fault"]["message"]
    held = single.holds()
    assert set(held) == {"servers"}, "the server stays and says why; all else is given back"
    single.api.delete(server_id)
    single.assert_nothing_held()


def _guests(cloud: Cloud) -> list[tuple[Path, list[str]]]:
    return [(memory, remembered(memory)) for memory in cloud.data.glob("nodes/*/sim-*.guests")]
