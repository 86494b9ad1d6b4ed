"""Processes that are killed while a volume is worked on: the work is done, or the volume says that it failed and why.

The cases are made from the sagas of the work on volumes, so a new kind of work, and a new step, has its cases from its first day.
"""

from collections.abc import Iterator

import pytest

from kilonova.lifecycle.volume_sagas import WORKS
from tests.chaos import acts
from tests.chaos.acts import VOLUME_ACTS
from tests.chaos.proof import Proof
from tests.cloud.running import Cloud, Machine, running, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(240)]

LIMIT_S = 60

DEATHS = [
    pytest.param(work, f"volume.{step.name}.{when}", marks=pytest.mark.family("volume killed during its work", sample=3))
    for work, saga in WORKS.items()
    for step in saga.steps
    for when in ("before", "after")
]
UNDONE = [
    pytest.param(work, fails, f"volume.{step.name}.undone", marks=pytest.mark.family("volume killed in an undo", sample=1))
    for work, saga in WORKS.items()
    for step in saga.steps
    if step.undo is not None
    for fails in dict.fromkeys((f"volume.{step.name}.after", f"volume.{saga.steps[-1].name}.after"))
]
REPORTS = [
    pytest.param(work, end, when, marks=pytest.mark.family("control killed at the end of work on a volume", sample=1))
    for work in WORKS
    for end in ("done", "failed")
    for when in ("before", "after")
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("killed-volumes"), hosts=1, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


def test_every_work_is_killed() -> None:
    """Each of the table can be asked for, and each step has its two deaths."""
    assert set(VOLUME_ACTS) == set(WORKS)
    assert len(DEATHS) == 2 * sum(len(saga.steps) for saga in WORKS.values())


@pytest.mark.parametrize(("work", "point"), DEATHS)
def test_volume_is_killed_and_goes_on(cloud: Cloud, proof: Proof, work: str, point: str) -> None:
    volume_id = _ordered(cloud, work, f"{point}=kill")
    _struck(cloud, proof, point)
    _ends(cloud, proof, volume_id, work, VOLUME_ACTS[work].ends)


@pytest.mark.parametrize(("work", "fails", "point"), UNDONE)
def test_volume_is_killed_while_it_takes_back(cloud: Cloud, proof: Proof, work: str, fails: str, point: str) -> None:
    volume_id = _ordered(cloud, work, f"{fails}=raise", f"{point}=kill")
    _struck(cloud, proof, point)
    _ends(cloud, proof, volume_id, work, VOLUME_ACTS[work].failed)


@pytest.mark.parametrize(("work", "end", "when"), REPORTS)
def test_control_is_killed_at_the_last_word(cloud: Cloud, proof: Proof, work: str, end: str, when: str) -> None:
    point = f"control.VolumeWorkDone.{when}"
    first = f"volume.{WORKS[work].steps[0].name}.before"
    volume_id = _ordered(cloud, work, f"{point}=kill", *([f"{first}=raise"] if end == "failed" else []))
    _struck(cloud, proof, point)
    _ends(cloud, proof, volume_id, work, VOLUME_ACTS[work].failed if end == "failed" else VOLUME_ACTS[work].ends)


def _ordered(cloud: Cloud, work: str, *faults: str) -> str:
    """The id of a volume for which the work is under way, with these faults for it."""
    acts.empty(cloud)
    act = VOLUME_ACTS[work]
    if work == "create":
        cloud.want_fault(*faults)
        return acts.new_volume(cloud)
    volume_id = acts.blank_volume(cloud)
    if act.snapshot:
        acts.new_snapshot(cloud, volume_id)
        wait_for(lambda: acts.snapshot_status(cloud, volume_id) == "available", acts.WITHIN_S, "the snapshot")
    cloud.want_fault(*faults)
    act.ask(cloud, volume_id)
    return volume_id


def _struck(cloud: Cloud, proof: Proof, point: str) -> None:
    wait_for(lambda: cloud.fired(point), acts.WITHIN_S, point, every_s=0.02)
    proof.fired(point)


def _ends(cloud: Cloud, proof: Proof, volume_id: str, work: str, wanted: str) -> None:
    act = VOLUME_ACTS[work]
    acts.ended(cloud, volume_id)
    proof.recovered()
    found = acts.snapshot_status(cloud, volume_id) if act.on_snapshot else acts.status(cloud, volume_id)
    assert found == wanted
    if act.on_snapshot:
        assert acts.status(cloud, volume_id) == "available", "the volume itself is as it was"
    if found.startswith("error"):
        assert acts.told(cloud, volume_id), "nobody says why"
    images = [image["status"] for image in cloud.api.send("GET", "/image/v2/images?name=of%20a%20volume")["images"]]
    assert set(images) <= {"active"}, "an image that waits for bytes in vain"
    proof.promise(cloud, {})
    for image in cloud.api.send("GET", "/image/v2/images?name=of%20a%20volume")["images"]:
        cloud.api.send("DELETE", f"/image/v2/images/{image['id']}")
    acts.rid_of_volumes(cloud)
    proof.nothing_stays(cloud, [])
