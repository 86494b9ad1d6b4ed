"""Copies of a real guest's disk: while it runs, while it stands still, while it is off; whole and flat, and nothing left open."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from kilonova.drivers.disks import qcow2
from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor.qemu import QemuHypervisor
from kilonova.errors import BuildFailed
from kilonova.model.guest import Disk
from tests.drivers.builds import FileFetch, image_of, no_progress, open_files, placed, qemus_of, wired
from tests.drivers.disks.test_spare import has_pattern, write_pattern

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(shutil.which("qemu-io") is None, reason="QEMU's tools are not installed")]


@pytest.fixture(scope="module")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop the roles run on: open files are handed to QEMU through its sockets."""
    return uvloop.new_event_loop


BASE = b"\x55" * (1 << 20)


def holds_base_and_pattern(copy: Path) -> bool:
    """What the image had, and what was written over it."""
    done = subprocess.run(["qemu-io", "-r", "-c", "read -P 0x55 0 1M", str(copy)], capture_output=True, text=True, timeout=30)
    subprocess.run(["qemu-img", "check", "-q", str(copy)], check=True, timeout=30)
    header = qcow2.read_header(copy)
    return (
        "verification failed" not in done.stdout
        and has_pattern(copy)
        and not header.has_backing
        and header.virtual_size == 1 << 30
    )


@pytest.mark.parametrize("state", ["running", "paused", "off"])
async def test_the_copy_is_whole(hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch, state: str) -> None:
    build = placed(fetch.offer(image_of(BASE), BASE), task_id="t-1")
    made = await disks.assemble(build, no_progress)
    write_pattern(Path(made[0].path))
    await hypervisor.start(wired(build, made), made)
    if state == "paused":
        await hypervisor.pause(build.server_id)
    if state == "off":
        await hypervisor.stop_now(build.server_id)
    before, power = open_files(), await hypervisor.guests()
    for _ in range(2):
        copy = await disks.blank_copy(build)
        await hypervisor.copy_root(build, made, copy, no_progress)
        assert holds_base_and_pattern(copy)
    assert copy.stat().st_blocks * 512 < 8 << 20, "what is blank takes no room"
    assert open_files() == before
    assert await hypervisor.guests() == power
    assert len(qemus_of(build.server_id)) == (0 if state == "off" else 1)
    await disks.drop_copy(build)
    await disks.drop_copy(build)
    assert not copy.parent.exists()


async def test_what_cannot_be_copied_says_so_and_harms_no_guest(
    hypervisor: QemuHypervisor, disks: QcowDisks, fetch: FileFetch, tmp_path: Path
) -> None:
    build = placed(fetch.offer(image_of(BASE), BASE), task_id="t-1")
    made = await disks.assemble(build, no_progress)
    await hypervisor.start(wired(build, made), made)
    small = tmp_path / "small"
    qcow2.create(small, 1 << 20)
    with pytest.raises(BuildFailed):
        await hypervisor.copy_root(build, made, small, no_progress)
    with pytest.raises(BuildFailed):
        await hypervisor.copy_root(build, (), small, no_progress)
    copy = await disks.blank_copy(build)
    await hypervisor.copy_root(build, made, copy, no_progress)
    assert await hypervisor.guests() == {build.server_id: "running"}
    await hypervisor.stop_now(build.server_id)
    lost = tuple(Disk(name="root", path=str(tmp_path / "none"), format="qcow2", size=1) for _ in "1")
    with pytest.raises(BuildFailed):
        await hypervisor.copy_root(build, lost, copy, no_progress)
    assert copy.parent.stat().st_mode & 0o077 == 0, "nobody else may look into it"
    assert not (tmp_path / "data" / "servers" / build.server_id / "copying").exists()


LOOP = """
import asyncio, sys
from pathlib import Path
import uvloop
from tests.drivers.builds import *
from kilonova.drivers.disks.local import QcowDisks
from kilonova.drivers.hypervisor.plugs import UserPlugs
from kilonova.drivers.hypervisor.qemu import QemuHypervisor

async def role(root):
    fetch, blank = FileFetch(), b"\\0" * 65536
    build = placed(fetch.offer(image_of(blank), blank), task_id="t")
    disks, hypervisor = QcowDisks(root, fetch), QemuHypervisor(HostName("h"), root, UserPlugs())
    made = await disks.assemble(build, no_progress)
    await hypervisor.start(wired(build, made), made)
    try:
        await hypervisor.copy_root(build, made, await disks.blank_copy(build), no_progress)
    finally:
        await hypervisor.destroy(build.server_id)
        await hypervisor.close()
    print("copied")

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(role(Path(sys.argv[1])))
"""


async def test_files_are_handed_over_on_the_loop_that_roles_run_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    words = (sys.executable, "-c", LOOP, str(tmp_path / "data"))
    pipe, home = asyncio.subprocess.PIPE, Path(__file__).parents[3]
    role = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe, cwd=home)
    async with asyncio.timeout(60):
        said, wrong = await role.communicate()
    assert (role.returncode, said) == (0, b"copied\n"), wrong.decode()
