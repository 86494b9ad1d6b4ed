"""What a cloud costs its machine, and that a long day does not make it cost more: files, threads, memory."""

from pathlib import Path

import pytest

from tests.cloud.processes import processes_of
from tests.cloud.running import Cloud, running

pytestmark = [pytest.mark.cloud, pytest.mark.wire]

MIB = 1 << 20
MOST_MIB = 250
BUILDS = 200
AT_ONCE = 10  # the project's quota
SLACK = 6
"""Open files and threads come and go a little: a connection, a pool's thread."""


def test_two_hundred_servers_later_it_holds_what_it_held(tmp_path: Path) -> None:
    with running(tmp_path, hosts=4) as cloud:
        _builds_and_deletes(cloud, "warm", 3 * AT_ONCE)
        before = _held(cloud)
        _builds_and_deletes(cloud, "day", BUILDS)
        after = _held(cloud)
        cloud.assert_nothing_held()
        memory = {name: _pss(pid) for name, pid in _roles(cloud).items()}
        print(f"before {before}, after {after}; PSS in MiB {memory}, together {sum(memory.values()):.0f}")
        for name, (files, threads) in after.items():
            assert files <= before[name][0] + SLACK, (name, before, after)
            assert threads <= before[name][1] + SLACK, (name, before, after)
        assert sum(memory.values()) <= MOST_MIB, memory


def _builds_and_deletes(cloud: Cloud, name: str, number: int) -> None:
    for start in range(0, number, AT_ONCE):
        ids = [cloud.api.build(f"{name}-{start + n}") for n in range(AT_ONCE)]
        for server_id in ids:
            assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
        for server_id in ids:
            cloud.api.delete(server_id)


def _roles(cloud: Cloud) -> dict[str, int]:
    """Every process of it, the supervisor included."""
    names = {cloud.pid(role): role for role in ("nats", "control", "compute", "network")}
    return {names.get(pid, "up"): pid for pid in processes_of(cloud.data)}


def _held(cloud: Cloud) -> dict[str, tuple[int, int]]:
    """Role → open files, threads."""
    return {
        name: (len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir())))
        for name, pid in _roles(cloud).items()
    }


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / MIB, 1)
