"""Where a host keeps what belongs to one server: ``<root>/servers/<server_id>/<driver>``.

It decides paths and makes or clears folders. It does not know what lies in them.
"""

import re
import shutil
from pathlib import Path

from kilonova.errors import BadRequest
from kilonova.model.ids import ServerId

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


def server_folder(root: Path, server_id: ServerId, part: str) -> Path:
    """The folder of one driver (`part`) for one server; nothing is made. Raises BadRequest for an id that is no plain name."""
    if not _SAFE.match(server_id):
        raise BadRequest("The server's id is malformed.")
    return root / "servers" / server_id / part


def make_folder(folder: Path) -> Path:
    """Make a server's folder, readable by this process's user only; it may be there already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def clear_folder(folder: Path) -> None:
    """Remove a driver's folder with all that is in it, and the server's own folder when that was the last."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        pass  # not empty (another driver's part is still there), or gone already


def servers_with(root: Path, part: str) -> set[ServerId]:
    """The servers that have a folder of this driver; what is not named like a server is none."""
    names = {folder.parent.name for folder in (root / "servers").glob(f"*/{part}")}
    return {ServerId(name) for name in names if _SAFE.match(name)}
