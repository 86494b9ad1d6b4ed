"""Which snapshots are inside a volume's qcow2 file, read from its header: asking QEMU would take a process for each volume."""

import struct
from pathlib import Path

_MAGIC = b"QFI\xfb"
_WHERE = struct.Struct(">60xIQ")
"""How many snapshots, and where their table begins."""
_ENTRY = struct.Struct(">QIHHIIQII")
_MOST = 65536
"""What QEMU itself allows."""


def snapshot_names(file: Path) -> tuple[str, ...] | None:
    """In the order of the table; None for a file that is not there or cannot be read as one."""
    try:
        with file.open("rb") as volume:
            head = volume.read(_WHERE.size)
            if head[:4] != _MAGIC or len(head) < _WHERE.size:
                return None
            count, at = _WHERE.unpack(head)
            found = []
            for _ in range(min(count, _MOST)):
                volume.seek(at)
                _, _, id_size, name_size, _, _, _, _, extra = _ENTRY.unpack(volume.read(_ENTRY.size))
                volume.seek(extra + id_size, 1)
                found.append(volume.read(name_size).decode(errors="replace"))
                at += -(-(_ENTRY.size + extra + id_size + name_size) // 8) * 8
            return tuple(found)
    except (OSError, struct.error):
        return None
