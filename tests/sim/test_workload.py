"""Seeds of the workload on a simulated cloud in this process: without faults, and with those that tests have always had."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from kilonova.sim import SimulatedCloud
from kilonova.sim.checker import Watcher, check
from kilonova.sim.faults import fail
from kilonova.sim.operations import ALWAYS, OPERATIONS
from kilonova.sim.operations.promise import Tenant, Violation
from kilonova.sim.operations.scene import Reply, Scene
from kilonova.sim.workload import Workload
from tests.sim.conftest import Settled

OPERATIONS_OF_A_SEED = 40
STEPS = ("assemble_disks", "ask_for_network", "start_guest", "end_guest", "copy_disks", "make_new_disks", "serve_to_host")
POINTS = ("disks.assemble", "hypervisor.start", "hypervisor.shut_down", "network.wire", "volumes.make", "volumes.export")
MESSAGES = ("Placed", "Removal", "ReportBatch", "NetworkWanted", "VolumeOrder", "Stop", "Resize")


def no_faults(cloud: SimulatedCloud, rng: random.Random) -> None:
    """Everything works."""


def steps_fail(cloud: SimulatedCloud, rng: random.Random) -> None:
    for step in STEPS:
        cloud.steps.at("before", step, rng.choice((fail, cloud.node_dies)), rng.randint(0, 2))


def drivers_fail(cloud: SimulatedCloud, rng: random.Random) -> None:
    for point in POINTS:
        cloud.drivers.fail(point, rng.randint(0, 2))


def messages_fail(cloud: SimulatedCloud, rng: random.Random) -> None:
    for kind in MESSAGES:
        rng.choice((cloud.messages.lose, cloud.messages.repeat))(kind, rng.randint(0, 2))


async def live(settled: Settled, seed: int, faults: Callable[[SimulatedCloud, random.Random], None]) -> list[Violation]:
    cloud, rng = settled.cloud, random.Random(seed)
    workload = Workload(cloud, rng, settled.tenants)
    watcher = Watcher(cloud, workload)
    watching = asyncio.create_task(watcher.run())
    faults(cloud, rng)
    await workload.run(OPERATIONS_OF_A_SEED)
    found = await check(cloud, workload)
    watching.cancel()
    return [*watcher.violations, *found]


def told(violations: list[Violation]) -> str:
    return "\n".join(str(one) for one in violations)


@pytest.mark.parametrize("faults", [no_faults, steps_fail, drivers_fail, messages_fail])
@pytest.mark.parametrize("seed", [1, 2])
async def test_promises_are_kept(settled: Settled, seed: int, faults: Callable[[SimulatedCloud, random.Random], None]) -> None:
    assert told(await live(settled, seed, faults)) == ""


async def test_an_operation_draws_the_same_whatever_was_before_it(settled: Settled, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shrinking stands on: to leave operations out changes nothing in the others."""
    asked: list[Any] = []
    send = Scene.send

    async def recorded(scene: Scene, tenant: Tenant, method: str, path: str, body: Any, key: str) -> Reply:
        asked.append((tenant.name, method, path, body))
        return await send(scene, tenant, method, path, body, key)

    monkeypatch.setattr(Scene, "send", recorded)
    for numbers in (range(8), (7,)):
        workload = Workload(settled.cloud, random.Random(7), settled.tenants)
        workload.kinds = {"create": 1}
        for number in numbers:
            await workload.step(number)
    assert len(asked) == 9
    assert asked[7] == asked[8] != asked[6]


def test_every_kind_of_operation_can_be_drawn() -> None:
    assert all(weight > 0 for weight, _ in OPERATIONS.values())
    assert set(OPERATIONS) >= ALWAYS


async def test_clients_do_only_what_they_are_to(settled: Settled) -> None:
    workload = Workload(settled.cloud, random.Random(7), settled.tenants, only_kinds={"create"})
    await workload.run(5)
    assert set(workload.kinds) == {"create"}
    assert {promise.kind for promise in workload.accepted.values()} == {"server"}


async def test_each_seed_goes_without_some_kinds(settled: Settled) -> None:
    kinds = [set(Workload(settled.cloud, random.Random(seed), settled.tenants).kinds) for seed in range(20)]
    assert all(one >= ALWAYS for one in kinds)
    assert set().union(*kinds) == set(OPERATIONS)
    assert all(one != set(OPERATIONS) for one in kinds)
