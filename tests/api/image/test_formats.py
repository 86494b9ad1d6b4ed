"""What uploads hold: hostile contents are refused, wrong ones recorded and not booted. Made with qemu-img, or by hand."""

import asyncio
import os
import shutil
import struct
import subprocess
from pathlib import Path

import httpx
import pytest

from kilonova.errors import BadRequest
from kilonova.model.image import BootImage
from kilonova.model.images import Viewer
from tests.api.image.conftest import ImageCloud, create, show, upload

QEMU_IMG = shutil.which("qemu-img")
needs_qemu_img = pytest.mark.skipif(QEMU_IMG is None, reason="qemu-img is not installed")
MEGABYTE = 1 << 20


def _qemu_img(*arguments: str | Path) -> None:
    subprocess.run([str(QEMU_IMG), *map(str, arguments)], check=True, capture_output=True, timeout=60)


def _made(folder: Path, kind: str, *options: str, size: str = "10M") -> bytes:
    path = folder / "made"
    _qemu_img("create", "-q", "-f", kind, *options, path, size)
    return path.read_bytes()


def _qcow2_header(**changes: int) -> bytes:
    """A version 3 header; the rest of the file is zeros."""
    values = {"backing": 0, "size": MEGABYTE, "crypt": 0, "version": 3, "features": 0} | changes
    head = struct.pack(">4sIQIIQI", b"QFI\xfb", values["version"], values["backing"], 8, 16, values["size"], values["crypt"])
    return head.ljust(72, b"\0") + struct.pack(">Q", values["features"]) + bytes(64 * 1024)


def _vmdk(descriptor: str) -> bytes:
    header = struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 20480, 128, 1, 20, 512, 21, 26)
    return header.ljust(512, b"\0") + descriptor.encode().ljust(20 * 512, b"\0") + bytes(64 * 1024)


def _descriptor(kind: str, extent: str) -> str:
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="{kind}"\n{extent}\nddb.adapterType = "ide"\n'
    )


def _iso() -> bytes:
    descriptor = b"\x01CD001\x01".ljust(80, b"\0") + struct.pack("<L", 100) + bytes(44) + struct.pack("<H", 2048)
    return bytes(32 * 1024) + descriptor.ljust(2048, b"\0") + bytes(200 * 1024)


async def _boot(cloud: ImageCloud, image_id: str) -> BootImage:
    return await cloud.ledger.read(lambda books: books.images.for_boot(image_id, Viewer(project_id="alice")))


HOSTILE = {
    "qcow2 backing file": (_qcow2_header(backing=512), "backing file"),
    "qcow2 data file": (_qcow2_header(features=4), "external data file"),
    "qcow2 unknown feature": (_qcow2_header(features=1 << 40), "not known to be safe"),
    "qcow2 version 1": (_qcow2_header(version=1), "not known to be safe"),
    "qcow2 bomb": (_qcow2_header(size=(16 << 40) + 1), "claims a size"),
    "vmdk flat extent": (_vmdk(_descriptor("monolithicFlat", 'RW 20480 FLAT "/etc/shadow" 0')), "self-contained"),
    "vmdk path in extent": (_vmdk(_descriptor("monolithicSparse", 'RW 20480 SPARSE "/etc/shadow"')), "self-contained"),
    "vmdk without extents": (_vmdk(_descriptor("monolithicSparse", "")), "self-contained"),
    "vmdk text only": (_descriptor("monolithicFlat", 'RW 20480 FLAT "/etc/shadow" 0').encode(), "self-contained"),
    "vmdk descriptor elsewhere": (
        struct.pack("<4sIIQQQQIQQ", b"KDMV", 1, 3, 9, 9, 7, 20, 9, 9, 9) + bytes(9000),
        "self-contained",
    ),
    "qed": (b"QED\0" + bytes(2000), "not allowed"),
    "two in one": (_qcow2_header()[:32768].ljust(32768, b"\0") + _iso()[32768:], "several formats"),
}


@pytest.mark.parametrize("declared", ["raw", "qcow2"])
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_content_is_refused_at_once(alice: httpx.AsyncClient, cloud: ImageCloud, name: str, declared: str) -> None:
    data, reason = HOSTILE[name]
    image = await create(alice, disk_format=declared)
    answer = await upload(alice, image["id"], data)
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["message"]
    after = await show(alice, image["id"])
    assert (after["status"], after["size"], after["checksum"]) == ("queued", None, None)
    assert cloud.files() == []


@needs_qemu_img
async def test_what_qemu_img_makes_hostile_is_refused(alice: httpx.AsyncClient, cloud: ImageCloud, tmp_path: Path) -> None:
    _made(tmp_path, "raw")
    (tmp_path / "made").rename(tmp_path / "base")
    overlay = _made(tmp_path, "qcow2", "-F", "raw", "-b", str(tmp_path / "base"))
    external = _made(tmp_path, "qcow2", "-o", f"data_file={tmp_path}/outside,data_file_raw=on")
    flat = _made(tmp_path, "vmdk", "-o", "subformat=monolithicFlat")
    for data in (overlay, external, flat):
        image = await create(alice, disk_format="qcow2")
        answer = await upload(alice, image["id"], data)
        assert answer.status_code == 400, answer.text
    assert cloud.files() == []


