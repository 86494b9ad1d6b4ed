"""A second set of disks: made beside the first, put in its place and taken back, whatever was cut short."""

import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from kilonova.build.record import Placed
from kilonova.drivers.disks import qcow2, spare
from kilonova.drivers.disks.local import QcowDisks
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from tests.drivers.builds import FileFetch, image_of, no_progress, open_files, placed
from tests.drivers.disks.test_local import MIB, RAW, files, flavor

needs_qemu = pytest.mark.skipif(shutil.which("qemu-io") is None, reason="QEMU's tools are not installed")


def root_of(tmp_path: Path, build: Placed, part: str = "disks") -> Path:
    return tmp_path / "data" / "servers" / build.server_id / part / "root.qcow2"


def write_pattern(disk: Path) -> None:
    subprocess.run(["qemu-io", "-c", "write -P 0xab 1M 1M", str(disk)], check=True, timeout=30, capture_output=True)


def has_pattern(disk: Path) -> bool:
    done = subprocess.run(["qemu-io", "-r", "-c", "read -P 0xab 1M 1M", str(disk)], timeout=30, capture_output=True, text=True)
    return done.returncode == 0 and "verification failed" not in done.stdout


@needs_qemu
async def test_a_new_set_takes_the_place_of_the_old_and_gives_it_back(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW), flavor=flavor(ephemeral_gb=1))
    await disks.assemble(build, no_progress)
    write_pattern(root_of(tmp_path, build))
    other = replace(build, image=fetch.offer(image_of(RAW * 2), RAW * 2))
    for _ in range(2):
        await disks.assemble_beside(other, no_progress, keep_ephemeral=False)
    (root, ephemeral) = await disks.beside(other)
    assert Path(root.path) == root_of(tmp_path, build, "disks.new")
    assert Path(ephemeral.path).exists()
    for _ in range(2):
        await disks.swap_in(build.server_id)
    assert not has_pattern(root_of(tmp_path, build))
    assert len(await disks.existing(other)) == 2
    for _ in range(2):
        await disks.swap_back(build.server_id)
    assert has_pattern(root_of(tmp_path, build))
    await disks.swap_in(build.server_id)
    await disks.drop_spare(build.server_id, kept=False)
    assert root_of(tmp_path, build, "disks.old").exists(), "what is kept is not dropped with what was never used"
    await disks.drop_spare(build.server_id, kept=True)
    assert {path.split("/")[2] for path in files(tmp_path / "data") if path.count("/") > 1} == {"disks"}
    await disks.swap_back(build.server_id)
    assert root_of(tmp_path, build).exists()
    await disks.remove(build.server_id)
    assert files(tmp_path / "data") == set()


@pytest.mark.parametrize("cut_after", [1, 2])
async def test_a_change_cut_short_goes_on_or_back(disks: QcowDisks, fetch: FileFetch, tmp_path: Path, cut_after: int) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW))
    await disks.assemble(build, no_progress)
    root_of(tmp_path, build).with_name("mark").touch()
    await disks.assemble_beside(build, no_progress, keep_ephemeral=False)
    home = root_of(tmp_path, build).parent.parent
    (home / spare.IN_USE).rename(home / spare.OLD)
    if cut_after == 2:
        (home / spare.NEW).rename(home / spare.IN_USE)
    await disks.swap_in(build.server_id)
    assert not (home / "disks" / "mark").exists()
    (home / spare.IN_USE).rename(home / spare.NEW)
    await disks.swap_back(build.server_id)
    assert (home / "disks" / "mark").exists()
    assert (home / spare.NEW).exists()


async def test_without_a_second_set_nothing_is_swapped(disks: QcowDisks, fetch: FileFetch) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW))
    with pytest.raises(BuildFailed):
        await disks.swap_in(build.server_id)
    with pytest.raises(BuildFailed):
        await disks.beside(build)
    await disks.swap_back(build.server_id)
    await disks.drop_spare(build.server_id, kept=True)
    with pytest.raises(BuildFailed):
        await disks.assemble_beside(placed(None), no_progress, keep_ephemeral=False)


@needs_qemu
async def test_a_copy_is_larger_and_holds_the_same(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW), flavor=flavor(ephemeral_gb=1, swap_mb=16))
    await disks.assemble(build, no_progress)
    write_pattern(root_of(tmp_path, build))
    write_pattern(root_of(tmp_path, build).with_name("ephemeral0.qcow2"))
    larger = replace(build, flavor=flavor(disk_gb=700, ephemeral_gb=2, swap_mb=32))
    before = open_files()
    await disks.copy_beside(larger)
    await disks.copy_beside(larger)
    assert open_files() == before
    await disks.swap_in(build.server_id)
    root, ephemeral, swap = await disks.existing(larger)
    assert [one.size for one in (root, ephemeral, swap)] == [700 << 30, 2 << 30, 32 * MIB]
    for disk in (root, ephemeral, swap):
        subprocess.run(["qemu-img", "check", "-q", disk.path], check=True, timeout=30)
        assert qcow2.read_header(Path(disk.path)).virtual_size == disk.size
    assert has_pattern(Path(root.path))
    assert has_pattern(Path(ephemeral.path))
    write_pattern(Path(root.path))
    subprocess.run(["qemu-io", "-c", "write -P 0xcd 690G 1M", root.path], check=True, timeout=30, capture_output=True)
    subprocess.run(["qemu-img", "check", "-q", root.path], check=True, timeout=30)
    assert Path(root.path).stat().st_blocks * 512 < 20 * MIB, "holes stay holes"


async def test_what_cannot_be_grown_is_refused(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    qcow2.create(disk, 8 * MIB)
    for size in (4 * MIB, 5 << 40):
        with pytest.raises(BuildFailed):
            qcow2.grow(disk, size)
    assert qcow2.read_header(disk).virtual_size == 8 * MIB
    disk.write_bytes(b"no disk at all" * 100)
    with pytest.raises(BuildFailed):
        qcow2.grow(disk, 16 * MIB)


async def test_a_copy_without_a_source_leaves_nothing(disks: QcowDisks, tmp_path: Path) -> None:
    build = placed(None, server_id=ServerId("gone"))
    with pytest.raises(BuildFailed):
        await disks.copy_beside(build)
    assert await disks.inventory() == set()


@needs_qemu
async def test_the_ephemeral_disk_is_kept_when_asked(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW), flavor=flavor(ephemeral_gb=1))
    await disks.assemble(build, no_progress)
    write_pattern(root_of(tmp_path, build).with_name("ephemeral0.qcow2"))
    await disks.assemble_beside(build, no_progress, keep_ephemeral=True)
    await disks.swap_in(build.server_id)
    await disks.drop_spare(build.server_id, kept=True)
    assert has_pattern(root_of(tmp_path, build).with_name("ephemeral0.qcow2"))
