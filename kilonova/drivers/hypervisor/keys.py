"""The keys by which a guest's QEMU reaches its volumes: files that its user alone can read, in a folder that QEMU is handed open.

A key is never on a command line. QEMU holds the folder for as long as it runs, so that a key can be added for a volume that
is plugged in later.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kilonova.drivers.hypervisor.command import node_name
from kilonova.drivers.identity import Identity
from kilonova.model.guest import Disk

_FOLDER = "keys"
_FILE = "keys.psk"


@contextmanager
def open_keys(folder: Path, disks: tuple[Disk, ...], identity: Identity) -> Iterator[int]:
    """The folder of the guest's keys, those of `disks` in it, open for as long as QEMU is being started."""
    keys = folder / _FOLDER
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    _give(keys, identity)
    for disk in disks:
        write_key(folder, disk, identity)
    fd = os.open(keys, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def write_key(folder: Path, disk: Disk, identity: Identity) -> None:
    """The disk's key, if it has one, where its QEMU looks for it."""
    if disk.nbd is None or not disk.nbd.key:
        return
    own = folder / _FOLDER / node_name(disk)
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    file = own / _FILE
    file.touch(mode=0o400)
    file.write_text(f"{disk.nbd.user}:{disk.nbd.key}\n")
    _give(file, identity)
    _give(own, identity)


def drop_key(folder: Path, disk_name: str) -> None:
    """None there is no error."""
    shutil.rmtree(folder / _FOLDER / disk_name, ignore_errors=True)


def _give(path: Path, identity: Identity) -> None:
    if identity.uid is not None:
        os.chown(path, identity.uid, identity.uid)
