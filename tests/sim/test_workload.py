"""Seeds of the workload on a simulated cloud in this process: without faults, and with those that tests have always had."""

import asyncio
import random
from collections.abc import Callable

import pytest

from kilonova.sim import SimulatedCloud
from kilonova.sim.checker import Watcher, check
from kilonova.sim.faults import fail
from kilonova.sim.operations import ALWAYS, OPERATIONS
from kilonova.sim.operations.promise import Violation
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
@pytest.mark.parametrize("seed", range(1, 4))
async def test_promises_are_kept(settled: Settled, seed: int, faults: Callable[[SimulatedCloud, random.Random], None]) -> None:
    assert told(await live(settled, seed, faults)) == ""


async def test_an_operation_draws_the_same_whatever_was_before_it(settled: Settled) -> None:
    """What shrinking stands on: to leave operations out changes nothing in the others."""
    asked: list[list[str]] = []
    for numbers in ((0, 1, 2, 3, 4, 5), (5,)):
        workload = Workload(settled.cloud, random.Random(7), settled.tenants)
        for number in numbers:
            await workload.step(number)
        asked.append(sorted(promise.name for promise in workload.accepted.values() if promise.name.endswith("-5")))
        assert told(await check(settled.cloud, workload)) == ""
    assert asked[0] == asked[1]


def test_every_kind_of_operation_can_be_drawn() -> None:
    assert all(weight > 0 for weight, _ in OPERATIONS.values())
    assert set(OPERATIONS) >= ALWAYS


async def test_each_seed_goes_without_some_kinds(settled: Settled) -> None:
    kinds = [set(Workload(settled.cloud, random.Random(seed), settled.tenants).kinds) for seed in range(20)]
    assert all(one >= ALWAYS for one in kinds)
    assert set().union(*kinds) == set(OPERATIONS)
    assert all(one != set(OPERATIONS) for one in kinds)
