"""`kilonova up` from start to end: one at a time, roles that come back, and nothing left, however it ends. Simulated guests."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.cloud.processes import processes_of
from tests.cloud.running import Cloud, Machine, remembered, running, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire]


def test_it_gets_ready_twice_and_ends_on_both_signals(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        server_id = cloud.api.build("first")
        assert cloud.api.settled(server_id, 30)["status"] == "ACTIVE"
        assert cloud.down(signal.SIGTERM) == 0
        Machine(cloud.data).assert_clean(within_s=1)
        took = cloud.up()
        print(f"ready again in {took:.2f} s")
        assert cloud.down(signal.SIGINT) == 0
        Machine(cloud.data).assert_clean(within_s=1)
        assert not list((cloud.data / "run").glob("*.pid"))


def test_a_second_one_says_so_and_stops(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        pids = [cloud.pid(role) for role in ("nats", "control", "compute", "network")]
        second = cloud.verb("up", "--hypervisor", "simulated", check=False)
        assert second.returncode == 1
        assert "running already" in second.stderr
        assert "Traceback" not in second.stderr
        clean = cloud.verb("clean", check=False)
        assert clean.returncode == 1, "what runs is not cleaned away"
        assert pids == [cloud.pid(role) for role in ("nats", "control", "compute", "network")]
        assert cloud.api.settled(cloud.api.build("still-works"), 30)["status"] == "ACTIVE"


@pytest.mark.parametrize("role", ["nats", "control", "compute", "network"])
def test_a_role_that_dies_is_started_again(tmp_path: Path, role: str) -> None:
    with running(tmp_path) as cloud:
        old = cloud.kill(role)
        assert cloud.pid(role) != old
        told = (
            cloud.log(role) if role == "control" else cloud.output.read_text()
        )  # control's keeper starts it, not the supervisor
        assert f"{role} ended (signal SIGKILL)" in told
        assert cloud.api.settled(cloud.api.build(f"after-{role}"), 30)["status"] == "ACTIVE"


def test_control_goes_with_its_keeper_and_both_are_started_again(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        serving = cloud.pid("control")
        cloud.kill("control-keeper")
        assert cloud.says("control ended (signal SIGKILL), starting it again")
        assert cloud.api.settled(cloud.api.build("after-the-keeper"), 30)["status"] == "ACTIVE"
        assert cloud.pid("control") != serving


def test_a_role_that_fails_by_itself_ends_no_guests(tmp_path: Path) -> None:
    """Only one that is told to end does."""
    with running(tmp_path, faults="file") as cloud:
        stays = cloud.api.build("stays")
        assert cloud.api.settled(stays, 30)["status"] == "ACTIVE"
        pid = cloud.pid("compute")
        cloud.want_fault("compute.journal.drop_reports.before=raise")
        later = cloud.api.build("later")
        wait_for(lambda: cloud.says("compute ended (exit 1)"), 30, "the end of compute")
        wait_for(lambda: cloud.pid("compute") != pid, 30, "another compute")
        assert cloud.api.settled(later, 30)["status"] == "ACTIVE"
        assert _guests(cloud) == sorted([stays, later])
        assert cloud.api.server(stays)["status"] == "ACTIVE"


@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.0])
def test_told_to_end_while_it_starts(tmp_path: Path, after_s: float) -> None:
    cloud = Cloud(tmp_path)
    try:
        process = cloud.launch()
        wait_for((cloud.data / "lock").exists, 20, "the lock")
        time.sleep(after_s)
        process.terminate()
        process.wait(60)
        Machine(cloud.data).assert_clean(within_s=1)
        cloud.up()
        assert cloud.down() == 0
    finally:
        cloud.end_for_sure()


def test_kept_guests_are_taken_back(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    try:
        cloud.up("--keep-guests")
        server_id = cloud.api.build("kept")
        assert cloud.api.settled(server_id, 30)["status"] == "ACTIVE"
        assert cloud.down() == 0
        assert _guests(cloud) == [server_id]
        cloud.up()
        _stays_active(cloud, server_id)
        assert cloud.down() == 0
        assert _guests(cloud) == []
        cloud.up()
        wait_for(lambda: cloud.api.server(server_id)["status"] == "SHUTOFF", 40, "the ledger to follow")
        cloud.api.delete(server_id)
        cloud.assert_nothing_held()
    finally:
        cloud.end_for_sure()


def test_killed_itself_it_takes_its_roles_with_it_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, faults="compute.start_guest.before=hang:3600") as cloud:
        hanging = cloud.api.build("was-being-built")
        wait_for(lambda: cloud.fired("compute.start_guest.before"), 20, "the build under way")
        assert cloud.process is not None
        cloud.process.kill()
        cloud.process.wait(10)
        wait_for(lambda: not processes_of(cloud.data), 5, "its roles gone")
        assert _guests(cloud) == []
        cloud.up()
        assert cloud.api.settled(hanging, 30)["status"] == "ACTIVE"
        assert _guests(cloud) == [hanging]
        cloud.api.delete(hanging)
        cloud.assert_nothing_held()


def test_clean_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        assert cloud.api.settled(cloud.api.build("left-behind"), 30)["status"] == "ACTIVE"
        assert cloud.process is not None
        cloud.process.kill()
        cloud.process.wait(10)
        assert cloud.verb("clean").returncode == 0
        Machine(cloud.data).assert_clean(within_s=1)


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with running(tmp_path / "first") as first:
        second = Cloud(tmp_path / "second")
        second.listen = first.listen
        process = second.launch()
        try:
            assert process.wait(60) == 1
        finally:
            second.end_for_sure()
        said = second.output.read_text()
        assert f"Cannot listen on {first.listen}" in said
        assert "Traceback" not in said
        Machine(second.data).assert_clean(within_s=1)


def test_nothing_of_it_lies_outside_its_folder(tmp_path: Path) -> None:
    """No file of another folder is held open, and the home and temporary folders stay as they were."""
    before = set(os.listdir("/tmp"))
    with running(tmp_path) as cloud:
        for pid in processes_of(cloud.data):
            opened = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.exists()}
            files = {name for name in opened if name.startswith("/") and not name.startswith(("/dev/", "/proc/", "/sys/"))}
            assert [name for name in files if not name.startswith(str(tmp_path))] == []
    mine = {name for name in set(os.listdir("/tmp")) - before if "kilonova" in name}
    assert mine == set()


def _stays_active(cloud: Cloud, server_id: str) -> None:
    """After the hello that compares what there is."""
    cloud.kill("compute")
    later = cloud.api.build("later")
    assert cloud.api.settled(later, 30)["status"] == "ACTIVE"
    cloud.api.delete(later)
    assert cloud.api.server(server_id)["status"] == "ACTIVE"


def _guests(cloud: Cloud) -> list[str]:
    return sorted(guest for memory in cloud.data.glob("nodes/*/sim-*.guests") for guest in remembered(memory))
