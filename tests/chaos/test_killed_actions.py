"""Processes that are killed while an action is carried out, undone or noted: it is done, or the server is as it was and says why.

The cases are made from the actions' sagas, so a new action, and a new step, has its cases from its first day.
"""

from collections.abc import Iterator

import pytest

from kilonova.lifecycle.actions import SERVER_ACTIONS
from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.cloud.running import Cloud, Machine, running, wait_for
from tests.story.deeds import DEEDS

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(240)]

LIMIT_S = 60
"""Longer than the half minute after which an order that nobody answered is sent again."""


def _family(name: str, pattern: str, sample: int = 1) -> pytest.MarkDecorator:
    """A row for each of the great actions, and one for the rest."""
    row = name if name in ("stop", "start", "resize", "attach_volume") else "another later action"
    return pytest.mark.family(pattern.format(row.replace("_", " ")), sample=sample)


DEATHS = [
    pytest.param(name, f"compute.{step.name}.{when}", marks=_family(name, "compute killed during {}"))
    for name, action in SERVER_ACTIONS.items()
    for step in action.saga.steps
    for when in ("before", "after")
]
UNDONE = [
    pytest.param(name, fails, f"compute.{step.name}.undone", marks=pytest.mark.family("compute killed in an undo", sample=3))
    for name, action in SERVER_ACTIONS.items()
    for step in action.saga.steps
    if step.undo is not None
    for fails in dict.fromkeys((f"compute.{step.name}.after", f"compute.{action.saga.steps[-1].name}.before"))
]
REPORTS = [
    pytest.param(name, word, when, marks=pytest.mark.family("control killed at the end of an action", sample=2))
    for name in SERVER_ACTIONS
    for word in ("TaskDone", "TaskFailed")
    for when in ("before", "after")
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("killed-actions"), hosts=1, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


def test_every_action_is_killed() -> None:
    """Each of the table has a deed, and each step its two deaths."""
    assert set(DEEDS) == set(SERVER_ACTIONS)
    assert len(DEATHS) == 2 * sum(len(action.saga.steps) for action in SERVER_ACTIONS.values())


@pytest.mark.parametrize(("name", "point"), DEATHS)
def test_compute_is_killed_and_goes_on(cloud: Cloud, proof: Proof, name: str, point: str) -> None:
    server_id = _ready(cloud, name, f"{name}-{point}")
    cloud.want_fault(f"{point}=kill")
    acts.ask(cloud, server_id, name)
    _struck(cloud, proof, point)
    _is_done(cloud, proof, server_id, name)


@pytest.mark.parametrize(("name", "fails", "point"), UNDONE)
def test_compute_is_killed_while_it_takes_back(cloud: Cloud, proof: Proof, name: str, fails: str, point: str) -> None:
    server_id = _ready(cloud, name, f"{name}-{fails}-{point}")
    cloud.want_fault(f"{fails}=raise", f"{point}=kill")
    acts.ask(cloud, server_id, name)
    _struck(cloud, proof, point)
    _is_as_before(cloud, proof, server_id, name)


@pytest.mark.parametrize(("name", "word", "when"), REPORTS)
def test_control_is_killed_at_the_last_word(cloud: Cloud, proof: Proof, name: str, word: str, when: str) -> None:
    server_id = _ready(cloud, name, f"{name}-{word}-{when}")
    point = f"control.{word}.{when}"
    first = f"compute.{SERVER_ACTIONS[name].saga.steps[0].name}.before"
    cloud.want_fault(f"{point}=kill", *([f"{first}=raise"] if word == "TaskFailed" else []))
    acts.ask(cloud, server_id, name)
    _struck(cloud, proof, point)
    if word == "TaskDone":
        _is_done(cloud, proof, server_id, name)
    else:
        _is_as_before(cloud, proof, server_id, name)


def _ready(cloud: Cloud, name: str, label: str) -> str:
    acts.empty(cloud)
    return acts.prepared(cloud, name, label)


def _struck(cloud: Cloud, proof: Proof, point: str) -> None:
    wait_for(lambda: cloud.fired(point), acts.WITHIN_S, point, every_s=0.02)
    proof.fired(point)


def _is_done(cloud: Cloud, proof: Proof, server_id: str, name: str) -> None:
    acts.ended(cloud, server_id)
    proof.promise(cloud, {server_id: (DEEDS[name].status,)})
    acts.as_done(cloud, server_id, DEEDS[name])
    assert not acts.history(cloud, server_id, name)[0]["message"], "nothing went wrong"
    _goes(cloud, proof, server_id)


def _is_as_before(cloud: Cloud, proof: Proof, server_id: str, name: str) -> None:
    acts.ended(cloud, server_id)
    proof.promise(cloud, {server_id: acts.before_states(name)})
    acts.as_before(cloud, server_id, DEEDS[name])
    assert acts.history(cloud, server_id, name)[0]["message"], "it does not say why"
    _goes(cloud, proof, server_id)


def _goes(cloud: Cloud, proof: Proof, server_id: str) -> None:
    proof.nothing_stays(cloud, [server_id])
    acts.rid_of_volumes(cloud)
