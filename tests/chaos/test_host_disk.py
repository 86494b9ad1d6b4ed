"""A host whose disk is full: what does not fit is built on the next one or fails with a reason; what was under way goes on."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from tests.chaos.disks import NEEDS_ROOT, SmallDisk, full, standing, up_on
from tests.chaos.killing import LIMIT_S
from tests.chaos.moments import OPERATIONS, Moment, ends_well, in_the_middle, moments, without_quota
from tests.chaos.proof import Proof, guests
from tests.cloud.processes import processes_of
from tests.cloud.running import Cloud, Machine, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(400), *NEEDS_ROOT]

FULL_S = 3.0
MOST = 60
"""Builds until a journal has no room."""
IMAGE_MB, ROOM_MB = 24, 16
SMALL = "small-host"
IN_COMPUTE = [moment for name in OPERATIONS for moment in moments(name) if moment.point.startswith("compute.")]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, SmallDisk]]:
    """A cloud whose compute node's journal lies on a small disk of its own."""
    folder = tmp_path_factory.mktemp("journal")
    cloud = Cloud(folder, hosts=2, faults="file", build_limit_s=LIMIT_S)
    home = cloud.data / "nodes" / "simulated"
    home.mkdir(parents=True)
    disk = SmallDisk(folder / "small", 3)
    (home / "journal.sqlite").symlink_to(disk.folder / "journal.sqlite")
    with up_on(disk, cloud):
        without_quota(cloud)
        yield cloud, disk


@pytest.mark.family("host's journal has no room", sample=2)
@pytest.mark.parametrize("moment", IN_COMPUTE, ids=str)
def test_the_journal_cannot_be_written_for_a_while(journal: tuple[Cloud, SmallDisk], proof: Proof, moment: Moment) -> None:
    """What is accepted meanwhile waits; what is under way goes on, or goes back and is tried again."""
    cloud, disk = journal
    server_id = in_the_middle(cloud, moment, f"no-journal-{moment}")
    said = len(cloud.log("compute"))
    meanwhile: list[str] = []
    _empty_log(disk.folder / "journal.sqlite")
    with full(disk):
        while not _no_room(cloud.log("compute")[said:]):
            assert len(meanwhile) < MOST, "the journal still has room"
            meanwhile.append(cloud.api.build(f"meanwhile-{moment}-{len(meanwhile)}"))
            time.sleep(0.5)
        time.sleep(FULL_S)
    proof.fired(f"{_no_room(cloud.log('compute')[said:])} at {moment}")
    proof.promise(cloud, dict.fromkeys(meanwhile, ("ACTIVE",)), LIMIT_S)
    proof.recovery_s = None  # it is over when what was under way is
    for one in meanwhile:
        cloud.api.delete(one, LIMIT_S)
    ends_well(cloud, proof, moment.operation, server_id)


def _empty_log(journal: Path) -> None:
    """Room that the log beside a journal has already would be enough for long."""
    database = sqlite.connect(journal)
    database.execute("PRAGMA busy_timeout = 5000")
    assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    database.close()


def _no_room(text: str) -> str:
    """What SQLite said of it, or nothing."""
    return next((words for words in ("database or disk is full", "disk I/O error") if words in text), "")


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
@pytest.mark.family("host out of disk", sample=1)
def test_what_fits_nowhere_is_an_error_with_a_reason(tmp_path: Path, proof: Proof) -> None:
    """One real host, with less room than the image takes."""
    cloud = _real_cloud(tmp_path)
    with standing(cloud):
        home = cloud.data / "nodes" / os.uname().nodename
        with _little_room(home / "cache") as disk:
            server_id = cloud.api.build("does-not-fit", imageRef=_large_image(cloud), networks="none")
            server = cloud.api.settled(server_id, LIMIT_S)
            proof.fired(f"{disk.folder.name}: {server['fault']['message']}")
            assert server["status"] == "ERROR"
            assert "No space" in server["fault"]["message"] or "room" in server["fault"]["message"]
            proof.promise(cloud, {server_id: ("ERROR",)}, LIMIT_S)
            assert not list(home.glob("servers/*"))
            assert list(disk.folder.iterdir()) == []
        proof.nothing_stays(cloud, [server_id])
    Machine(cloud.data).assert_clean()


