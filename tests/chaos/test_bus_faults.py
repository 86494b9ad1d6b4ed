"""The broker restarts, loses what it had, has no disk, or is slow, at every moment of an operation: all ends as promised."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.disks import NEEDS_ROOT, SmallDisk, full, up_on
from tests.chaos.killing import LIMIT_S, is_active_and_goes
from tests.chaos.moments import OPERATIONS, Moment, all_moments, ends_well, in_the_middle, moment_at, taking_faults
from tests.chaos.proof import Proof
from tests.cloud.books import SQLITE
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(400)]

SLOW_S = 4.0
STILL_S, MOVING_S = 0.25, 0.05
FULL_S = 3.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    yield from taking_faults(SQLITE, tmp_path_factory.mktemp("bus"))


def killed(cloud: Cloud) -> str:
    return f"pid {cloud.kill('nats')} killed"


def told_to_end(cloud: Cloud) -> str:
    old = cloud.pid("nats")
    os.kill(old, signal.SIGTERM)
    wait_for(lambda: cloud.pid("nats") != old, 30, "another broker")
    return f"pid {old} told to end"


def emptied(cloud: Cloud) -> str:
    """Killed, and all it had on its disk is gone before it comes back."""
    shutil.rmtree(_store(cloud))
    return f"{killed(cloud)}, its store deleted"


def slow(cloud: Cloud) -> str:
    """It stands still five sixths of the time."""
    pid = cloud.pid("nats")
    until = time.monotonic() + SLOW_S
    stops = 0
    while time.monotonic() < until:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STILL_S)
        os.kill(pid, signal.SIGCONT)
        time.sleep(MOVING_S)
        stops += 1
    return f"pid {pid} stopped {stops} times"


@pytest.mark.parametrize("moment", all_moments(), ids=str)
@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(killed, marks=pytest.mark.family("bus killed", sample=1)),
        pytest.param(told_to_end, marks=pytest.mark.family("bus restarted", sample=1)),
        pytest.param(emptied, marks=pytest.mark.family("bus restarted without its data", sample=1)),
        pytest.param(slow, marks=pytest.mark.family("bus slow", sample=1)),
    ],
)
def test_at_every_moment(cloud: Cloud, proof: Proof, strike: Callable[[Cloud], str], moment: Moment) -> None:
    server_id = in_the_middle(cloud, moment, f"{strike.__name__}-{moment}")
    proof.fired(f"{strike(cloud)} at {moment}")
    ends_well(cloud, proof, moment.operation, server_id)


@pytest.mark.parametrize(
    "strike",
    [
        pytest.param(killed, marks=pytest.mark.family("bus killed", sample=1)),
        pytest.param(told_to_end, marks=pytest.mark.family("bus restarted", sample=1)),
        pytest.param(emptied, marks=pytest.mark.family("bus restarted without its data", sample=1)),
    ],
)
def test_with_an_order_that_nobody_has_taken(cloud: Cloud, proof: Proof, strike: Callable[[Cloud], str]) -> None:
    """The node hangs; where the broker has lost the order, the ledger has it and sends it again."""
    cloud.want_fault()
    pid = cloud.pid("compute")
    os.kill(pid, signal.SIGSTOP)
    try:
        server_id = cloud.api.build(f"not-taken-{strike.__name__}")
        wait_for(lambda: cloud.rows("SELECT id FROM orders WHERE published_at IS NOT NULL"), 20, "the order published")
        proof.fired(f"{strike(cloud)} with the order in its queue")
    finally:
        os.kill(pid, signal.SIGCONT)
    is_active_and_goes(cloud, proof, server_id)


@pytest.mark.family("bus data deleted while it runs", sample=1)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_files_are_deleted_under_it(cloud: Cloud, proof: Proof, operation: str) -> None:
    """It goes on with files that have no name, until it needs a new one; then control makes its streams again."""
    if not _store(cloud).exists():  # as the case before has left it
        killed(cloud)
        wait_for(_store(cloud).exists, 20, "a store")
    server_id = in_the_middle(cloud, moment_at("compute", operation), f"under-it-{operation}")
    shutil.rmtree(_store(cloud))
    proof.fired(f"{_store(cloud).name} deleted under pid {cloud.pid('nats')}")
    ends_well(cloud, proof, operation, server_id)


@pytest.mark.family("bus away", sample=1)
def test_what_needs_it_is_told_so_and_what_does_not_is_accepted(cloud: Cloud, proof: Proof) -> None:
    """A build is accepted while there is no broker: it is in the ledger. A console, which only a node has, is a clear 503."""
    cloud.want_fault()
    shown = cloud.api.build("has-a-console")
    assert cloud.api.settled(shown, LIMIT_S)["status"] == "ACTIVE"
    pid = cloud.pid("nats")
    os.kill(pid, signal.SIGSTOP)
    try:
        server_id = cloud.api.build("ordered-without-a-bus")
        status, answer = cloud.api.once("POST", f"/compute/v2.1/servers/{shown}/action", {"os-getConsoleOutput": {}})
        proof.fired(f"pid {pid} stands still")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert status == 503, answer
    assert answer["serviceUnavailable"]["message"]
    proof.promise(cloud, {server_id: ("ACTIVE",), shown: ("ACTIVE",)}, LIMIT_S)
    proof.nothing_stays(cloud, [server_id, shown])


@pytest.fixture(scope="module")
def on_small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, SmallDisk]]:
    """A cloud whose broker has little room for its store."""
    cloud = Cloud(tmp_path_factory.mktemp("bus-disk"), hosts=2, faults="file", build_limit_s=LIMIT_S)
    disk = SmallDisk(_store(cloud), 16)
    with up_on(disk, cloud):
        yield cloud, disk


@pytest.mark.family("bus disk full", sample=1)
@pytest.mark.root
@NEEDS_ROOT[1]
@pytest.mark.parametrize("restart", [False, True], ids=["", "killed-meanwhile"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_its_disk_is_full_for_a_while(
    on_small_disk: tuple[Cloud, SmallDisk], proof: Proof, operation: str, restart: bool
) -> None:
    cloud, disk = on_small_disk
    said = len(cloud.log("nats"))
    server_id = in_the_middle(cloud, moment_at("compute", operation), f"full-{operation}-{restart}")
    with full(disk):
        until = time.monotonic() + FULL_S
        accepted = [cloud.api.build(f"during-{operation}-{restart}-{number}") for number in range(3)]
        if restart:
            killed(cloud)
        wait_for(lambda: "no space left" in cloud.log("nats")[said:], LIMIT_S, "the broker to notice", every_s=0.1)
        time.sleep(max(0.0, until - time.monotonic()))
    proof.fired(f"{cloud.log('nats')[said:].partition('no space left')[0].splitlines()[-1][-80:]}no space left")
    proof.promise(cloud, dict.fromkeys(accepted, ("ACTIVE",)), LIMIT_S)
    proof.recovery_s = None  # it is over when what was under way is
    for one in accepted:
        cloud.api.delete(one, LIMIT_S)
    ends_well(cloud, proof, operation, server_id)


def _store(cloud: Cloud) -> Path:
    return cloud.data / "nats" / "data"
