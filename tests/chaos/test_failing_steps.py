"""A step of a build fails, or control or the network node fails at what it does for one: it is tried elsewhere or once more, or
ends with a reason, and nothing stays. And each role is killed from outside while somebody waits for it.

The cases are made from the saga and the handlers, so a new step is tested from its first day.
"""

from collections.abc import Iterator

import pytest

from kilonova.build import CARRY_OUT
from kilonova.build.connect import unwire_ports, wire_ports
from kilonova.build.report import BuildProgress, ServerGone, ServerRuns
from tests.chaos.killing import LIMIT_S, around, builds, is_active_and_goes, removes, strikes
from tests.chaos.proof import Proof
from tests.cloud.running import Cloud, Machine, remembered, running

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300)]

STEPS = around(*(f"compute.{step.name}" for step in CARRY_OUT.steps))
DURING_A_BUILD = around(
    f"network.{wire_ports.__name__}", "control.relay", f"control.{BuildProgress.__name__}", f"control.{ServerRuns.__name__}"
)
DURING_A_REMOVAL = around(f"network.{unwire_ports.__name__}", "control.relay", f"control.{ServerGone.__name__}")
WAITS = {"the disks": "compute.assemble_disks.before", "the network": f"network.{wire_ports.__name__}.before"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("failing-steps"), hosts=2, faults="file", build_limit_s=LIMIT_S) as cloud:
        cloud.api.image()
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud of one host: what fails there can be built nowhere else."""
    with running(tmp_path_factory.mktemp("no-other-host"), hosts=1, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud


@pytest.mark.family("a step of a build fails", sample=2)
@pytest.mark.parametrize("point", STEPS)
def test_a_step_that_fails_is_tried_on_another_host(cloud: Cloud, proof: Proof, point: str) -> None:
    cloud.want_fault(f"{point}=raise")
    server_id = cloud.api.build(f"elsewhere-{point}")
    strikes(cloud, proof, point)
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    held = [len(remembered(memory)) for memory in cloud.data.glob("nodes/*/sim-*.guests")]
    assert sorted(held) in ([1], [0, 1]), "the first host has given everything back"
    proof.nothing_stays(cloud, [server_id])


@pytest.mark.family("a step of a build fails, no other host", sample=2)
@pytest.mark.parametrize("point", STEPS)
def test_a_step_that_fails_with_no_other_host_is_an_error_with_a_reason(single: Cloud, proof: Proof, point: str) -> None:
    single.want_fault(f"{point}=raise")
    server_id = single.api.build(f"failed-{point}")
    strikes(single, proof, point)
    proof.promise(single, {server_id: ("ERROR",)}, LIMIT_S)
    assert "A fault was injected" in single.api.server(server_id)["fault"]["message"]
    assert set(single.holds()) == {"servers"}, "the server stays and says why; all else is given back"
    proof.nothing_stays(single, [server_id])


@pytest.mark.family("control or network fails during a build", sample=1)
@pytest.mark.parametrize("point", DURING_A_BUILD)
def test_another_role_fails_during_a_build(cloud: Cloud, proof: Proof, point: str) -> None:
    builds(cloud, proof, f"fails-{point}", point, f"{point}=raise")


@pytest.mark.family("control or network fails during a delete", sample=1)
@pytest.mark.parametrize("point", DURING_A_REMOVAL)
def test_another_role_fails_during_a_removal(cloud: Cloud, proof: Proof, point: str) -> None:
    removes(cloud, proof, f"removal-fails-{point}", point, f"{point}=raise")


@pytest.mark.family("any role killed while a build waits", sample=2)
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("role", ["nats", "control", "compute", "network"])
def test_killed_from_outside_during_a_build(cloud: Cloud, proof: Proof, role: str, wait: str) -> None:
    cloud.want_fault(f"{WAITS[wait]}=hang:1.5")
    server_id = cloud.api.build(f"outside-{role}-{wait}".replace(" ", "-"))
    strikes(cloud, Proof("", ""), WAITS[wait])
    proof.fired(f"{role} killed at {WAITS[wait]}")
    cloud.kill(role)
    is_active_and_goes(cloud, proof, server_id)