@needs_qemu_img
@pytest.mark.parametrize("options", [(), ("-o", "compat=0.10"), ("-o", "cluster_size=2M,lazy_refcounts=on")])
async def test_a_good_qcow2_boots(alice: httpx.AsyncClient, cloud: ImageCloud, tmp_path: Path, options: tuple[str, ...]) -> None:
    data = _made(tmp_path, "qcow2", *options, size="1G")
    image = await create(alice, disk_format="qcow2", min_disk=1, min_ram=64, hw_disk_bus="virtio")
    assert (await upload(alice, image["id"], data)).status_code == 204
    assert (await show(alice, image["id"]))["virtual_size"] == 1 << 30
    boot = await _boot(cloud, image["id"])
    assert (boot.disk_format, boot.virtual_size, boot.size) == ("qcow2", 1 << 30, len(data))
    assert (boot.min_disk_gb, boot.min_ram_mb, boot.properties) == (1, 64, {"hw_disk_bus": "virtio"})


def _partitioned(kind: int) -> bytes:
    entry = struct.pack("<B3BB3BII", 0x80, 0, 2, 0, kind, 255, 255, 255, 1, 2000)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa" + os.urandom(MEGABYTE - 512)


@pytest.mark.parametrize(
    "data",
    [
        os.urandom(MEGABYTE),
        b"text first\n" * 60 + bytes([200]) * MEGABYTE,
        _partitioned(0xEE),
        _partitioned(0x83),
        bytes(510) + b"\x55\xaa" + bytes(1000),
        b"x",
        _qcow2_header()[:100],
    ],
    ids=["noise", "text", "gpt", "mbr", "no partitions", "one byte", "torn qcow2"],
)
async def test_raw_is_raw(alice: httpx.AsyncClient, cloud: ImageCloud, data: bytes) -> None:
    """Also what looks partitioned: to QEMU, told that it is raw, it is just bytes."""
    image = await create(alice)
    assert (await upload(alice, image["id"], data)).status_code == 204
    boot = await _boot(cloud, image["id"])
    assert (boot.disk_format, boot.virtual_size, boot.size) == ("raw", len(data), len(data))


async def test_an_iso_boots(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice, disk_format="iso")
    assert (await upload(alice, image["id"], _iso())).status_code == 204
    boot = await _boot(cloud, image["id"])
    assert (boot.disk_format, boot.virtual_size) == ("iso", len(_iso()))


@pytest.mark.parametrize(
    ("declared", "data", "reason"),
    [
        ("raw", _qcow2_header(), "declared raw but the content is qcow2"),
        ("qcow2", b"just bytes" * 100, "declared qcow2 but the content is raw"),
        ("qcow2", _iso(), "declared qcow2 but the content is iso"),
        ("raw", b"LUKS\xba\xbe\0\1" + bytes(5000), "declared raw but the content is luks"),
        ("qcow2", _qcow2_header(crypt=2), "it is encrypted"),
        ("qcow2", _qcow2_header(features=2), "it is marked as corrupt"),
        ("raw", b"", "it is empty"),
        ("vdi", bytes(64) + struct.pack("<I", 0xBEDA107F) + bytes(5000), "needs the disk format qcow2, raw or iso"),
    ],
)
async def test_what_cannot_be_booted_is_kept_and_says_why(
    alice: httpx.AsyncClient, cloud: ImageCloud, declared: str, data: bytes, reason: str
) -> None:
    image = await create(alice, disk_format=declared)
    assert (await upload(alice, image["id"], data)).status_code == 204
    assert (await alice.get(f"/v2/images/{image['id']}/file")).content == data
    with pytest.raises(BadRequest, match=reason):
        await _boot(cloud, image["id"])


async def test_an_image_without_data_does_not_boot(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice)
    with pytest.raises(BadRequest, match="not active"):
        await _boot(cloud, image["id"])


@needs_qemu_img
@pytest.mark.parametrize("kind", ["vmdk", "vdi", "vpc", "vhdx"])
async def test_other_formats_are_known(alice: httpx.AsyncClient, cloud: ImageCloud, tmp_path: Path, kind: str) -> None:
    data = await asyncio.to_thread(_made, tmp_path, kind)
    declared = "vhd" if kind == "vpc" else kind
    image = await create(alice, disk_format=declared)
    answer = await upload(alice, image["id"], data)
    assert answer.status_code == 204, answer.text
    assert (await show(alice, image["id"]))["virtual_size"] >= 10 * MEGABYTE
    with pytest.raises(BadRequest, match="cannot be booted"):
        await _boot(cloud, image["id"])


async def test_no_bytes_at_all_are_our_fault(alice: httpx.AsyncClient) -> None:
    """Headers of every format, torn at every length that matters, and with noise behind them."""
    starts = [
        b"QFI\xfb",
        b"KDMV",
        b"QED\0",
        b"conectix",
        b"vhdxfile",
        b"LUKS\xba\xbe",
        b"# Disk DescriptorFile\n",
        bytes(64) + b"\x7f\x10\xda\xbe",
    ]
    for start in starts:
        for length in (0, 5, 44, 64, 100, 508, 512, 70_000, 400_000):
            image = await create(alice)
            answer = await upload(alice, image["id"], start + os.urandom(length))
            assert answer.status_code in (204, 400), (start, length, answer.text)
