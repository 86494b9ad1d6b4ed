"""Whole clouds with real guests on a real network: what lives on when something dies, and what goes when it is told to.

Most guests here have nothing to boot from: QEMU and the network are what is tested. One boots to ssh.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kilonova import guestimage
from tests.cloud.processes import guests_of
from tests.cloud.running import Cloud, Machine, running, wait_for

QEMU = shutil.which("qemu-system-x86_64")
pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and taps need root"),
    pytest.mark.skipif(QEMU is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]
REAL = ("--hypervisor", "qemu")
SMALL = {"flavorRef": "42"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Guests that cannot boot do not power off either, so they are given one second."""
    with running(tmp_path_factory.mktemp("real"), *REAL, network="linux", shutdown_limit_s=1) as cloud:
        yield cloud
        pending = cloud.api.build("runs-to-the-end", **SMALL)
        assert cloud.api.settled(pending, 60)["status"] == "ACTIVE"
        assert Machine(cloud.data).traces().keys() >= {"processes", "namespaces"}
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean(within_s=2)


def test_a_guest_outlives_its_compute_role(cloud: Cloud) -> None:
    server_id = _active(cloud, "outlives-compute")
    before = guests_of(cloud.data)
    _wait_for_console(cloud, server_id)
    cloud.kill("compute")
    assert cloud.api.settled(server_id, 30)["status"] == "ACTIVE"
    _wait_for_console(cloud, server_id)
    assert guests_of(cloud.data) == before
    assert len(before) == 1
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()
    assert guests_of(cloud.data) == []


def test_dhcp_outlives_the_network_role(cloud: Cloud) -> None:
    server_id = _active(cloud, "outlives-network")
    before = _dhcp(cloud)
    assert len(before) == 1
    cloud.kill("network")
    other = _active(cloud, "wired-by-the-next")
    assert _dhcp(cloud) == before
    for one in (server_id, other):
        cloud.api.delete(one)
    cloud.assert_nothing_held()
    wait_for(lambda: _dhcp(cloud) == [], 10, "DHCP gone with the last port")


def test_a_guest_that_is_killed_is_off_and_can_be_deleted(cloud: Cloud) -> None:
    server_id = _active(cloud, "killed-guest")
    (pid,) = guests_of(cloud.data)
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: cloud.api.server(server_id)["status"] in ("SHUTOFF", "ERROR"), 60, "the ledger to follow")
    print(f"known after {time.monotonic() - began:.1f} s: {cloud.api.server(server_id)['status']}")
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()


def test_killed_while_a_guest_is_being_started(tmp_path: Path) -> None:
    """Every process -9 at once, as when the machine's memory is out: the next `up` has one guest, or none and builds it."""
    faults = "compute.start_guest.after=hang:3600"
    with running(tmp_path, *REAL, network="linux", shutdown_limit_s=1, faults=faults) as cloud:
        server_id = cloud.api.build("half-started", **SMALL)
        wait_for(lambda: cloud.fired("compute.start_guest.after"), 60, "the guest started")
        assert cloud.process is not None
        cloud.process.kill()
        cloud.process.wait(10)
        (pid,) = guests_of(cloud.data)
        cloud.up()
        assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
        assert guests_of(cloud.data) == [pid]
        cloud.process.kill()
        cloud.process.wait(10)
        assert cloud.verb("clean").returncode == 0
        Machine(cloud.data).assert_clean(within_s=2)


def test_a_qemu_that_does_not_start_is_an_error_with_a_reason(tmp_path: Path) -> None:
    broken = tmp_path / "qemu-broken"
    broken.write_text(
        f'#!/bin/sh\ncase "$*" in *-uuid*) echo "qemu: no such luck" >&2; exit 1;; esac\nexec {QEMU} "$@"\n', encoding="ascii"
    )
    broken.chmod(0o755)
    tmp_path.chmod(0o755)
    with running(tmp_path / "cloud", *REAL, network="linux", qemu=broken) as cloud:
        server_id = cloud.api.build("no-luck", **SMALL)
        server = cloud.api.settled(server_id, 60)
        assert server["status"] == "ERROR"
        assert "could not be started" in server["fault"]["message"]
        assert str(tmp_path) not in str(server), "no path of the host is told"
        assert guests_of(cloud.data) == []
        assert set(cloud.holds()) == {"servers"}
        cloud.api.delete(server_id)
        cloud.assert_nothing_held()


