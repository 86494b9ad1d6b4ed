"""The probe runs, and is what its source says."""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from kilonova.drivers.hypervisor import accel
from kilonova.drivers.hypervisor.host import QemuHost, QemuSettings
from kilonova.drivers.identity import Identity, UidRange
from kilonova.errors import Unavailable
from kilonova.model.ids import HostName, ServerId

QEMU = shutil.which("qemu-system-x86_64")
needs_qemu = pytest.mark.skipif(QEMU is None, reason="QEMU is not installed")


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="no assembler")
def test_the_bytes_are_the_assembled_source(tmp_path: Path) -> None:
    source = Path(accel.__file__).with_name("probe.s")
    subprocess.run(["as", "-o", tmp_path / "o", source], check=True, timeout=30)
    subprocess.run(["ld", "-Ttext=0", "--oformat=binary", "-o", tmp_path / "bin", tmp_path / "o"], check=True, timeout=30)
    assert (tmp_path / "bin").read_bytes() == accel.FIRMWARE


@needs_qemu
@pytest.mark.qemu
def test_emulation_passes_the_probe_as_the_guests_user() -> None:
    identity = UidRange().identity(ServerId("probe"))
    assert (identity.uid is not None) == (os.geteuid() == 0)
    assert accel.runs(Path(str(QEMU)), "tcg", identity, timeout_s=30) is None


def test_other_ends_are_no(tmp_path: Path) -> None:
    for text, words in [("exit 0", "status 0"), ("echo nope >&2; exit 1", "nope"), ("exec sleep 30", "no progress")]:
        said = accel.runs(script(tmp_path / "qemu", text), "kvm", Identity(), timeout_s=0.5)
        assert said is not None and words in said
    assert "cannot be run" in (accel.runs(tmp_path / "missing", "kvm", Identity()) or "")


def test_a_kvm_that_passes_is_taken_unless_there_is_an_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = script(tmp_path / "qemu", "exit 85")
    monkeypatch.setattr(accel, "_obstacle", lambda: None)
    assert accel.choose(good, Identity()).name == "kvm"
    monkeypatch.setattr(accel, "_obstacle", lambda: "there is no /dev/kvm")
    assert accel.choose(good, Identity()) == accel.Accelerator("tcg", "there is no /dev/kvm")


def test_the_verdict_is_kept_until_the_binary_or_the_boot_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "_obstacle", lambda: None)
    binary = script(tmp_path / "qemu", f"echo $1 >> {tmp_path}/runs; echo QEMU emulator version 8.2.10; exit 85")
    memory = tmp_path / "data" / "accelerator.json"

    def runs() -> int:
        return len((tmp_path / "runs").read_text().splitlines())

    for _ in range(2):
        assert accel.find_out(binary, memory, Identity())[0] == 8002010
        assert runs() == 2
    os.utime(binary, (1, 1))
    accel.find_out(binary, memory, Identity())
    assert runs() == 4
    kept = msgspec.json.decode(memory.read_bytes())
    memory.write_bytes(msgspec.json.encode({**kept, "boot_id": "another"}))
    accel.find_out(binary, memory, Identity())
    assert runs() == 6
    memory.write_bytes(b"{broken")
    accel.find_out(binary, memory, Identity())
    assert runs() == 8


async def test_a_missing_or_broken_qemu_is_said_clearly(tmp_path: Path) -> None:
    def host(binary: str) -> QemuHost:
        return QemuHost(HostName("h"), tmp_path, QemuSettings(binary=binary))

    with pytest.raises(Unavailable, match="not installed"):
        await host("no-such-qemu").facts()
    with pytest.raises(Unavailable, match="does not tell its version"):
        await host(str(script(tmp_path / "mute", "exit 0"))).facts()


@needs_qemu
@pytest.mark.qemu
async def test_facts(tmp_path: Path) -> None:
    facts = await QemuHost(HostName("h"), tmp_path, QemuSettings(reserved_ram_mb=100)).facts()
    assert facts.hypervisor_version >= 5_000_000
    assert facts.vcpus == len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert facts.ram_mb == total - 100
    assert facts.disk_gb > 0
    assert "features" in msgspec.json.decode(facts.cpu_info)


def test_each_server_has_a_user_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    range_ = UidRange(first=1000, count=10**6)
    uids = {range_.identity(ServerId(str(n))).uid for n in range(100)}
    assert len(uids) > 90
    assert all(uid is not None and 1000 <= uid < 1000 + 10**6 for uid in uids)
    assert range_.identity(ServerId("a")) == range_.identity(ServerId("a"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert range_.identity(ServerId("a")).as_popen_arguments() == {}
