"""Processes as the kernel shows them below /proc: those of a cloud, and whether one runs, stands still or is over."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path


def state(pid: int) -> str:
    """Of a process or thread, the kernel's letter: ``T`` stands still, ``Z`` has ended unnoticed. Empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def lives(pid: int) -> bool:
    """A zombie does not: its parent may stand still, and take no note."""
    return state(pid) not in ("", "Z", "X")


def processes_of(data: Path) -> list[int]:
    """Every process that has this data folder in its command line, guests and DHCP included."""
    needle = str(data).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                if needle in line and b"\0pytest" not in line:
                    found.append(int(entry.name))
    return found


def guests_of(data: Path) -> list[int]:
    """The QEMU processes of this cloud's servers: they have no path of it on their command line, but the server's id."""
    if not (data / "ledger.sqlite").exists():
        return []
    base = sqlite3.connect(f"file:{data / 'ledger.sqlite'}?mode=ro", uri=True, timeout=10)
    ids = {str(row[0]).encode() for row in base.execute("SELECT id FROM servers").fetchall()}
    base.close()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if b"-uuid" in words and words[words.index(b"-uuid") + 1] in ids:
                    found.append(int(entry.name))
    return found


def command_line(pid: int) -> str:
    """Its id and the beginning of its command line, for people. Empty when it is gone."""
    with suppress(OSError):
        return f"{pid} " + Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    return ""
