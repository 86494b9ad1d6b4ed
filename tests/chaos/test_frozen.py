"""A role that stands still and goes on later: whatever was under way ends as promised, and what it does late hurts nobody."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos import acts
from tests.chaos.killing import LIMIT_S
from tests.chaos.moments import (
    ACTIONS,
    CREATE,
    DELETE,
    OPERATIONS,
    Moment,
    all_moments,
    begin,
    ends_well,
    goes,
    in_the_middle,
    moment_at,
    moments,
    prepare,
    promised,
    taking_faults,
)
from tests.chaos.proof import Proof, guests
from tests.cloud.books import SQLITE
from tests.cloud.processes import state
from tests.cloud.running import Cloud, running, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(400)]

ROLES = ("control", "compute", "network", "volume", "nats")
TIGHT_S = 6
"""A deadline that a frozen role misses."""
IN_COMPUTE = [moment for moment in moments(CREATE) if moment.point.startswith("compute.")]
HOLDS_THE_BUILD = [moment for moment in IN_COMPUTE if ".ack." not in moment.point and ".send." not in moment.point]
"""Where the build itself stands still. Messages go and are acknowledged beside it: it may be done before the role is frozen."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    yield from taking_faults(SQLITE, tmp_path_factory.mktemp("frozen"))


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud whose builds and actions have little time."""
    folder = tmp_path_factory.mktemp("tight")
    with running(folder, hosts=2, faults="file", build_limit_s=TIGHT_S, network_limit_s=TIGHT_S) as cloud:
        cloud.api.image()
        yield cloud
        cloud.want_fault()


@contextmanager
def frozen(cloud: Cloud, proof: Proof, role: str, where: object) -> Iterator[None]:
    """It stands still meanwhile, which is seen; recovery counts from when it goes on."""
    pid = cloud.pid(role)
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: state(pid) == "T", 5, f"{role} to stand still", every_s=0.005)
        yield
        assert cloud.pid(role) == pid
        assert state(pid) == "T"
        proof.fired(f"{role} frozen at {where}")
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.family("role frozen for 1 s", sample=3)
@pytest.mark.parametrize("moment", all_moments(), ids=str)
@pytest.mark.parametrize("role", ROLES)
def test_for_a_second(cloud: Cloud, proof: Proof, role: str, moment: Moment) -> None:
    _stands_still(cloud, proof, role, moment, 1.0)


@pytest.mark.family("role frozen for 10 s", sample=1)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("role", ROLES)
def test_for_ten_seconds(cloud: Cloud, proof: Proof, role: str, operation: str) -> None:
    _stands_still(cloud, proof, role, moment_at(role, operation), 10.0)


def _stands_still(cloud: Cloud, proof: Proof, role: str, moment: Moment, seconds: float) -> None:
    server_id = in_the_middle(cloud, moment, f"{role}-{moment}-{seconds:.0f}")
    with frozen(cloud, proof, role, moment):
        time.sleep(seconds)
    ends_well(cloud, proof, moment.operation, server_id)


@pytest.mark.family("role frozen for 60 s", sample=0)
@pytest.mark.parametrize("role", ROLES)
def test_for_a_minute(cloud: Cloud, proof: Proof, role: str) -> None:
    """All operations under way at once. Who waited for the role may have given up; then the reason is told, and nothing stays."""
    acts.empty(cloud)
    ids = {operation: prepare(cloud, operation, f"{role}-{operation}-60") for operation in OPERATIONS}
    points = [moment_at(role, operation).point for operation in OPERATIONS]
    cloud.want_fault(*(f"{point}=hang:3" for point in dict.fromkeys(points)))
    for operation in OPERATIONS:
        ids[operation] = begin(cloud, operation, f"{role}-{operation}-60", ids[operation])
    wait_for(lambda: any(cloud.fired(point) for point in points), LIMIT_S, "the middle of it", every_s=0.02)
    with frozen(cloud, proof, role, points[0]):
        time.sleep(60)
    proof.promise(cloud, {ids[operation]: promised(operation, may_fail=True) for operation in OPERATIONS}, LIMIT_S)
    for operation in ACTIONS:
        acts.ended(cloud, ids[operation])
    goes(cloud, proof, [ids[operation] for operation in OPERATIONS if operation != DELETE])


@pytest.mark.family("compute frozen past a build's deadline", sample=1)
@pytest.mark.parametrize("moment", HOLDS_THE_BUILD, ids=str)
def test_a_build_that_has_ended_meanwhile_is_not_finished_late(tight: Cloud, proof: Proof, moment: Moment) -> None:
    server_id = in_the_middle(tight, moment, f"late-{moment}")
    with frozen(tight, proof, "compute", moment):
        server = tight.api.settled(server_id, LIMIT_S)
        assert server["status"] == "ERROR"
        assert server["fault"]["message"]
    wait_for(lambda: set(tight.holds()) == {"servers"}, LIMIT_S, "all but the server's row given back")
    proof.promise(tight, {server_id: ("ERROR",)}, LIMIT_S)
    assert guests(tight) == {}
    goes(tight, proof, [server_id])


@pytest.mark.family("compute frozen while its build is deleted", sample=1)
@pytest.mark.parametrize("moment", IN_COMPUTE, ids=str)
def test_a_build_that_was_deleted_meanwhile_is_not_finished_late(cloud: Cloud, proof: Proof, moment: Moment) -> None:
    server_id = in_the_middle(cloud, moment, f"unwanted-{moment}")
    with frozen(cloud, proof, "compute", moment):
        status, _ = cloud.api.once("DELETE", f"/compute/v2.1/servers/{server_id}")
        assert status == 204
        time.sleep(1)
    ends_well(cloud, proof, DELETE, server_id)


@pytest.mark.family("role frozen past an action's deadline", sample=1)
@pytest.mark.parametrize("operation", ACTIONS)
@pytest.mark.parametrize("role", ["compute", "volume"])
def test_an_action_that_has_ended_meanwhile_is_not_done_late(tight: Cloud, proof: Proof, role: str, operation: str) -> None:
    """What the ledger says in the end is what the node has."""
    moment = moment_at(role, operation)
    server_id = in_the_middle(tight, moment, f"late-{role}-{operation}")
    with frozen(tight, proof, role, moment):
        acts.ended(tight, server_id)
    proof.promise(tight, {server_id: promised(operation, may_fail=True)}, LIMIT_S)
    wait_for(lambda: _fits(tight, server_id), LIMIT_S, "node and ledger to agree")
    goes(tight, proof, [server_id])


def _fits(cloud: Cloud, server_id: str) -> bool:
    try:
        acts.fits(cloud, server_id)
    except AssertionError:
        return False
    return True
