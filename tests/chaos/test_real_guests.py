"""Compute, network and volume roles killed before and after every step of what is done to real guests on a real network.

The cases are generated from the sagas. Afterwards there is exactly one QEMU for each server that runs, with its tap, its
DHCP entry and its volumes; and when it is deleted, nothing.
"""

from collections.abc import Iterator

import pytest

from kilonova.build import CARRY_OUT
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.remove import REMOVE
from kilonova.saga import Saga
from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.chaos.qemu import MARKS, NANO, ask, empty, real_cloud, stands_for
from tests.cloud.running import Cloud, wait_for
from tests.story.deeds import DEEDS

pytestmark = MARKS
LIMIT_S = 150
ACTIONS = ("stop", "start", "resize", "attach_volume", "detach_volume")
ROLES = ("compute", "network", "volume")


def points(*sagas: Saga) -> list[str]:  # type: ignore[type-arg]
    return [f"compute.{step.name}.{when}" for saga in sagas for step in saga.steps for when in ("before", "after")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with real_cloud(tmp_path_factory.mktemp("real-guests")) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def clean(cloud: Cloud) -> Iterator[None]:
    yield
    empty(cloud)


@pytest.mark.family("roles killed during a build with a real guest", sample=2)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("point", points(CARRY_OUT))
def test_killed_during_a_build(cloud: Cloud, proof: Proof, point: str, role: str) -> None:
    want(cloud, point, role)
    server_id = cloud.api.build(f"built-{point}-{role}", **NANO)
    strike(cloud, proof, point, role)
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    stands_for(cloud, guests=1, ports=1)
    goes(cloud, proof, server_id)


@pytest.mark.family("roles killed during the end of a real guest", sample=2)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("point", points(REMOVE))
def test_killed_during_a_removal(cloud: Cloud, proof: Proof, point: str, role: str) -> None:
    """Of a server with a volume."""
    server_id = acts.prepared(cloud, "detach_volume", f"removed-{point}-{role}", **NANO)
    stands_for(cloud, guests=1, ports=1, volumes=1)
    want(cloud, point, role)
    assert cloud.api.surely("DELETE", f"/compute/v2.1/servers/{server_id}")[0] == 204
    strike(cloud, proof, point, role)
    proof.promise(cloud, {server_id: ("GONE",)}, LIMIT_S)
    goes(cloud, proof, server_id)


@pytest.mark.family("roles killed during an action on a real guest", sample=3)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("action", "point"), [(name, point) for name in ACTIONS for point in points(SERVER_ACTIONS[name].saga)])
def test_killed_during_an_action(cloud: Cloud, proof: Proof, action: str, point: str, role: str) -> None:
    deed = DEEDS[action]
    server_id = acts.prepared(cloud, action, f"{action}-{point}-{role}", **NANO)
    want(cloud, point, role)
    ask(cloud, server_id, action)
    strike(cloud, proof, point, role)
    proof.promise(cloud, {server_id: (deed.status,)}, LIMIT_S)
    acts.ended(cloud, server_id)
    stands_for(cloud, guests=int(deed.status != "SHUTOFF"), ports=1, volumes=int(action == "attach_volume"))
    goes(cloud, proof, server_id)


def want(cloud: Cloud, point: str, role: str) -> None:
    """The compute role dies there, or stands there while another does."""
    cloud.want_fault(f"{point}={'kill' if role == 'compute' else 'hang:1'}")


def strike(cloud: Cloud, proof: Proof, point: str, role: str) -> None:
    wait_for(lambda: cloud.fired(point), 90, point, every_s=0.02)
    if role != "compute":
        pid = cloud.kill(role)
        proof.fired(f"{role} (pid {pid}) at {point}")
    else:
        proof.fired(point)


def goes(cloud: Cloud, proof: Proof, server_id: str) -> None:
    cloud.want_fault()
    proof.nothing_stays(cloud, (server_id,))
    empty(cloud)
    stands_for(cloud, guests=0, ports=0)
