"""QEMU that ends at once, hangs, loses its monitor or is killed by hand; and what is around a guest is taken away by hand: the
process that serves its volume, DHCP, tap, bridge, namespace."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kilonova.drivers.network.namespaces import inside
from kilonova.lifecycle.actions import SERVER_ACTIONS
from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.chaos.qemu import MARKS, NANO, active, ask, daemons, dhcp, empty, namespaces, real_cloud, stands_for, taps
from tests.cloud.processes import guests_of, lives, state
from tests.cloud.running import Cloud, wait_for
from tests.story.deeds import DEEDS

pytestmark = MARKS
LIMIT_S = 150
WITHOUT_GUEST = ("switch_on", "copy_disks", "use_larger_disks", "start_resized")
"""The steps before which there is nothing to kill."""
TO_A_RUNNING_GUEST = ("stop", "reboot", "pause", "resize", "image", "attach_volume", "detach_volume", "attach_interface")


class Wrapper:
    """What is run instead of QEMU; `mode` says how the next guests fare. In a folder that guests' users reach."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self._mode, self.pids = folder / "mode", folder / "pids"
        self.pids.mkdir()
        self.pids.chmod(0o1777)
        self.file = folder / "qemu"
        self.file.write_text(
            f'#!/bin/sh\ncase "$*" in *-uuid*) mode=$(cat {self._mode});; esac\n'
            f'[ -n "$mode" ] && touch {self.pids}/$$\n'
            'case "$mode" in exits) echo "qemu: no such luck" >&2; exit 1;; hangs) exec sleep 3600;; slow) sleep 3;; esac\n'
            f'exec {shutil.which("qemu-system-x86_64")} "$@"\n'
        )
        self.file.chmod(0o755)
        self.mode("")

    def mode(self, mode: str) -> None:
        self._mode.write_text(mode)
        self._mode.chmod(0o644)
        for seen in self.pids.iterdir():
            seen.unlink()

    def seen(self) -> list[int]:
        """The pids of those that were started so."""
        return [int(entry.name) for entry in self.pids.iterdir()]


@pytest.fixture(scope="module")
def wrapper() -> Iterator[Wrapper]:
    with tempfile.TemporaryDirectory(prefix="kn-qemu-") as folder:
        yield Wrapper(Path(folder))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, wrapper: Wrapper) -> Iterator[Cloud]:
    with real_cloud(tmp_path_factory.mktemp("qemu-faults"), qemu=wrapper.file) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def clean(cloud: Cloud, wrapper: Wrapper) -> Iterator[None]:
    yield
    wrapper.mode("")
    empty(cloud)


# At its start.


@pytest.mark.family("QEMU exits at once, or hangs at its start", sample=1)
@pytest.mark.parametrize("action", ["build", "start", "reboot", "resize"])
@pytest.mark.parametrize("mode", ["exits", "hangs", "slow"])
def test_a_qemu_that_does_not_start(cloud: Cloud, wrapper: Wrapper, proof: Proof, mode: str, action: str) -> None:
    """Said with a reason, or brought back as it was; one that is only slow is waited for. No process stays."""
    name = f"{mode}-{action}"
    server_id = "" if action == "build" else acts.prepared(cloud, action, name, **NANO)
    wrapper.mode(mode)
    if action == "build":
        server_id = cloud.api.build(name, **NANO)
    else:
        ask(cloud, server_id, action)
    wait_for(wrapper.seen, 60, "QEMU to be started")
    proof.fired(f"QEMU {mode} (pid {wrapper.seen()[0]})")
    statuses = {"build": ("ACTIVE", "ERROR"), **{one: (DEEDS[one].status, *acts.before_states(one)) for one in DEEDS}}[action]
    wanted = (statuses[0],) if mode == "slow" else statuses[1:]
    if mode != "slow":
        wait_for(lambda: cloud.api.server(server_id)["OS-EXT-STS:task_state"] is None, LIMIT_S, "the end of it")
    proof.promise(cloud, {server_id: wanted}, LIMIT_S)
    if mode != "slow" and action != "build":
        (told,) = acts.history(cloud, server_id, action)
        assert told["message"], told
    if mode != "slow" and cloud.api.server(server_id)["status"] in ("ERROR", "SHUTOFF"):
        # Control may have ended it at its deadline, while the host still tries to bring the guest back as it was.
        wait_for(lambda: not [pid for pid in wrapper.seen() if lives(pid)], LIMIT_S, "no process", every_s=0.2)
        wait_for(lambda: not guests_of(cloud.data), 10, "no guest")
    wrapper.mode("")
    proof.nothing_stays(cloud, (server_id,))


# Later.


