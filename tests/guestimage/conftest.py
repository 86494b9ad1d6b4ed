"""The image all tests share: built once into the cache (`$KILONOVA_CACHE` or `.cache`), then found there."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kilonova import guestimage
from tests.guestimage.machine import Machine


@pytest.fixture(scope="session")
def cache() -> Path:
    return Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"


@pytest.fixture(scope="session")
def image(cache: Path) -> Path:
    missing = [name for name in ("apt-get", "mcopy", "syslinux", "mke2fs", "qemu-img", "cpio", "zstd") if not _found(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    return guestimage.build(cache / "kilonova-guest.qcow2", cache, print)


@pytest.fixture(scope="session")
def busybox(image: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The very busybox of the guest; a static program, so that its awk can run here."""
    folder = tmp_path_factory.mktemp("busybox")
    package = next((cache / "packages").glob("busybox-static_*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True, timeout=60)
    return next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.exists())


@pytest.fixture
def machine(image: Path, tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Makes machines, and ends what is left of them."""
    if not _found("qemu-system-x86_64"):
        pytest.skip("QEMU is not installed")
    made: list[Machine] = []

    def make(**wishes: Any) -> Machine:
        made.append(Machine(image, tmp_path / f"machine-{len(made)}", **wishes))
        return made[-1]

    yield make
    for one in made:
        one.end()


def _found(program: str) -> bool:
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
