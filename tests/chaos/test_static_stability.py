"""What guests have goes on while all of control, the bus and the database are off: nothing of it is lost, and control comes back.

KILONOVA_STATIC_S says for how many seconds; see docs/decisions/0015-the-network-role-is-data-plane.md for what stays on.
"""

import http.client
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.proof import Proof
from tests.cloud.booted import Booted, guest_image, new_key
from tests.cloud.fleet import role_environment, role_process
from tests.cloud.processes import guests_of, lives, processes_of
from tests.cloud.running import Cloud, running, wait_for

EVERY = os.environ.get("KILONOVA_CHAOS") == "all"
STATIC_S = float(os.environ.get("KILONOVA_STATIC_S") or (600 if EVERY else 20))
pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.guest,
    pytest.mark.root,
    pytest.mark.timeout(600 + 3 * STATIC_S),
    pytest.mark.family("everything but guests and data plane off", sample=1),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and taps need root"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]
OFF = ("control", "compute", "volume", "nats")
"""Killed, and nobody starts them again. Control is also the ledger's only process: it is SQLite."""
LOOPS = {
    "ping": "ping -c 1 -W 2 {peer} >/dev/null",
    "metadata": "timeout 5 wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json | grep -q {uuid}",
    "dhcp": "udhcpc -n -q -t 3 -T 2 -s /bin/true -i eth0 >/dev/null 2>&1",
    "volume": "echo $n | dd of=/dev/{device} bs=512 seek=$((n % 1000)) count=1 conv=sync,fsync 2>/dev/null"
    " && echo 1 >/proc/sys/vm/drop_caches"
    " && test $(dd if=/dev/{device} bs=512 skip=$((n % 1000)) count=1 2>/dev/null | head -n 1) = $n",
}
"""What a guest does about once a second, each in a loop of its own that writes ``ok`` or ``lost``."""


def test_guests_go_on_without_control_bus_and_database(tmp_path: Path, proof: Proof) -> None:
    options = ("--hypervisor", "qemu", "--image", str(guest_image()))
    with running(tmp_path / "cloud", *options, network="linux", shutdown_limit_s=5) as cloud:
        booted = Booted(cloud, new_key(tmp_path))
        one, two = booted.server("one"), booted.server("two")
        for server_id in (one, two):
            booted.wait(server_id)
        words = {"peer": booted.way(two)[1], "uuid": one, "device": _with_volume(booted, one)}
        pids = guests_of(cloud.data)

        with _supervisor_stopped(cloud):
            dead = [_killed(cloud, role) for role in OFF]
            lost = _loops(booted, one, words, STATIC_S, tuple(LOOPS))
            assert not any(lost.values()), lost
            assert _silent(cloud), "control is off"
            _reboots_from_inside(booted, two)

            # Nobody starts a role here, so the network role is started by hand, as a machine's own init would do it.
            old = _killed(cloud, "network")
            lost = _loops(booted, one, words, STATIC_S / 4, ("ping", "dhcp", "volume"))
            assert not any(lost.values()), lost
            with role_process(cloud, "network", role_environment(cloud)):
                _answers_metadata(booted, one)
                lost = _loops(booted, one, words, STATIC_S / 4, tuple(LOOPS))
                assert not any(lost.values()), lost
            assert guests_of(cloud.data) == pids, "the guests never ended"
        proof.fired(
            f"{', '.join(OFF)} off for {STATIC_S * 1.25:.0f} s (pids {dead}), network too for {STATIC_S / 4:.0f} s ({old})"
        )
        proof.promise(cloud, {one: ("ACTIVE",), two: ("ACTIVE",)})
        assert guests_of(cloud.data) == pids
        _answers_metadata(booted, two)
        proof.nothing_stays(cloud, (one, two))
        _remove_volumes(cloud)
        assert cloud.api.audit()["findings"] == []


@contextmanager
def _supervisor_stopped(cloud: Cloud) -> Iterator[None]:
    """It starts nothing again meanwhile; it ends its roles only when it ends itself."""
    assert cloud.process is not None
    cloud.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        cloud.process.send_signal(signal.SIGCONT)


def _killed(cloud: Cloud, role: str) -> int:
    """The pid it had. Whatever keeps it, or waits in its place, goes too."""
    pid = cloud.pid(role)

    def kill_all() -> bool:
        left = [one for one in processes_of(cloud.data) if _is_of(one, role) and lives(one)]
        for one in left:
            os.kill(one, signal.SIGKILL)
        return not left

    wait_for(kill_all, 20, f"{role} dead")
    assert not lives(pid)
    return pid


