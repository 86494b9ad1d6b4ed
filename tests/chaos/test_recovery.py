"""How long a death is felt. The promise is asserted: what was accepted ends ACTIVE, and builds go on; the seconds are recorded.

`python -m bench recovery` measures the same on a quiet machine.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from bench.client import Client
from bench.load import Build, Load, back_after_s, goes_on_after_s, throughput
from tests.chaos import acts
from tests.chaos.disks import standing
from tests.chaos.killing import LIMIT_S
from tests.chaos.moments import without_quota
from tests.chaos.proof import Proof
from tests.cloud.books import OnPostgres
from tests.cloud.running import Cloud, Machine, running, wait_for
from tests.ledger.postgres import postgres

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(400)]

ROLES = ("control", "control-keeper", "compute", "network", "volume", "nats")
RATE = 10.0
BEFORE_S, AFTER_S = 6.0, 8.0
IN_FLIGHT = 100
Strike = Callable[[], object]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("recovery"), hosts=10, build_limit_s=LIMIT_S) as cloud:
        cloud.api.image()
        without_quota(cloud)
        yield cloud


@pytest.mark.family("killed under load", sample=1)
@pytest.mark.parametrize("role", ROLES)
def test_builds_go_on(cloud: Cloud, proof: Proof, role: str) -> None:
    _goes_on(cloud, proof, partial(_kill, cloud, role), role)


@pytest.mark.family("killed with 100 builds in flight", sample=1)
@pytest.mark.parametrize("role", ROLES)
def test_a_hundred_in_flight_end_as_promised(cloud: Cloud, proof: Proof, role: str) -> None:
    _all_end(cloud, proof, partial(_kill, cloud, role), role)


@pytest.mark.family("PostgreSQL restarted under load", sample=0)
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGQUIT], ids=["told to", "crashed"])
def test_on_postgres(tmp_path_factory: pytest.TempPathFactory, proof: Proof, way: signal.Signals) -> None:
    """Both: under a steady load, and with a hundred in flight."""
    with postgres() as server:
        cloud = OnPostgres(tmp_path_factory.mktemp("recovery"), server, hosts=10, build_limit_s=LIMIT_S)

        def strike() -> None:
            assert server.process is not None
            server.process.send_signal(way)
            server.process.wait(30)
            server.start()

        with standing(cloud):
            without_quota(cloud)
            _goes_on(cloud, proof, strike, way.name)
            _all_end(cloud, proof, strike, way.name)
        Machine(cloud.data).assert_clean()


def _goes_on(cloud: Cloud, proof: Proof, strike: Strike, name: str) -> None:
    """Builds at a steady rate, a fault in the middle."""
    acts.empty(cloud)
    load = _load(cloud, f"steady-{name}", RATE, 16)
    load.start()
    time.sleep(BEFORE_S)
    struck = time.monotonic()
    what = strike()
    proof.fired(f"{name} under load {what or ''}", ago_s=time.monotonic() - struck)
    time.sleep(AFTER_S)
    with suppress(TimeoutError):
        wait_for(lambda: _is_back(list(load.builds), struck), LIMIT_S, "builds to go on", every_s=0.5)
    builds = load.stop()
    again, back = goes_on_after_s(builds, struck), back_after_s(builds, struck)
    assert again is not None
    assert back is not None
    before = throughput(builds, struck - 5.0, struck)
    print(f"{name}: builds go on after {again:.1f} s; {before:.1f} builds/s before, 80 % of that after {back:.1f} s")
    proof.recovery_s = again
    _are_active_and_go(cloud, proof, builds)


def _is_back(builds: list[Build], struck: float) -> bool:
    return goes_on_after_s(builds, struck) is not None and back_after_s(builds, struck) is not None


def _all_end(cloud: Cloud, proof: Proof, strike: Strike, name: str) -> None:
    """A hundred clients at once; half of their builds are accepted when it strikes, and few of them over."""
    acts.empty(cloud)
    load = _load(cloud, f"burst-{name}", 10_000.0, IN_FLIGHT, each=1, poll_s=0.5)
    load.start()
    while sum(bool(build.accepted) for build in list(load.builds)) < IN_FLIGHT // 2:
        time.sleep(0.002)
    open_now = sum(not build.ended for build in list(load.builds))
    struck = time.monotonic()
    strike()
    proof.fired(f"{name} with {open_now} in flight", ago_s=time.monotonic() - struck)
    assert open_now > IN_FLIGHT // 2
    builds = load.stop()
    print(f"{name}: {open_now} in flight, all over after {max(build.ended for build in builds) - struck:.1f} s")
    assert len(builds) == IN_FLIGHT
    _are_active_and_go(cloud, proof, builds)


def _are_active_and_go(cloud: Cloud, proof: Proof, builds: list[Build]) -> None:
    proof.promise(cloud, {build.server_id: ("ACTIVE",) for build in builds}, LIMIT_S)
    for build in builds:
        status, answer = cloud.api.surely("DELETE", f"/compute/v2.1/servers/{build.server_id}")
        assert status == 204, answer
    proof.nothing_stays(cloud, [])


def _kill(cloud: Cloud, role: str) -> str:
    pid = cloud.pid(role)
    os.kill(pid, signal.SIGKILL)
    return f"pid {pid}"


def _load(cloud: Cloud, tag: str, rate: float, clients: int, each: int | None = None, poll_s: float = 0.05) -> Load:
    token = _token(cloud)
    network = cloud.api.send("GET", "/network/v2.0/networks?name=default")["networks"][0]["id"]
    things = {"image": cloud.api.image(), "network": network}
    return Load(lambda: Client(*_where(cloud), token), things, tag, rate=rate, clients=clients, each=each, poll_s=poll_s)


def _token(cloud: Cloud) -> str:
    client = Client(*_where(cloud))
    client.log_in((cloud.data / "secrets" / "admin-password").read_text().strip())
    client.close()
    return client.token


def _where(cloud: Cloud) -> tuple[str, int]:
    host, _, port = cloud.listen.rpartition(":")
    return host, int(port)