@pytest.mark.guest
@pytest.mark.timeout(300)
def test_a_booted_guest_goes_on_through_everything(tmp_path: Path) -> None:
    """One boot: ssh, then the roles die, `up` ends and comes back twice, and the same guest answers with the same pid.

    Meanwhile somebody stays logged in.
    """
    image, key = _guest_image(), _key(tmp_path)
    cloud = Cloud(tmp_path / "cloud", *REAL, "--image", str(image), network="linux")
    try:
        cloud.up("--keep-guests")
        cloud.api.send(
            "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": key.with_suffix(".pub").read_text()}}
        )
        found = cloud.api.send("GET", f"/image/v2/images?name={image.stem}")["images"][0]["id"]
        server_id = cloud.api.build("booted", flavorRef="84", imageRef=found, key_name="k")
        assert cloud.api.settled(server_id, 60)["status"] == "ACTIVE"
        wait_for(lambda: _ssh(cloud, key, "true"), 120, "ssh", every_s=1.0)
        pids = guests_of(cloud.data)
        assert len(pids) == 1
        with _logged_in(cloud, key) as session:
            for role in ("compute", "network"):
                cloud.kill(role)
            _answers(cloud, key, session)
            assert cloud.down() == 0
            assert guests_of(cloud.data) == pids
            cloud.up("--keep-guests")
            _answers(cloud, key, session)
            assert cloud.api.server(server_id)["status"] == "ACTIVE"
            assert cloud.process is not None
            cloud.process.kill()
            cloud.process.wait(10)
            cloud.up()
            _answers(cloud, key, session)
            assert guests_of(cloud.data) == pids
        began = time.monotonic()
        assert cloud.down() == 0
        print(f"ended with its guest in {time.monotonic() - began:.1f} s")
        Machine(cloud.data).assert_clean(within_s=2)
    finally:
        cloud.end_for_sure()
        Machine(cloud.data).assert_clean()


def _answers(cloud: Cloud, key: Path, session: "subprocess.Popen[bytes]") -> None:
    """ssh, a new lease from DHCP, and the metadata service: all that a guest asks of its network; and the session from before.

    That comes last: who answers for metadata has taken the network over.
    """
    wait_for(lambda: _ssh(cloud, key, "true"), 60, "ssh", every_s=0.5)
    wait_for(lambda: _ssh(cloud, key, "udhcpc -n -q -t 3 -T 1 -s /bin/true -i eth0"), 60, "DHCP", every_s=0.5)
    asked = "timeout 5 wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -q uuid"
    wait_for(lambda: _ssh(cloud, key, asked), 60, "metadata", every_s=0.5)
    _is_still_there(session)


@contextmanager
def _logged_in(cloud: Cloud, key: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A session in the guest that says again what it is told."""
    order = [sys.executable, "-m", "kilonova.cli", "ssh", "--data", str(cloud.data), "-i", str(key), "booted", "cat"]
    environment = {**os.environ, **cloud.environment}
    with subprocess.Popen(
        order, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
    ) as session:
        try:
            _is_still_there(session)
            yield session
        finally:
            with suppress(ProcessLookupError):
                os.killpg(session.pid, signal.SIGKILL)


def _is_still_there(session: "subprocess.Popen[bytes]") -> None:
    assert session.stdin is not None
    assert session.stdout is not None
    session.stdin.write(b"still there?\n")
    assert select.select([session.stdout], [], [], 30)[0], "whoever is logged in hears nothing"
    assert session.stdout.readline() == b"still there?\n"


def _ssh(cloud: Cloud, key: Path, command: str) -> bool:
    """False also when nobody answers for a while, so that it is tried again."""
    return cloud.verb("ssh", "-i", str(key), "booted", command, check=False, within_s=25).returncode == 0


def _active(cloud: Cloud, name: str) -> str:
    server_id = cloud.api.build(name, **SMALL)
    server: dict[str, Any] = cloud.api.settled(server_id, 60)
    assert server["status"] == "ACTIVE", server
    return server_id


def _wait_for_console(cloud: Cloud, server_id: str) -> None:
    """The firmware says that there is nothing to boot from."""

    def console() -> str:
        answer = cloud.api.send("POST", f"/compute/v2.1/servers/{server_id}/action", {"os-getConsoleOutput": {}})
        return str(answer["output"])

    wait_for(lambda: "SeaBIOS" in console() or "No bootable" in console(), 40, "words on the console", every_s=0.5)


def _dhcp(cloud: Cloud) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"dnsmasq" in line.split(b"\0")[0] and str(cloud.data).encode() in line:
                found.append(int(entry.name))
    return sorted(found)


def _guest_image() -> Path:
    cache = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
    return guestimage.build(cache / "kilonova-guest.qcow2", cache, print)


def _key(folder: Path) -> Path:
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    return key
