"""A server's disks: which there are, that none is left by a failure, and that none is made twice."""

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pycdlib
import pytest

from kilonova.drivers.disks import qcow2
from kilonova.drivers.disks.local import QcowDisks
from kilonova.errors import BadRequest, BuildFailed, Unavailable
from kilonova.model.flavor import Flavor
from kilonova.model.ids import FlavorId, ServerId
from tests.drivers.builds import FileFetch, image_of, no_progress, open_files, placed, wired

MIB = 1 << 20
RAW = b"\x55" * MIB


def flavor(**known: int) -> Flavor:
    return Flavor(**{"id": FlavorId("1"), "name": "f", "vcpus": 1, "ram_mb": 64, "disk_gb": 1, **known})  # type: ignore[arg-type]


def files(root: Path) -> set[str]:
    """What belongs to servers."""
    return {str(path.relative_to(root)) for path in (root / "servers").rglob("*")}


async def test_root_ephemeral_and_swap(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    image = fetch.offer(image_of(RAW), RAW)
    build = placed(image, flavor=flavor(ephemeral_gb=2, swap_mb=16), image_ticket="tick")
    root, ephemeral, swap = await disks.assemble(build, no_progress)
    assert [(disk.name, disk.size) for disk in (root, ephemeral, swap)] == [
        ("root", 1 << 30), ("ephemeral0", 2 << 30), ("swap", 16 * MIB),
    ]  # fmt: skip
    assert (root.format, root.backing_format, root.boot_index) == ("qcow2", "raw", 0)
    assert root.backing_path and Path(root.backing_path).read_bytes() == RAW
    assert fetch.fetched == [(image.id, "tick")]
    assert await disks.inventory() == {build.server_id}
    if shutil.which("qemu-img"):
        for disk in (root, ephemeral, swap):
            subprocess.run(["qemu-img", "check", "-q", disk.path], check=True, timeout=30)
    await disks.remove(build.server_id)
    await disks.remove(build.server_id)
    assert files(tmp_path / "data") == set()
    assert await disks.inventory() == set()


async def test_a_second_time_nothing_is_touched(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW))
    first = await disks.assemble(build, no_progress)
    Path(first[0].path).write_bytes(b"what a guest wrote")
    again = await QcowDisks(tmp_path / "data", fetch).assemble(build, no_progress)
    assert again == first
    assert Path(first[0].path).read_bytes() == b"what a guest wrote"
    assert len(fetch.fetched) == 1


async def test_no_flavor_disk_means_the_images_size(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    qcow2.create(tmp_path / "q", 7 * MIB)
    content = (tmp_path / "q").read_bytes()
    image = fetch.offer(image_of(content, "qcow2", virtual_size=99), content)
    (root,) = await disks.assemble(placed(image, flavor=flavor(disk_gb=0)), no_progress)
    assert (root.size, root.backing_format) == (7 * MIB, "qcow2")
    assert qcow2.read_header(Path(root.path)).virtual_size == 7 * MIB


async def test_an_iso_is_a_cdrom_beside_a_blank_root(disks: QcowDisks, fetch: FileFetch) -> None:
    image = fetch.offer(image_of(RAW, "iso"), RAW)
    root, cdrom = await disks.assemble(placed(image), no_progress)
    assert (root.name, root.backing_path, root.boot_index) == ("root", None, 0)
    assert (cdrom.format, cdrom.read_only, cdrom.boot_index) == ("iso", True, 1)
    assert Path(cdrom.path).read_bytes() == RAW
    (only,) = await disks.assemble(placed(image, flavor=flavor(disk_gb=0)), no_progress)
    assert only.name == "cdrom"


async def test_failures_leave_nothing(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    qcow2.create(tmp_path / "large", 3 << 30)
    qcow2.create(tmp_path / "backed", MIB, ("/etc/shadow", "raw"))
    large, backed = (tmp_path / "large").read_bytes(), (tmp_path / "backed").read_bytes()
    fetch.failures = [Unavailable("broken off")]
    cases = [
        (fetch.offer(image_of(RAW), RAW), Unavailable, "broken off"),  # fails in the middle
        (fetch.offer(image_of(RAW), RAW[:-1] + b"?"), BuildFailed, "checksum"),
        (fetch.offer(image_of(large, "qcow2"), large), BuildFailed, "larger than the flavor's disk: it needs 3 GB"),
        (fetch.offer(image_of(backed, "qcow2"), backed), BuildFailed, "other files"),
        (fetch.offer(image_of(RAW, "qcow2"), RAW), BuildFailed, "not in the format"),
        (fetch.offer(image_of(RAW, "vmdk"), RAW), BuildFailed, "vmdk"),
    ]
    before = open_files()
    for image, error, words in cases:
        with pytest.raises(error, match=words):
            await disks.assemble(placed(image), no_progress)
        assert files(tmp_path / "data") == set()
        assert await disks.inventory() == set()
    assert not list((tmp_path / "data" / "cache").glob("*.part"))
    assert open_files() - before == set()


async def test_half_of_an_earlier_process_is_no_obstacle(disks: QcowDisks, fetch: FileFetch, tmp_path: Path) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW))
    half = tmp_path / "data" / "servers" / build.server_id / "disks.half"
    half.mkdir(parents=True)
    (half / "root.qcow2").write_bytes(b"half")
    assert await disks.inventory() == {build.server_id}
    await disks.assemble(build, no_progress)
    assert not half.exists()


async def test_the_config_drive_holds_the_metadata(disks: QcowDisks, fetch: FileFetch) -> None:
    build = placed(fetch.offer(image_of(RAW), RAW), user_data="aGVsbG8=")
    complete = wired(build, await disks.assemble(build, no_progress))
    for _ in range(2):
        drive = await disks.add_config_drive(complete)
    assert (drive.name, drive.format, drive.read_only, drive.boot_index) == ("config", "iso", True, None)
    assert Path(drive.path).stat().st_size == drive.size
    assert b"config-2" in Path(drive.path).read_bytes()[0x8000:0x8800]
    for facade in ("rr_path", "joliet_path"):
        iso = pycdlib.PyCdlib()
        iso.open(drive.path)
        body = BytesIO()
        iso.get_file_from_iso_fp(body, **{facade: "/openstack/latest/user_data"})
        assert body.getvalue() == b"hello"
        iso.close()
    assert len([*Path(drive.path).parent.glob("config*")]) == 1


async def test_without_disks_there_is_no_config_drive(disks: QcowDisks, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed):
        await disks.add_config_drive(wired(placed(), ()))
    assert files(tmp_path / "data") == set()


async def test_a_servers_id_is_not_a_path(disks: QcowDisks) -> None:
    for bad in ("../x", "", "a/b", ".."):
        with pytest.raises(BadRequest):
            await disks.remove(ServerId(bad))


async def test_a_strangers_folder_is_no_server(disks: QcowDisks, tmp_path: Path) -> None:
    (tmp_path / "data" / "servers" / "lost+found" / "disks").mkdir(parents=True)
    assert await disks.inventory() == set()


async def test_a_server_that_boots_from_a_volume_has_only_its_other_disks(disks: QcowDisks, tmp_path: Path) -> None:
    build = placed(None)
    made = await disks.assemble(build, no_progress)
    assert made == await disks.existing(build)
    assert not any(disk.name == "root" for disk in made)
    assert await disks.inventory() == {build.server_id}
    await disks.remove(build.server_id)
    assert await disks.inventory() == set()