@pytest.mark.family("QEMU hangs while an action wants it", sample=1)
@pytest.mark.parametrize("action", ["delete", *TO_A_RUNNING_GUEST])
def test_a_qemu_that_stands_still(cloud: Cloud, proof: Proof, action: str) -> None:
    """The action ends by its limit, with a reason where it could not be done; the console is told; delete works."""
    server_id = _ready(cloud, action, f"still-{action}")
    (pid,) = guests_of(cloud.data)
    with _frozen(pid):
        proof.fired(f"QEMU stopped (pid {pid}) before {action}")
        console = cloud.api.send("POST", f"{acts.SERVERS}/{server_id}/action", {"os-getConsoleOutput": {}})
        assert _begins_as_every_console(console["output"]), console["output"]
        if action != "delete":
            ask(cloud, server_id, action)
            acts.done_or_told(cloud, server_id, action, LIMIT_S)
            proof.promise(cloud, {server_id: _ends(action)}, LIMIT_S)
            _told(cloud, server_id, action)
        assert state(pid) in ("T", ""), "it did not wake up meanwhile"
        proof.nothing_stays(cloud, (server_id,))
    stands_for(cloud, guests=0, ports=0)


@pytest.mark.family("QEMU hangs, and wakes up after the action was given up", sample=1)
@pytest.mark.parametrize("action", ["attach_interface", "attach_volume", "image", "pause"])
def test_a_qemu_that_wakes_up_too_late(cloud: Cloud, proof: Proof, action: str) -> None:
    """What it was told while it could not hear does not make it another guest than the ledger knows."""
    server_id = active(cloud, f"late-{action}")
    (pid,) = guests_of(cloud.data)
    with _frozen(pid):
        proof.fired(f"QEMU stopped (pid {pid}) before {action}")
        ask(cloud, server_id, action)
        acts.done_or_told(cloud, server_id, action, LIMIT_S)
        _told(cloud, server_id, action)
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    acts.ended(cloud, server_id, LIMIT_S)
    assert acts.links(cloud, server_id) == []
    assert len(acts.ports(cloud, server_id)) == 1
    wait_for(lambda: _ticks(pid), 60, "the guest to run")
    ask(cloud, server_id, action)
    acts.ended(cloud, server_id, LIMIT_S)
    assert cloud.api.server(server_id)["status"] == DEEDS[action].status
    assert acts.history(cloud, server_id, action)[0]["message"] is None
    proof.nothing_stays(cloud, (server_id,))


