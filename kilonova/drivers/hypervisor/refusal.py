"""Why QEMU did not start, in words a server's owner may read: its first line without names of files. It judges nothing."""

import re
from pathlib import Path

_PATH = re.compile(r"/[\w.+:@-]+(?:/[\w.+:@-]*)*")
_PROGRAM = re.compile(r"^\S*qemu[\w.-]*: ")
_LONGEST = 200


def refusal(log: Path) -> str:
    """QEMU's first line of complaint, shortened; warnings are passed over."""
    try:
        with log.open("rb") as file:
            lines = file.read(1 << 16).decode(errors="replace").splitlines()
    except OSError:
        lines = []
    complaints = [line for line in lines if line.strip() and "warning:" not in line]
    if not complaints:
        return "its process ended at once"
    return _PATH.sub("(a file)", _PROGRAM.sub("", complaints[0].strip()))[:_LONGEST].rstrip(".")
