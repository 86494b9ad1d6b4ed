"""KVM or TCG: found out by running 64-bit code and not by asking, since a KVM can open, start and then make no progress.

The firmware that is run is in ``probe.s``. This does not start guests and never falls back in the middle of one.
"""

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from kilonova.drivers.identity import Identity
from kilonova.errors import Unavailable

FIRMWARE = bytes.fromhex(
    "fafc31c08ed88ec0bf0010b90018f3abc70600100320c70600200330c706003083002e660f0116780066b8200000000f22e066b8001000000f22d866b980"
    "0000c00f32660d000100000f300f20c0660d010000800f22c066ea7e000f00080090000000000000000000000000009a20000000000000920000170060"
    "000f00b8100000008ed88ed0bc0080000031dbb9a08601005148031c245affc975f60f20d80f22d848b850b5062a010000004839c37504b02ae6f4f4ebfd"
)
_AT_RESET = bytes.fromhex("ea000000f0")  # jmp far F000:0000
_SUCCESS = 42 * 2 + 1


class Accelerator(Struct, frozen=True):
    """What runs the guests' code, and why it is this one (a sentence for ``kilonova doctor``)."""

    name: Literal["kvm", "tcg"]
    reason: str


class _Verdict(Struct, frozen=True):
    """What is kept between two starts of the role; valid for one boot of the host and one QEMU binary."""

    boot_id: str
    binary: str
    changed_ns: int
    version: int
    accelerator: Accelerator


def find_out(binary: Path, memory: Path, identity: Identity) -> tuple[int, Accelerator]:
    """QEMU's version (7002022 for 7.2.22) and the accelerator, from the file `memory` if it still holds.

    Blocks for 30 ms to 3 s when it does not. `identity` is who guests will run as: KVM must be open to them. Raises Unavailable.
    """
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = (boot_id, str(binary), binary.stat().st_mtime_ns)
    try:
        kept = msgspec.json.decode(memory.read_bytes(), type=_Verdict)
        if (kept.boot_id, kept.binary, kept.changed_ns) == key:
            return kept.version, kept.accelerator
    except (OSError, msgspec.MsgspecError):
        pass  # not found out yet
    verdict = _Verdict(*key, version=qemu_version(binary), accelerator=choose(binary, identity))
    memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = memory.with_suffix(".half")
    half.write_bytes(msgspec.json.encode(verdict))
    half.replace(memory)
    return verdict.version, verdict.accelerator


def choose(binary: Path, identity: Identity) -> Accelerator:
    """KVM if it really works here, else TCG with the reason. Takes up to 2 s."""
    against = _obstacle() or runs(binary, "kvm", identity)
    return Accelerator("tcg", against) if against else Accelerator("kvm", "it ran 64-bit code")


def qemu_version(binary: Path) -> int:
    """As OpenStack writes it: 7002022 for 7.2.22. Raises Unavailable when QEMU cannot be run."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("QEMU is installed but cannot be run on this host.") from error
    found = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    if found is None:
        raise Unavailable("QEMU is installed but does not tell its version.")
    major, minor, micro = (int(part or 0) for part in found.groups())
    return major * 1_000_000 + minor * 1_000 + micro


def runs(binary: Path, accelerator: str, identity: Identity, timeout_s: float = 2.0) -> str | None:
    """Run the probe's firmware. None when it did its work in time, else what happened instead."""
    rom = FIRMWARE.ljust(0xFFF0, b"\0") + _AT_RESET.ljust(16, b"\0")
    # A file in memory: guests' user may read it, whatever the rights of our folders are.
    firmware = os.memfd_create("probe")
    try:
        os.write(firmware, rom)
        # fmt: off
        command = [
            str(binary), "-accel", accelerator, "-machine", "pc", "-m", "16", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-bios", f"/proc/self/fd/{firmware}",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
        ]
        # fmt: on
        ended = subprocess.run(
            command,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(firmware,),
            env={},
            **identity.as_popen_arguments(),
        )
    except subprocess.TimeoutExpired:
        return f"{accelerator.upper()} opens, but a guest makes no progress"
    except OSError as error:
        return f"QEMU cannot be run ({error.strerror})"
    finally:
        os.close(firmware)
    if ended.returncode == _SUCCESS:
        return None
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return f"{accelerator.upper()} failed: {lines[-1] if lines else f'status {ended.returncode}'}"


def _obstacle() -> str | None:
    """What can be known without starting anything: a reason why KVM will not work, or None."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return "the host's processor is of another kind than the guests'"
    if not Path("/dev/kvm").exists():
        return "there is no /dev/kvm"
    modules = Path("/sys/module")
    real = any((modules / name).exists() for name in ("kvm_intel", "kvm_amd"))
    if (modules / "kvm_pvm").exists() and not real:
        return "this KVM (kvm_pvm) cannot run ordinary guests"
    if not re.search(r"^flags\s*:.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
        return "the processor offers no virtualisation (vmx or svm)"
    return None
