"""A step waits for another part of the cloud, and that part dies: for a moment, or for longer than anybody waits for it.

The cases are made from the sagas: every step, and every undo, that sends a message and waits for its answer.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kilonova.lifecycle.actions import SERVER_ACTIONS
from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.chaos.waits import SAGAS, Wait, backward, forward
from tests.cloud.running import Cloud, Machine, running, wait_for
from tests.story.deeds import DEEDS

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.timeout(300),
    pytest.mark.family("the other party dies at a wait", sample=3),
]
LONG = pytest.mark.family("the other party is away for longer than the wait", sample=2)
BUILD_LIMIT_S = 100
NETWORK_LIMIT_S = 2
PULLED_OUT = ("detach_interface", "detach_volume")


def _named(wait: Wait) -> str:
    return f"{wait.saga}-{wait.step}-{wait.message}"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("killed-waits"), hosts=1, faults="file", build_limit_s=BUILD_LIMIT_S) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud in which nobody waits long."""
    limits = {"build_limit_s": BUILD_LIMIT_S, "network_limit_s": NETWORK_LIMIT_S}
    with running(tmp_path_factory.mktemp("killed-for-long"), hosts=1, faults="file", **limits) as cloud:
        yield cloud


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("wait", forward(), ids=_named)
def test_the_other_party_is_killed_and_back_soon(cloud: Cloud, proof: Proof, wait: Wait, when: str) -> None:
    server_id = _waiting(cloud, wait, when)
    proof.fired(f"{wait.role} at {wait.point}.{when}, during {wait.saga}.{wait.step}")
    cloud.kill(wait.role)
    _ends_well(cloud, proof, server_id, wait.saga)


@pytest.mark.parametrize("wait", backward(), ids=_named)
def test_the_other_party_is_killed_while_something_is_undone(cloud: Cloud, proof: Proof, wait: Wait) -> None:
    server_id = _undoing(cloud, wait)
    proof.fired(f"{wait.role} at {wait.point}.before, during the undo of {wait.saga}.{wait.step}")
    cloud.kill(wait.role)
    _ends_as_before(cloud, proof, server_id, wait.saga)


@LONG
@pytest.mark.parametrize("wait", forward(), ids=_named)
def test_the_other_party_is_away_for_long(hasty: Cloud, proof: Proof, wait: Wait) -> None:
    server_id = _waiting(hasty, wait, "before")
    proof.fired(f"{wait.role} at {wait.point}.before, during {wait.saga}.{wait.step}, and it stays away")
    with _away(hasty, wait.role):
        if wait.saga == "remove":  # its owner has let go: it goes on until it is done
            wait_for(lambda: _said(hasty, "remove_again"), 60, "the removal to be begun anew")
            assert hasty.api.server(server_id)["OS-EXT-STS:task_state"] == "deleting"
        else:
            _over(hasty, server_id, wait.saga)
    if wait.saga == "remove":
        _ends_well(hasty, proof, server_id, wait.saga)
    else:
        _ends_as_told(hasty, proof, server_id, wait.saga)


@LONG
@pytest.mark.parametrize("wait", backward(), ids=_named)
def test_the_other_party_is_away_while_something_is_undone(hasty: Cloud, proof: Proof, wait: Wait) -> None:
    server_id = _undoing(hasty, wait)
    proof.fired(f"{wait.role} at {wait.point}.before, during the undo of {wait.saga}.{wait.step}, and it stays away")
    with _away(hasty, wait.role):
        _over(hasty, server_id, wait.saga)
    _ends_as_told(hasty, proof, server_id, wait.saga)


def _waiting(cloud: Cloud, wait: Wait, when: str) -> str:
    """A server for which exactly this step waits for an answer, while the other party hangs."""
    return _struck(cloud, wait, (f"compute.{wait.step}.before", "hang:1"), (f"{wait.point}.{when}=hang:60",))


def _undoing(cloud: Cloud, wait: Wait) -> str:
    """The same for an undo: the saga fails at its very end, and goes back."""
    *_, late, last = SAGAS[wait.saga].steps
    fails = f"compute.{last.name}.before=raise"
    return _struck(cloud, wait, (f"compute.{late.name}.after", "hang:1"), (fails, f"{wait.point}.before=hang:60"))


