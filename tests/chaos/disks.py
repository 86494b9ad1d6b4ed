"""A disk that fills up, one that fails, and a clouds' folder on it; nothing of it is mounted afterwards. Needs root."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cloud.running import Cloud, Machine

NEEDS_ROOT = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")]
CHUNK = 1 << 16


class SmallDisk:
    """A file system in memory of `megabytes` over `folder`, which is made."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self._megabytes = folder, megabytes
        self._ballast = folder / "ballast"

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        size = f"size={self._megabytes}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "kilonova-test", self.folder], check=True)

    def unmount(self) -> None:
        """Lazily where something still has it open, so that nothing stays in any case."""
        if subprocess.run(["umount", self.folder], check=False, capture_output=True).returncode:
            subprocess.run(["umount", "-l", self.folder], check=False)

    def fill(self) -> None:
        """Until not one byte more can be written. Raises AssertionError when there is room left."""
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (CHUNK, 4096):
                with suppress(OSError):
                    while ballast.write(b"x" * size) == size:
                        pass
        assert shutil.disk_usage(self.folder).free == 0

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def __enter__(self) -> "SmallDisk":
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()


@contextmanager
def standing(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud, up, with an image; of it nothing runs afterwards."""
    try:
        cloud.up()
        cloud.api.image()
        yield cloud
    finally:
        cloud.end_for_sure()


@contextmanager
def up_on(disk: SmallDisk, cloud: Cloud) -> Iterator[Cloud]:
    """The cloud, up, with something of it on this disk; of both nothing is left afterwards."""
    with disk, standing(cloud):
        try:
            yield cloud
        finally:
            disk.free()
    Machine(cloud.data).assert_clean()


@contextmanager
def full(disk: SmallDisk) -> Iterator[None]:
    """For as long as it lasts."""
    disk.fill()
    try:
        yield
    finally:
        disk.free()
