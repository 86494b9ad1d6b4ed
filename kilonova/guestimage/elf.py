"""Reads from a program or driver which others it needs: shared libraries of a program, modules of a kernel driver.

It reads the file only (64-bit little-endian ELF); nothing of it is run.
"""

import lzma
import re
import struct
from pathlib import Path

from kilonova.errors import Unavailable

_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS = 1, 5


def needed_libraries(program: Path) -> list[str]:
    """The sonames `program` asks for, its interpreter's file name last; empty for a static one. Raises Unavailable if not ELF."""
    data = program.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise Unavailable(f"{program.name} is not a 64-bit program")
    table, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * index) for index in range(count)]
    loads = [(address, offset, length) for kind, _, offset, address, _, length in headers if kind == _LOAD]
    names: list[str] = []
    for kind, _, offset, _, _, length in headers:
        if kind == _DYNAMIC:
            names[:0] = _needed(data, offset, length, loads)
        elif kind == _INTERPRETER:
            names.append(Path(_text(data, offset)).name)
    return names


def needed_modules(driver: bytes) -> list[str]:
    """The names of the kernel modules a driver's own note (`depends=`) says it needs."""
    found = re.search(rb"\0depends=([^\0]*)\0", driver)
    return found.group(1).decode().split(",") if found and found.group(1) else []


def module_bytes(path: Path) -> bytes:
    """A kernel module as the kernel wants it: Debian 13 keeps them compressed (.ko.xz), Debian 12 does not."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _needed(data: bytes, offset: int, length: int, loads: list[tuple[int, int, int]]) -> list[str]:
    entries = [struct.unpack_from("<qQ", data, offset + step) for step in range(0, length, 16)]
    address = next((number for tag, number in entries if tag == _STRINGS), 0)
    strings = next((at + address - start for start, at, size in loads if start <= address < start + size), 0)
    return [_text(data, strings + number) for tag, number in entries if tag == _NEEDED]


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()