def _silent(cloud: Cloud) -> bool:
    try:
        cloud.api.once("GET", "/internal/ready")
    except (OSError, http.client.HTTPException):
        return True
    return False


def _is_of(pid: int, role: str) -> bool:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return b"nats-server" in words[0] if role == "nats" else role.encode() in words[1:4]
    return False


def _with_volume(booted: Booted, server_id: str) -> str:
    """A volume in the guest; how the guest calls it."""
    api = booted.cloud.api
    project = _project(booted.cloud)
    made = api.send("POST", f"/volume/v3/{project}/volumes", {"volume": {"size": 1}})["volume"]["id"]

    def status() -> str:
        return str(api.send("GET", f"/volume/v3/{project}/volumes/{made}")["volume"]["status"])

    wait_for(lambda: status() == "available", 60, "the volume")
    api.send("POST", f"/compute/v2.1/servers/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": made}})
    wait_for(lambda: status() == "in-use", 60, "the volume attached")
    where = f"grep -l ^{made[:20]} /sys/block/vd*/serial"
    wait_for(lambda: booted.run(server_id, where) is not None, 30, "the volume in the guest", every_s=0.5)
    return str(booted.run(server_id, where)).split("/")[3]


def _remove_volumes(cloud: Cloud) -> None:
    project = _project(cloud)

    def volumes() -> list[dict[str, str]]:
        found: list[dict[str, str]] = cloud.api.send("GET", f"/volume/v3/{project}/volumes/detail")["volumes"]
        return found

    wait_for(lambda: all(volume["status"] == "available" for volume in volumes()), 60, "the volumes free")
    for volume in volumes():
        cloud.api.once("DELETE", f"/volume/v3/{project}/volumes/{volume['id']}")
    wait_for(lambda: not volumes(), 60, "no volume left")


def _project(cloud: Cloud) -> str:
    return str(cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0])


def _loops(booted: Booted, server_id: str, words: dict[str, str], seconds: float, names: tuple[str, ...]) -> dict[str, int]:
    """Loop → how often it was lost; the host's own pings are the loop ``host``. Each has to have run."""
    namespace, address = booted.way(server_id)
    counting = "if {work}; then echo ok; else echo lost $(date); fi"
    lines = [
        f"(n=0; while test ! -e /tmp/end; do n=$((n + 1)); {counting.format(work=LOOPS[name].format(**words))}; sleep 1; done"
        f" >/tmp/{name}.words 2>&1; touch /tmp/{name}.over) </dev/null >/dev/null 2>&1 &"
        for name in names
    ]
    assert booted.run(server_id, "rm -f /tmp/end /tmp/*.over /tmp/*.words\n" + "\n".join(lines)) is not None
    host = ["nsenter", f"--net=/run/netns/{namespace}", "ping", "-q", "-i", "0.5", "-W", "3", "-w", str(int(seconds)), address]
    said = subprocess.run(host, capture_output=True, text=True, check=False, timeout=seconds + 60).stdout
    sent, _, rest = said.partition(" packets transmitted, ")
    lost = {"host": int(sent.split()[-1]) - int(rest.split()[0])}
    assert booted.run(server_id, "touch /tmp/end") is not None
    for name in names:
        wait_for(lambda name=name: booted.run(server_id, f"test -e /tmp/{name}.over") is not None, 30, f"the loop {name}")  # type: ignore[misc]
        told = str(booted.run(server_id, f"cat /tmp/{name}.words")).splitlines()
        assert told.count("ok") >= min(3, seconds / 5), (name, told)
        lost[name] = len(told) - told.count("ok")
    print(f"{seconds:.0f} s: {said.splitlines()[-2:]}, lost {lost}")
    return lost


def _reboots_from_inside(booted: Booted, server_id: str) -> None:
    """It is another boot, with its lease and its metadata, in the same process."""
    boot = booted.run(server_id, "cat /proc/sys/kernel/random/boot_id")
    assert boot
    began = time.monotonic()
    booted.run(server_id, "rm -f /run/guest/ready; reboot", within_s=5)

    def again() -> bool:
        found = booted.run(server_id, "test -e /run/guest/ready && cat /proc/sys/kernel/random/boot_id", within_s=10)
        return found is not None and found != boot

    wait_for(again, 180, "the reboot", every_s=1.0)
    _answers_metadata(booted, server_id)
    print(f"rebooted from inside within {time.monotonic() - began:.1f} s")


def _answers_metadata(booted: Booted, server_id: str) -> None:
    asked = LOOPS["metadata"].format(uuid=server_id)
    wait_for(lambda: booted.run(server_id, asked) is not None, 60, "its metadata", every_s=0.5)
