"""A second set of a server's disks, beside those in use: made, put in their place, taken back, dropped. Folders and files only.

``disks`` are in use; ``disks.new`` wait to be; ``disks.old`` were, and can be again. Folders are renamed, one at a time, so that
whatever was begun and cut short can be gone on with, or back from: each function finds out what is done already.
"""

import fcntl
import os
import threading
from pathlib import Path

from msgspec.structs import replace

from kilonova.drivers.disks import qcow2
from kilonova.drivers.host_folder import clear_folder
from kilonova.errors import BuildFailed
from kilonova.model.guest import Disk

IN_USE, NEW, OLD = "disks", "disks.new", "disks.old"
NEW_HALF = "disks.new.half"
PARTS = (NEW, OLD, NEW_HALF)
_MARK = "task"
_FICLONE = 0x40049409
_PIECE = 64 << 20


def swap_in(home: Path) -> None:
    """The new ones are in use, the ones before are old. Raises BuildFailed when there are no new ones."""
    new, in_use, old = home / NEW, home / IN_USE, home / OLD
    if not new.exists():
        if old.exists() and in_use.exists():
            return  # done already
        raise BuildFailed("The server's new disks are not on its host.")
    if in_use.exists():
        clear_folder(old)
        in_use.rename(old)
    new.rename(in_use)


def swap_back(home: Path) -> None:
    """The old ones are in use again, and what was in use waits as new. Without old ones nothing happens."""
    new, in_use, old = home / NEW, home / IN_USE, home / OLD
    if not old.exists():
        return
    if in_use.exists():
        clear_folder(new)
        in_use.rename(new)
    old.rename(in_use)


def is_of(home: Path, task_id: str) -> bool:
    """Whether the new ones were made by this action; those of another, which never came to use them, go."""
    mark = home / NEW / _MARK
    if mark.exists() and mark.read_text() == task_id:
        return True
    drop(home, kept=False)
    return False


def mark(half: Path, task_id: str) -> None:
    """Write down which action has made them."""
    (half / _MARK).write_text(task_id)


def drop(home: Path, kept: bool) -> None:
    """The new ones go, and the old ones if `kept` says so."""
    for part in PARTS if kept else (NEW, NEW_HALF):
        clear_folder(home / part)


def copy(source: Path, into: Path, called_off: threading.Event) -> None:
    """The same bytes in a new file: shared with the source where the file system can, else copied without its holes.

    Raises OSError, and BuildFailed when it is called off meanwhile.
    """
    with source.open("rb") as old, into.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            return
        except OSError:
            pass  # another file system, or one that cannot
        size = os.fstat(old.fileno()).st_size
        new.truncate(size)
        at = 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:
                return  # only a hole is left
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            while at < end:
                if called_off.is_set():
                    raise BuildFailed("The work was called off.")
                at += os.copy_file_range(old.fileno(), new.fileno(), min(_PIECE, end - at), at, at)


def grown(disk: Disk, size: int, source: Path, into: Path, called_off: threading.Event) -> Disk:
    """A copy of one of our own disks, at least as large as it was. Raises OSError, BuildFailed."""

    name = Path(disk.path).name
    copy(source / name, into / name, called_off)
    if size > disk.size:
        qcow2.grow(into / name, size)
    return replace(disk, path=name, size=max(size, disk.size))
