"""Processes that are killed while an action is carried out, undone or noted: it is done, or the server is as it was and says why.

The cases are made from the actions' sagas, so a new action, and a new step, has its cases from its first day.
"""

from collections.abc import Iterator

import pytest

from kilonova.lifecycle.actions import SERVER_ACTIONS
from tests.chaos import acts
from tests.chaos.killing import Clouds, around, strikes
from tests.chaos.proof import Proof
from tests.cloud.books import BOOKS, POSTGRESQL, SQLITE
from tests.cloud.running import Cloud
from tests.story.deeds import DEEDS

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(240)]

GREAT = ("stop", "start", "resize", "attach_volume")
"""These on PostgreSQL too, and each in a row of its own."""


def _family(name: str, books: str = SQLITE) -> pytest.MarkDecorator:
    row = name.replace("_", " ") if name in GREAT else "another later action"
    if books == POSTGRESQL:
        return pytest.mark.family("compute or control killed during a later action, PostgreSQL", sample=2)
    return pytest.mark.family(f"compute killed during {row}", sample=1)


DEATHS = [
    pytest.param(books, name, f"compute.{step.name}.{when}", marks=_family(name, books))
    for books in BOOKS
    for name, action in SERVER_ACTIONS.items()
    if books == SQLITE or name in GREAT
    for step in action.saga.steps
    for when in ("before", "after")
]
TRANSACTIONS = [
    pytest.param(books, name, point, marks=pytest.mark.family("control killed in a transaction of an action", sample=1))
    if books == SQLITE
    else pytest.param(books, name, point, marks=_family(name, books))
    for books in BOOKS
    for name in GREAT
    for point in around("control.write.Desk.act", "control.relay", "control.write.ControlNode.take_reports")
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
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with Clouds(tmp_path_factory.mktemp("killed-actions")) as clouds:
        yield clouds


def test_every_action_is_killed() -> None:
    """Each of the table has a deed, and each step its two deaths."""
    assert set(DEEDS) == set(SERVER_ACTIONS)
    steps = {name: len(action.saga.steps) for name, action in SERVER_ACTIONS.items()}
    assert len(DEATHS) == 2 * sum(steps.values()) + 2 * sum(steps[name] for name in GREAT)


@pytest.mark.parametrize(("books", "name", "point"), DEATHS)
def test_compute_is_killed_and_goes_on(clouds: Clouds, proof: Proof, books: str, name: str, point: str) -> None:
    _is_killed_and_goes_on(clouds[books], proof, name, point)


@pytest.mark.parametrize(("books", "name", "point"), TRANSACTIONS)
def test_control_is_killed_in_a_transaction(clouds: Clouds, proof: Proof, books: str, name: str, point: str) -> None:
    _is_killed_and_goes_on(clouds[books], proof, name, point)


@pytest.mark.parametrize(("name", "fails", "point"), UNDONE)
def test_compute_is_killed_while_it_takes_back(clouds: Clouds, proof: Proof, name: str, fails: str, point: str) -> None:
    cloud = clouds[SQLITE]
    server_id = _ready(cloud, name, f"{name}-{fails}-{point}")
    asked = acts.request(cloud, server_id, name)
    cloud.want_fault(f"{fails}=raise", f"{point}=kill")
    acts.ask(cloud, server_id, asked)
    strikes(cloud, proof, point)
    _is_as_before(cloud, proof, server_id, name)


@pytest.mark.parametrize(("name", "word", "when"), REPORTS)
def test_control_is_killed_at_the_last_word(clouds: Clouds, proof: Proof, name: str, word: str, when: str) -> None:
    cloud = clouds[SQLITE]
    server_id = _ready(cloud, name, f"{name}-{word}-{when}")
    point = f"control.{word}.{when}"
    first = f"compute.{SERVER_ACTIONS[name].saga.steps[0].name}.before"
    asked = acts.request(cloud, server_id, name)
    cloud.want_fault(f"{point}=kill", *([f"{first}=raise"] if word == "TaskFailed" else []))
    acts.ask(cloud, server_id, asked)
    strikes(cloud, proof, point)
    if word == "TaskDone":
        _is_done(cloud, proof, server_id, name)
    else:
        _is_as_before(cloud, proof, server_id, name)


def _is_killed_and_goes_on(cloud: Cloud, proof: Proof, name: str, point: str) -> None:
    server_id = _ready(cloud, name, f"{name}-{point}")
    asked = acts.request(cloud, server_id, name)
    cloud.want_fault(f"{point}=kill")
    acts.ask(cloud, server_id, asked)
    strikes(cloud, proof, point)
    _is_done(cloud, proof, server_id, name)


def _ready(cloud: Cloud, name: str, label: str) -> str:
    acts.empty(cloud)
    return acts.prepared(cloud, name, label)


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
