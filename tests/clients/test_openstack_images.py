"""The stock command line: images from a file and back, their properties, tags, owners; what is refused at upload and why."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.session import Session

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.usefixtures("nothing_left")]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A raw disk with something in it."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(range(256)) * 4096)
    return disk


@TWICE
def test_the_life_of_an_image(osc: Session, file: Path, tmp_path: Path, turn: str) -> None:
    made = osc.show(
        *("image", "create", "--file", str(file), "--disk-format", "raw", "--container-format", "bare"),
        *("--property", "hw_disk_bus=virtio", "--tag", "one", "--min-disk", "1", "--min-ram", "32", "--public", "disk"),
    )
    digest = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    assert (made["status"], made["size"], made["checksum"]) == ("active", 1 << 20, digest)
    assert (made["visibility"], made["min_disk"], made["min_ram"], made["tags"]) == ("public", 1, 32, ["one"])
    assert made["properties"]["hw_disk_bus"] == "virtio"

    osc("image", "set", "--tag", "two", "--property", "colour=red", "--property", "shape=round", "--private", "disk")
    osc("image", "unset", "--tag", "one", "--property", "shape", "disk")
    osc("image", "set", "--name", "disque", "--min-ram", "64", "disk")
    shown = osc.show("image", "show", "disque")
    assert (shown["id"], shown["tags"], shown["visibility"], shown["min_ram"]) == (made["id"], ["two"], "private", 64)
    assert shown["properties"]["colour"] == "red" and "shape" not in shown["properties"]

    saved = tmp_path / "saved"
    osc("image", "save", "--file", str(saved), "disque")
    assert saved.read_bytes() == file.read_bytes()
    osc("image", "delete", "disque")
    assert "disque" in osc.refused("image", "show", "disque")


def test_lists_of_images(osc: Session, file: Path) -> None:
    sizes = {"a": 1024, "b": 4096, "c": 2048}  # the client sorts by their text
    for name, size in sizes.items():
        part = file.with_name(name)
        part.write_bytes(file.read_bytes()[:size])
        tag = ("--tag", "even") if name != "b" else ()
        osc("image", "create", "--file", str(part), "--disk-format", "raw", "--property", f"letter={name}", *tag, f"pic-{name}")
    assert osc.names("image", "list", "--property", "letter=b") == ["pic-b"]
    assert osc.names("image", "list", "--name", "pic-c") == ["pic-c"]
    assert osc.names("image", "list", "--tag", "even", "--sort", "name:desc") == ["pic-c", "pic-a"]
    assert osc.names("image", "list", "--private") == []
    assert osc.names("image", "list", "--shared", "--sort", "size:desc") == ["pic-b", "pic-c", "pic-a"]
    long = {row["Name"]: row for row in osc.rows("image", "list", "--long", "--shared")}
    assert {name: long[f"pic-{name}"]["Size"] for name in sizes} == sizes
    assert long["pic-a"]["Disk Format"] == "raw" and long["pic-a"]["Tags"] == ["even"]
    osc("image", "delete", *(f"pic-{name}" for name in sizes))
    assert osc.names("image", "list", "--shared") == []


def test_a_protected_image_stays(osc: Session) -> None:
    osc("image", "create", "--protected", "--disk-format", "raw", "kept")
    assert osc.show("image", "show", "kept")["status"] == "queued"
    assert "403" in osc.refused("image", "delete", "kept") or "protected" in osc.refused("image", "delete", "kept")
    osc("image", "set", "--unprotected", "kept")
    osc("image", "delete", "kept")


def qcow2_with_backing_file(path: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", f"{path}.base", "1M"], check=True, timeout=30)
    over = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{path}.base", str(path)]
    subprocess.run(over, check=True, timeout=30)


def qcow2_with_data_file(path: Path) -> None:
    options = f"data_file={path}.data"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, str(path), "1M"], check=True, timeout=30)


def vmdk_that_names_a_file(path: Path) -> None:
    """What qemu-img makes of a disk in two files is, by its first, the name of the other."""
    options = "subformat=monolithicFlat"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-o", options, str(path), "1M"], check=True, timeout=30)


@pytest.mark.parametrize(
    ("make", "disk_format", "reason"),
    [
        (qcow2_with_backing_file, "qcow2", "it has a backing file"),
        (qcow2_with_data_file, "qcow2", "it has an external data file"),
        (vmdk_that_names_a_file, "vmdk", "not that of a self-contained VMDK"),
    ],
)
def test_a_hostile_image_is_refused_with_the_reason(
    osc: Session, tmp_path: Path, make: Callable[[Path], None], disk_format: str, reason: str
) -> None:
    disk = tmp_path / "disk"
    make(disk)
    assert reason in osc.refused("image", "create", "--file", str(disk), "--disk-format", disk_format, "bad")
    for row in osc.rows("image", "list", "--name", "bad", "--long"):
        assert row["Status"] == "queued" and row["Size"] is None
        osc("image", "delete", row["ID"])


def test_an_image_that_is_not_what_it_says_is_not_booted(osc: Session, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True, timeout=30)
    osc("image", "create", "--file", str(disk), "--disk-format", "raw", "odd")
    why = osc.refused("server", "create", "--image", "odd", "--flavor", "m1.nano", "--nic", "none", "s")
    assert "qcow2" in why and "raw" in why
    osc("image", "delete", "odd")
