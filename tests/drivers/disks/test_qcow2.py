"""QEMU's own tools judge the headers we write."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from kilonova.drivers.disks import qcow2
from kilonova.errors import BuildFailed

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


def qemu_img(*words: object) -> str:
    return subprocess.run(["qemu-img", *map(str, words)], check=True, capture_output=True, text=True, timeout=30).stdout


@needs_qemu_img
@pytest.mark.parametrize("size", [512, 1 << 30, (512 << 20) + 512, 9 << 40, 20 << 30])
def test_a_blank_disk_is_sound(tmp_path: Path, size: int) -> None:
    qcow2.create(tmp_path / "disk", size)
    assert "No errors" in qemu_img("check", tmp_path / "disk")
    assert json.loads(qemu_img("info", "--output=json", tmp_path / "disk"))["virtual-size"] == size
    assert (tmp_path / "disk").stat().st_blocks * 512 < 1 << 18


@needs_qemu_img
@pytest.mark.parametrize("backing_format", ["raw", "qcow2"])
def test_an_overlay_shows_its_backing_and_keeps_what_is_written(tmp_path: Path, backing_format: str) -> None:
    (tmp_path / "plain").write_bytes(b"\xaa" * 65536 * 3)
    qemu_img("convert", "-f", "raw", "-O", backing_format, tmp_path / "plain", tmp_path / "image")
    before = (tmp_path / "image").read_bytes()
    qcow2.create(tmp_path / "disk", 5 << 20, ("image", backing_format))
    info = json.loads(qemu_img("info", "--output=json", tmp_path / "disk"))
    assert (info["backing-filename"], info["backing-filename-format"]) == ("image", backing_format)
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "read -P 0xaa 0 196608", "-c", "write -P 0xbb 65536 65536", str(tmp_path / "disk")],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    assert "No errors" in qemu_img("check", tmp_path / "disk")
    qemu_img("convert", "-O", "raw", tmp_path / "disk", tmp_path / "flat")
    content = (tmp_path / "flat").read_bytes()
    assert content == (b"\xaa" * 65536 + b"\xbb" * 65536 + b"\xaa" * 65536).ljust(5 << 20, b"\0")
    assert (tmp_path / "image").read_bytes() == before


def test_sizes_are_rounded_up_and_absurd_ones_refused(tmp_path: Path) -> None:
    qcow2.create(tmp_path / "disk", 513)
    assert qcow2.read_header(tmp_path / "disk") == qcow2.Header(1024, False, False, False)
    for size in (0, -1, 1 << 60):
        with pytest.raises(BuildFailed):
            qcow2.create(tmp_path / "other", size)
    assert not (tmp_path / "other").exists()


def test_an_existing_disk_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"data")
    with pytest.raises(FileExistsError):
        qcow2.create(tmp_path / "disk", 1 << 20)
    assert (tmp_path / "disk").read_bytes() == b"data"


@needs_qemu_img
def test_headers_of_others_are_read(tmp_path: Path) -> None:
    for options in ("compat=0.10", "compat=1.1"):
        qemu_img("create", "-q", "-f", "qcow2", "-o", options, tmp_path / "old", "3M")
        assert qcow2.read_header(tmp_path / "old") == qcow2.Header(3 << 20, False, False, False)
    qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", tmp_path / "old", tmp_path / "over")
    assert qcow2.read_header(tmp_path / "over").has_backing
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", tmp_path / "split", "1M")
    assert qcow2.read_header(tmp_path / "split").has_external_data
    secret = ("--object", "secret,id=s,data=x", "-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10")
    qemu_img("create", "-q", "-f", "qcow2", *secret, tmp_path / "luks", "1M")
    assert qcow2.read_header(tmp_path / "luks").encrypted


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", b"\0" * 200, b"QFI\xfb" + struct.pack(">I", 9) + b"\0" * 100])
def test_what_is_no_qcow2_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(BuildFailed):
        qcow2.read_header(tmp_path / "image")