@pytest.mark.qemu
@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
@pytest.mark.family("host out of disk", sample=1)
def test_what_does_not_fit_is_built_on_the_next_host(tmp_path: Path, proof: Proof) -> None:
    """Two real hosts of one machine; on one of them there is no room for the image."""
    cloud = _real_cloud(tmp_path)
    with standing(cloud), _little_room(tmp_path / "second" / "nodes" / SMALL / "cache"), _second_host(cloud, tmp_path / "second"):
        image = _large_image(cloud)
        ids = [cloud.api.build(f"somewhere-{number}", imageRef=image, networks="none") for number in range(4)]
        for server_id in ids:
            assert cloud.api.settled(server_id, LIMIT_S)["status"] == "ACTIVE", cloud.api.server(server_id)
        moved = [server_id for server_id in ids if _tried_first(cloud, server_id) == SMALL]
        proof.fired(f"{len(moved)} of {len(ids)} were to be built on {SMALL}")
        assert moved, "the scheduler chose the small host for none of them"
        assert {cloud.api.server(server_id)["OS-EXT-SRV-ATTR:host"] for server_id in ids} == {os.uname().nodename}
        proof.promise(cloud, dict.fromkeys(ids, ("ACTIVE",)), LIMIT_S)
        assert guests(cloud) == dict.fromkeys(ids, 1)
        for server_id in ids:
            cloud.api.delete(server_id, LIMIT_S)
        wait_for(lambda: not list((tmp_path / "second" / "nodes" / SMALL).glob("servers/*")), 30, "nothing on the small host")
        proof.nothing_stays(cloud, [])
    Machine(cloud.data).assert_clean()


def _real_cloud(folder: Path) -> Cloud:
    return Cloud(folder, "--hypervisor", "qemu", build_limit_s=LIMIT_S, network="user")


@contextmanager
def _little_room(folder: Path) -> Iterator[SmallDisk]:
    """For the images of a host."""
    with SmallDisk(folder, ROOM_MB) as disk:
        yield disk


@contextmanager
def _second_host(cloud: Cloud, data: Path) -> Iterator[None]:
    """Another machine's compute node, as far as its name and its data folder are concerned."""
    text = cloud.verb("credential", SMALL, "--role", "compute").stdout
    place = data / "credentials" / f"{SMALL}.creds"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    url = (cloud.data / "run" / "nats.url").read_text().strip()
    said = {"KILONOVA_NATS_URL": url, "KILONOVA_PUBLIC_URL": f"http://{cloud.listen}", "KILONOVA_HYPERVISOR": "qemu"}
    argv = [
        "unshare",
        "--uts",
        "sh",
        "-c",
        f'hostname {SMALL} && exec "$0" "$@"',
        sys.executable,
        "-m",
        "kilonova.cli",
        "compute",
    ]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            [*argv, "--data", str(data)], env={**os.environ, **cloud.environment, **said}, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: cloud.rows(f"SELECT name FROM hosts WHERE name = '{SMALL}'"), 60, "the second host")
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        assert processes_of(data) == []


def _large_image(cloud: Cloud) -> str:
    """One that cannot be made smaller by leaving out its zeros."""
    made = {"name": "large", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = str(cloud.api.send("POST", "/image/v2/images", made)["id"])
    cloud.api.send("PUT", f"/image/v2/images/{image_id}/file", os.urandom(IMAGE_MB << 20))
    return image_id


def _tried_first(cloud: Cloud, server_id: str) -> str:
    """The host of the first attempt, as the trace tells it."""
    found = cloud.verb("trace", server_id, "--json", check=False).stdout
    return SMALL if SMALL in found else ""
