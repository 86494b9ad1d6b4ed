"""The Debian packages the guest is made of: which ones, in which versions, and their files unpacked in a folder.

Nothing is installed and no root rights are needed: apt reads its lists and downloads, dpkg-deb unpacks.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kilonova.errors import Unavailable
from kilonova.guestimage.commands import run

_KERNEL: Final = "linux-image-cloud-amd64"
_PROGRAMS: Final = ("busybox-static", "dropbear-bin", "e2fsprogs", "util-linux")
_REAL_KERNEL: Final = re.compile(r"linux-image-\d.*-cloud-amd64")
_LIBRARY: Final = re.compile(r"(lib|zlib).*")
_SKIPPED: Final = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")


class Package(msgspec.Struct, frozen=True):
    """One Debian package: `sha256` in hex is that of its .deb file, `size` its bytes."""

    name: str
    version: str
    sha256: str
    size: int


def resolve() -> list[Package]:
    """What apt would take today, sorted by name. Raises Unavailable where apt or its lists are missing."""
    names = sorted(_wanted(_dependencies()))
    shown = _ask_apt("show", "--no-all-versions", *names)
    found = [_package(stanza) for stanza in shown.strip().split("\n\n")]
    missing = set(names) - {package.name for package in found}
    if missing:
        raise Unavailable(f"apt knows no package {min(missing)}: run apt-get update first")
    return sorted(found, key=lambda package: package.name)


def unpack(packages: Sequence[Package], cache: Path, into: Path, progress: Callable[[str], None]) -> None:
    """Fetch what `cache` does not hold yet, and lay all files of `packages` under `into`."""
    cache.mkdir(parents=True, exist_ok=True)
    _fetch([package for package in packages if not _stored(package, cache).exists()], cache, progress)
    progress(f"unpacking {len(packages)} packages")
    for package in packages:
        run(["dpkg-deb", "-x", _stored(package, cache), into], within=120)
    wanted = {_stored(package, cache) for package in packages}
    for old in cache.glob("*.deb"):
        if old not in wanted:
            old.unlink(missing_ok=True)


def _dependencies() -> dict[str, list[str]]:
    """For each package that can be reached from ours: what it depends on, by apt's lists."""
    said = _ask_apt("depends", "--recurse", *(f"--no-{kind}" for kind in _SKIPPED), _KERNEL, *_PROGRAMS)
    needs: dict[str, list[str]] = {}
    for line in said.splitlines():
        if not line.startswith((" ", "|")):
            needs[line.strip()] = current = []
        elif "Depends:" in line:
            current.append(line.split("Depends:")[1].strip())
    if missing := {_KERNEL, *_PROGRAMS} - needs.keys():
        raise Unavailable(f"apt knows no package {min(missing)}: run apt-get update first")
    return needs


def _wanted(needs: dict[str, list[str]]) -> set[str]:
    """Our programs and the libraries under them; of the kernel's meta package only the kernel it stands for."""
    kernels = [name for name in needs[_KERNEL] if _REAL_KERNEL.fullmatch(name)]
    if not kernels:
        raise Unavailable("apt knows no cloud kernel: run apt-get update first")
    wanted: set[str] = {*kernels}
    queue = list(_PROGRAMS)
    while queue:
        name = queue.pop()
        if name not in wanted:
            wanted.add(name)
            queue += [other for other in needs.get(name, ()) if _LIBRARY.fullmatch(other)]
    return wanted


def _ask_apt(*words: str) -> str:
    try:
        return run(["apt-cache", *words], within=60)
    except Unavailable as reason:
        raise Unavailable(f"apt cannot tell which packages to take ({reason}): run apt-get update first") from None


def _package(stanza: str) -> Package:
    fields = dict(re.findall(r"^(Package|Version|SHA256|Size): (.*)$", stanza, re.MULTILINE))
    try:
        return Package(fields["Package"], fields["Version"], fields["SHA256"], int(fields["Size"]))
    except KeyError:
        raise Unavailable("apt's package lists are incomplete: run apt-get update first") from None


def _stored(package: Package, cache: Path) -> Path:
    return cache / f"{package.name}_{package.sha256[:16]}.deb"


def _fetch(missing: Sequence[Package], cache: Path, progress: Callable[[str], None]) -> None:
    """Download into a folder of its own and move in what is complete and true: an interrupted run leaves nothing half."""
    if not missing:
        return
    progress(f"fetching {len(missing)} packages, {sum(package.size for package in missing) / 1e6:.1f} MB")
    by_sum = {package.sha256: package for package in missing}
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache) as partial:
        # The sandbox user of apt may not write into our folder; our own rights do.
        options = ["-q", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30"]
        run(["apt-get", *options, "download", *(f"{p.name}={p.version}" for p in missing)], within=900, cwd=Path(partial))
        for file in Path(partial).glob("*.deb"):
            package = by_sum.pop(hashlib.sha256(file.read_bytes()).hexdigest(), None)
            if package:
                file.rename(_stored(package, cache))
    if by_sum:
        raise Unavailable(
            f"the package {min(p.name for p in by_sum.values())} did not arrive whole: run apt-get update and try again"
        )