def _struck(cloud: Cloud, wait: Wait, pause: tuple[str, str], then: tuple[str, ...]) -> str:
    acts.empty(cloud)
    begin = _scene(cloud, wait)
    cloud.want_fault("=".join(pause))
    server_id = begin()
    wait_for(lambda: cloud.fired(pause[0]), acts.WITHIN_S, pause[0], every_s=0.02)
    cloud.want_fault(*then)
    point = then[-1].partition("=")[0]
    wait_for(lambda: cloud.fired(point), acts.WITHIN_S, point, every_s=0.02)
    return server_id


def _scene(cloud: Cloud, wait: Wait) -> Callable[[], str]:
    """What begins the saga, and gives the server's id; everything it needs is there."""
    label = f"{_named(wait)}-{os.urandom(3).hex()}"
    more = acts.with_volume(cloud) if wait.of_volumes else {}
    if wait.saga == "build":
        return lambda: cloud.api.build(label, **more)
    if wait.saga == "remove":
        server_id = cloud.api.build(label, **more)
        assert cloud.api.settled(server_id, acts.WITHIN_S)["status"] == "ACTIVE"

        def remove() -> str:
            status, answer = cloud.api.surely("DELETE", f"{acts.SERVERS}/{server_id}")
            assert status == 204, answer
            return server_id

        return remove
    server_id = acts.prepared(cloud, wait.saga, label, **more)

    def act() -> str:
        acts.ask(cloud, server_id, acts.request(cloud, server_id, wait.saga))
        return server_id

    return act


@contextmanager
def _away(cloud: Cloud, role: str) -> Iterator[None]:
    """Killed, and what the supervisor starts in its place stands still before it can do anything."""
    cloud.kill(role)
    pid = cloud.pid(role)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _over(cloud: Cloud, server_id: str, saga: str) -> None:
    """The wait has ended by its limit, and so has what waited; what is left to take back goes on."""
    if saga == "build":
        wait_for(lambda: cloud.api.server(server_id)["status"] == "ERROR", acts.WITHIN_S, "the end of the build")
    else:
        acts.done_or_told(cloud, server_id, saga)


def _ends_well(cloud: Cloud, proof: Proof, server_id: str, saga: str) -> None:
    if saga in SERVER_ACTIONS:
        acts.ended(cloud, server_id)
    status = {"build": "ACTIVE", "remove": "GONE"}.get(saga) or DEEDS[saga].status
    proof.promise(cloud, {server_id: (status,)})
    if saga in SERVER_ACTIONS:
        acts.as_done(cloud, server_id, DEEDS[saga])
    _goes(cloud, proof, server_id)


def _ends_as_told(cloud: Cloud, proof: Proof, server_id: str, saga: str) -> None:
    """It has failed, so all is as before; but what could neither go nor be put back, while nobody answered, has gone since."""
    if saga not in PULLED_OUT:
        _ends_as_before(cloud, proof, server_id, saga)
        return
    acts.ended(cloud, server_id)
    proof.promise(cloud, {server_id: acts.before_states(saga)})
    acts.as_done(cloud, server_id, DEEDS[saga])
    assert acts.history(cloud, server_id, saga)[0]["message"], "it does not say why"
    _goes(cloud, proof, server_id)


def _ends_as_before(cloud: Cloud, proof: Proof, server_id: str, saga: str) -> None:
    if saga == "build":
        proof.promise(cloud, {server_id: ("ERROR",)})
    else:
        acts.ended(cloud, server_id)
        proof.promise(cloud, {server_id: acts.before_states(saga)})
        acts.as_before(cloud, server_id, DEEDS[saga])
        assert acts.history(cloud, server_id, saga)[0]["message"], "it does not say why"
    _goes(cloud, proof, server_id)


def _goes(cloud: Cloud, proof: Proof, server_id: str) -> None:
    proof.nothing_stays(cloud, [server_id])
    acts.rid_of_volumes(cloud)


def _said(cloud: Cloud, action: str) -> bool:
    return f'"{action}"' in cloud.log("compute")
