"""The console's log: its end, and its limit."""

import os
from pathlib import Path

import pytest

from kilonova.drivers.hypervisor import console
from kilonova.drivers.hypervisor.refusal import refusal


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"line %d\n" % n for n in range(100_000)))
    assert console.tail(log, 2) == "line 99998\nline 99999\n"
    assert console.tail(log, 0) == "" == console.tail(log, -1)
    many = console.tail(log, 50_000)
    assert many.splitlines()[0] == "line 50000" and len(many.splitlines()) == 50_000
    log.write_bytes(b"no end\nhere")
    assert console.tail(log, 1) == "here"
    assert console.tail(log, 5) == "no end\nhere" == console.tail(log, None)
    log.write_bytes(b"")
    assert console.tail(log, 5) == "" == console.tail(log, None)
    with pytest.raises(FileNotFoundError):
        console.tail(tmp_path / "none", 1)


def test_noise_is_no_error_and_length_is_limited(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\xfe\x00" * (1 << 20))
    assert len(console.tail(log, 10)) == console.KEPT_BYTES == len(console.tail(log, None))


def test_a_long_log_loses_its_head_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "log"
    writer = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = b"x" * 99 + b"\n"
    os.write(writer, line * (console.KEPT_BYTES * 2 // 100))
    assert not console.trim(log)
    os.write(writer, line + b"the end\n")
    assert console.trim(log)
    os.write(writer, b"after\n")
    os.close(writer)
    assert console.KEPT_BYTES - 200 < log.stat().st_size <= console.KEPT_BYTES + 6
    assert console.tail(log, 2) == "the end\nafter\n"
    assert b"\0" not in log.read_bytes()
    assert not console.trim(tmp_path / "none")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"qemu-system-x86_64: -m size=1M: bad size\nmore\n", "-m size=1M: bad size"),
        (b"qemu-system-x86_64: warning: old\nqemu-kvm: Could not open '/var/x/y.img': No\n", "Could not open '(a file)': No"),
        (b"", "its process ended at once"),
        (b"x" * 1000, "x" * 200),
    ],
)  # fmt: skip
def test_qemus_words_without_paths(tmp_path: Path, said: bytes, told: str) -> None:
    (tmp_path / "log").write_bytes(said)
    assert refusal(tmp_path / "log") == told
    assert refusal(tmp_path / "none") == "its process ended at once"
