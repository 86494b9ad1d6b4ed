"""The serial console's log: its last lines without reading it all, and a limit to its growth.

QEMU appends to the file and nobody rotates it: when it is more than twice what is kept, its head is cut off in place. What the
guest writes in that very moment (microseconds) is lost from the log, not from the console. Between two looks it can grow by what
a guest writes, a few MB a second at most.
"""

import os
from pathlib import Path

KEPT_BYTES = 1 << 20
_BLOCK = 1 << 16


def tail(path: Path, lines: int | None) -> str:
    """The last `lines` lines, or all that is kept; at most `KEPT_BYTES` are read. Raises FileNotFoundError."""
    if lines is not None and lines <= 0:
        return ""
    with path.open("rb") as log:
        position = log.seek(0, os.SEEK_END)
        oldest = max(0, position - KEPT_BYTES)
        found = b""
        # One line feed more than lines: the last line ends with one.
        while position > oldest and (lines is None or found.count(b"\n") <= lines):
            step = min(_BLOCK, position - oldest)
            position -= step
            log.seek(position)
            found = log.read(step) + found
    if lines is not None:
        found = b"".join(found.splitlines(keepends=True)[-lines:]) if b"\n" in found else found
    return found.decode("utf-8", errors="replace")


def trim(path: Path) -> bool:
    """Cut the head off if the log is too long; True if it was. The writer must have opened it for appending."""
    try:
        if path.stat().st_size <= 2 * KEPT_BYTES:
            return False
        with path.open("r+b") as log:
            log.seek(-KEPT_BYTES, os.SEEK_END)
            kept = log.read()
            log.truncate(0)
    except FileNotFoundError:
        return False
    with path.open("ab") as log:  # appending, like QEMU: neither can write over the other
        log.write(kept.partition(b"\n")[2])
    return True
