"""The project's own guest image: a whole Linux in some twenty megabytes, built from Debian packages by anybody.

It starts in seconds on an emulated processor and does what a cloud image must: DHCP on every card, keys and user-data
from a config drive or the metadata service, ssh, a grown root file system, a power button that works. Whoever has the
serial console is root without a password, as the owner of a machine's keyboard is. The scripts it runs are in `guest/`.
It does not build UEFI images, and it installs nothing on the machine it is built on.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from kilonova.errors import TimedOut, Unavailable
from kilonova.guestimage import disk, packages, tree

_NAME: Final = "kilonova-guest"
_LISTS: Final = Path("/var/lib/apt/lists")
_LONGEST_BUILD: Final = 1800.0


class _Made(msgspec.Struct, frozen=True):
    """What an image in the cache was made of: our own sources, the state of apt's lists (ns), and the packages."""

    sources: str
    lists: int
    packages: list[packages.Package]


def build(target: Path, cache: Path, progress: Callable[[str], None]) -> Path:
    """Make the image (qcow2) at `target`, or copy it from `cache` if nothing it is made of has changed; return `target`.

    Blocking: about ten seconds and 32 MB of downloads the first time. Any user may call it; two builds in one cache take
    turns. Raises Unavailable (a program, apt's lists or a package is missing) and TimedOut.
    """
    cache = cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    image = cache / f"{_NAME}.qcow2"
    with _alone(cache, progress):
        _refresh(image, cache, progress)
        if target.resolve() != image.resolve():
            _place(image, target)
    return target


def cached(cache: Path) -> Path | None:
    """The image `build` would take from `cache` unless Debian has changed since, or None; it starts nothing."""
    image = cache / f"{_NAME}.qcow2"
    made = _made(cache)
    return image if made and made.sources == _sources() and image.exists() else None


def own_cache() -> Path:
    """`$KILONOVA_CACHE/guestimage`, or else `kilonova/guestimage` in the user's cache folder."""
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kilonova"
    return Path(os.environ.get("KILONOVA_CACHE") or own) / "guestimage"


def _refresh(image: Path, cache: Path, progress: Callable[[str], None]) -> None:
    """Leave an image in the cache that is made of today's packages and sources."""
    made, sources, lists = _made(cache), _sources(), _lists()
    usable = made if made and made.sources == sources and image.exists() else None
    if usable and usable.lists == lists:
        progress("the image is there and up to date")
        return
    try:
        wanted = packages.resolve()
    except Unavailable as reason:
        if not usable:
            raise
        progress(f"taking the image as it is ({reason})")
        return
    if usable and usable.packages == wanted:
        progress("the image is there and up to date")
    else:
        _make(image, wanted, cache, progress)
    _note(cache, _Made(sources, lists, wanted))


def _make(image: Path, wanted: list[packages.Package], cache: Path, progress: Callable[[str], None]) -> None:
    for left in (*cache.glob(".build-*"), *cache.glob("packages/.partial-*")):
        shutil.rmtree(left, ignore_errors=True)  # of a build that was killed; we hold the lock
    with tempfile.TemporaryDirectory(prefix=".build-", dir=cache) as folder:
        work = Path(folder)
        debian = work / "debian"
        debian.mkdir()
        packages.unpack(wanted, cache / "packages", debian, progress)
        progress("laying out the guest")
        tree.lay_initramfs(debian, work / "initramfs")
        tree.lay_root(debian, work / "root")
        disk.pack_initramfs(work / "initramfs", work / "initrd.zst")
        progress("making the disk")
        kernel = next(debian.glob("boot/vmlinuz-*"), None)
        if kernel is None:
            raise Unavailable("the kernel package holds no kernel")
        made = disk.make_disk(kernel, work / "initrd.zst", work / "root", work)
        progress(f"made: {made.stat().st_size / 1e6:.1f} MB")
        _place(made, image)


def _place(source: Path, target: Path) -> None:
    """Copy under another name first: at `target` there is a whole image or none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    shutil.copyfile(source, partial)
    partial.replace(target)


def _made(cache: Path) -> _Made | None:
    try:
        return msgspec.json.decode((cache / f"{_NAME}.json").read_bytes(), type=_Made)
    except (OSError, msgspec.DecodeError):
        return None


def _note(cache: Path, made: _Made) -> None:
    partial = cache / f".{_NAME}.json.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(made)))
    partial.replace(cache / f"{_NAME}.json")


def _sources() -> str:
    """A hash over this package's code and scripts: a changed script is a changed image."""
    total = hashlib.sha256()
    here = Path(__file__).parent
    for file in sorted((*here.glob("*.py"), *tree.SCRIPTS.iterdir())):
        total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def _lists() -> int:
    """When apt's lists last changed, in ns: as long as that stands, apt would answer the same."""
    return max((file.stat().st_mtime_ns for file in _LISTS.glob("*Packages*")), default=0)


@contextlib.contextmanager
def _alone(cache: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock; the system gives it back even if we are killed."""
    with (cache / ".lock").open("w") as lock:
        deadline = time.monotonic() + _LONGEST_BUILD
        waiting = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    progress("another build is under way; waiting for it")
                waiting = True
            if time.monotonic() > deadline:
                raise TimedOut("another build of the image does not end")
            time.sleep(0.2)
        yield