@pytest.mark.family("QEMU loses its monitor", sample=2)
@pytest.mark.parametrize("restarted", [False, True], ids=["role stays", "role restarted"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
@pytest.mark.parametrize("action", ["stop", "pause", "attach_volume", "reboot", "delete"])
def test_without_its_monitor(cloud: Cloud, proof: Proof, action: str, how: str, restarted: bool) -> None:
    """An open connection goes on; a role that comes new cannot speak to it, says so, and can end it."""
    server_id = active(cloud, f"deaf-{action}-{how}-{restarted}")
    place = next(cloud.data.glob(f"nodes/*/servers/{server_id}/guest/qmp"))
    place.unlink()
    with socket.socket(socket.AF_UNIX) as nobody:
        if how == "replaced":
            here = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
            nobody.bind(f"/proc/self/fd/{here}/qmp")
            os.close(here)
            nobody.listen(4)
        if restarted:
            cloud.kill("compute")
        proof.fired(f"{place.name} {how} before {action}{', role restarted' if restarted else ''}")
        if action != "delete":
            ask(cloud, server_id, action)
            acts.ended(cloud, server_id, LIMIT_S)
            ends = _ends(action) if restarted else (DEEDS[action].status,)
            proof.promise(cloud, {server_id: ends}, LIMIT_S)
            if restarted:
                _told(cloud, server_id, action)
        proof.nothing_stays(cloud, (server_id,))


@pytest.mark.family("QEMU killed by hand during an action", sample=1)
@pytest.mark.parametrize(
    ("action", "step"),
    [
        (action, step.name)
        for action in TO_A_RUNNING_GUEST
        for step in SERVER_ACTIONS[action].saga.steps
        if not step.name.startswith("report") and step.name not in WITHOUT_GUEST
    ],
)
def test_killed_by_hand(cloud: Cloud, proof: Proof, action: str, step: str) -> None:
    server_id = _ready(cloud, action, f"hand-{action}-{step}")
    point = f"compute.{step}.before"
    cloud.want_fault(f"{point}=hang:1")
    ask(cloud, server_id, action)
    wait_for(lambda: cloud.fired(point), 90, point, every_s=0.02)
    (pid,) = guests_of(cloud.data)
    os.kill(pid, signal.SIGKILL)
    proof.fired(f"QEMU killed (pid {pid}) at {point}")
    acts.ended(cloud, server_id, LIMIT_S)
    proof.promise(cloud, {server_id: (*_ends(action), "SHUTOFF")}, LIMIT_S)
    wait_for(lambda: _as_shown(cloud, server_id), 60, "the ledger to follow")
    proof.nothing_stays(cloud, (server_id,))
    empty(cloud)
    stands_for(cloud, guests=0, ports=0)


# What is around it.


@pytest.mark.family("a volume's process killed by hand", sample=1)
@pytest.mark.parametrize("when", ["attached", "attaching", "detaching"])
def test_the_process_that_serves_its_volume_is_killed(cloud: Cloud, proof: Proof, when: str) -> None:
    point = {"attaching": "compute.plug_volume_in.before", "detaching": "compute.pull_volume_out.before"}.get(when, "")
    server_id = (
        active(cloud, f"disk-{when}") if when == "attaching" else acts.prepared(cloud, "detach_volume", f"disk-{when}", **NANO)
    )
    if point:
        cloud.want_fault(f"{point}=hang:1")
        ask(cloud, server_id, "attach_volume" if when == "attaching" else "detach_volume")
        wait_for(lambda: cloud.fired(point), 30, point, every_s=0.02)
    (pid,) = daemons(cloud)
    os.kill(pid, signal.SIGKILL)
    proof.fired(f"qemu-storage-daemon killed (pid {pid}), {when}")
    acts.ended(cloud, server_id, LIMIT_S)
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    stands_for(cloud, guests=1, ports=1, volumes=int(when != "detaching"))
    assert daemons(cloud) != [pid]
    if when != "detaching":
        ask(cloud, server_id, "detach_volume")
        acts.ended(cloud, server_id, LIMIT_S)
        stands_for(cloud, guests=1, ports=1)
    proof.nothing_stays(cloud, (server_id,))


@pytest.mark.family("DHCP, bridge, namespace or tap gone by hand", sample=2)
@pytest.mark.parametrize("what", ["DHCP", "bridge", "namespace", "tap"])
def test_what_is_taken_away_by_hand_comes_back(cloud: Cloud, proof: Proof, what: str) -> None:
    """By itself; a tap with the next hard reboot, since only QEMU can hold one."""
    server_id = active(cloud, f"taken-{what}")
    stands_for(cloud, guests=1, ports=1)
    (space,), (pid,) = namespaces(cloud), dhcp(cloud)
    inode = Path(f"/run/netns/{space}").stat().st_ino
    if what == "DHCP":
        os.kill(pid, signal.SIGKILL)
    elif what == "namespace":
        subprocess.run(["ip", "netns", "delete", space], check=True)
        assert not namespaces(cloud)
    else:
        link = taps(cloud)[0].split(": ")[1] if what == "tap" else _bridge(space)
        subprocess.run(["nsenter", f"--net=/run/netns/{space}", "ip", "link", "delete", link], check=True)
        assert not taps(cloud)
    proof.fired(f"{what} of {space}")
    if what == "tap":
        cloud.api.send("POST", f"{acts.SERVERS}/{server_id}/action", {"reboot": {"type": "HARD"}})
        acts.ended(cloud, server_id, LIMIT_S)
    stands_for(cloud, guests=1, ports=1)
    proof.recovered()
    assert Path(f"/run/netns/{space}").stat().st_ino == inode, "the namespace that the guest is in"
    proof.promise(cloud, {server_id: ("ACTIVE",)})
    proof.nothing_stays(cloud, (server_id,))
    stands_for(cloud, guests=0, ports=0)


def _ready(cloud: Cloud, action: str, name: str) -> str:
    return active(cloud, name) if action == "delete" else acts.prepared(cloud, action, name, **NANO)


def _ends(action: str) -> tuple[str, ...]:
    return (DEEDS[action].status, *acts.before_states(action))


def _told(cloud: Cloud, server_id: str, action: str) -> None:
    """Whatever was not done has its reason in the history."""
    newest = acts.history(cloud, server_id, action)[0]
    undone = cloud.api.server(server_id)["status"] != DEEDS[action].status
    assert newest["message"] or not undone, newest


def _begins_as_every_console(output: str) -> bool:
    """As far as the guest has come, which may be in the middle of its first word."""
    words = re.sub(r"\x1b(c|\[[0-9?;]*([a-zA-Z]|$)|$)", "", output).strip()
    return "SeaBIOS".startswith(words[:7])


def _as_shown(cloud: Cloud, server_id: str) -> bool:
    running = cloud.api.server(server_id)["status"] in ("ACTIVE", "PAUSED")
    return len(guests_of(cloud.data)) == int(running) or cloud.api.server(server_id)["status"] in ("ERROR", "VERIFY_RESIZE")


def _ticks(pid: int) -> bool:
    """The guest runs: it wakes up at each tick of its clock, 18 times a second; one that is held does not."""

    def woken() -> int:
        said = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(line.split()[1]) for text in said for line in text.splitlines() if line.startswith("voluntary"))

    before = woken()
    time.sleep(1)
    return woken() - before > 12


def _bridge(space: str) -> str:
    return inside(space, lambda: next(name for _, name in socket.if_nameindex() if name.startswith("br")))


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: state(pid) == "T", 5, "it to stand still", every_s=0.01)
    began = time.monotonic()
    try:
        yield
    finally:
        if state(pid):
            os.kill(pid, signal.SIGCONT)
        print(f"stood still for {time.monotonic() - began:.1f} s")
