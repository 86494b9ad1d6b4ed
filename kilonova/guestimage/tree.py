"""Lays out the two file trees of the guest: the small one the kernel starts from, and its root file system.

Only plain files, folders and links are made, with the rights of whoever builds; the disk room sets owners.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from kilonova.errors import Unavailable
from kilonova.guestimage.commands import run
from kilonova.guestimage.elf import module_bytes, needed_libraries, needed_modules

SCRIPTS: Final = Path(__file__).parent / "guest"

# In the order of need, since each costs an emulated processor some hundredths of a second. Early: what finds the root disk,
# dice for the ssh key, the network. Late: the power button, the config drive. Last: memory given back, a FAT config drive.
_EARLY: Final = ("virtio_pci", "virtio-rng", "virtio_blk", "virtio_net")
_LATE: Final = ("button", "evdev", "isofs")
_LAST: Final = ("virtio_balloon", "nls_ascii", "nls_cp437", "nls_utf8", "vfat")
_PROGRAMS: Final = ("usr/sbin/dropbear", "usr/bin/dropbearkey", "sbin/resize2fs", "bin/lsblk")
_FOLDERS: Final = (
    *("bin", "sbin", "usr/bin", "usr/sbin", "dev", "proc", "sys", "run", "tmp", "mnt", "root/.ssh", "lib/modules", "lib64"),
    *("etc/guest", "etc/dropbear", "etc/acpi/PWRF", "var/lib/guest", "var/log", "var/tmp"),
)
_ETC: Final = {
    "passwd": "root:*:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\ntty:x:5:\n",
    "shells": "/bin/sh\n",
    "hostname": "kilonova-guest\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
    "os-release": 'NAME="Kilonova guest"\nID=kilonova-guest\nID_LIKE=debian\nPRETTY_NAME="Kilonova guest image"\n',
}


def lay_initramfs(debian: Path, tree: Path) -> None:
    """The tree the kernel unpacks into memory: busybox, the early drivers, and `init`."""
    for folder in ("bin", "dev", "proc", "sys", "root", "lib/modules"):
        (tree / folder).mkdir(parents=True)
    _busybox(debian, tree)
    _drivers(debian, tree, "early", _EARLY, without=())
    _script("init", tree / "init")


def lay_root(debian: Path, tree: Path) -> None:
    """The tree of the root file system: busybox, ssh, the late drivers, and the guest's scripts."""
    for folder in _FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700), ("root/.ssh", 0o700)):
        (tree / folder).chmod(mode)
    _busybox(debian, tree)
    (tree / "sbin/init").symlink_to("../bin/busybox")
    (tree / "var/run").symlink_to("../run")
    for program in _PROGRAMS:
        _program(debian, tree, program)
    _libraries(debian, tree)
    loaded = _closure(_module_files(debian), _EARLY)
    _drivers(debian, tree, "late", _LATE, without=loaded)
    loaded += _closure(_module_files(debian), _LATE)
    _drivers(debian, tree, "last", _LAST, without=loaded)
    for name, text in _ETC.items():
        (tree / "etc" / name).write_text(text)
    _settle_scripts(tree)


def _settle_scripts(tree: Path) -> None:
    for script in SCRIPTS.iterdir():
        if script.name != "init":
            _script(script.name, tree / "etc/guest" / script.name)
    for name in ("inittab", "profile"):
        (tree / "etc/guest" / name).rename(tree / "etc" / name)
        (tree / "etc" / name).chmod(0o644)
    # busybox acpid looks for the action of the power button's event under this very name
    (tree / "etc/acpi/PWRF/00000080").symlink_to("/etc/guest/stop")


def _script(name: str, place: Path) -> None:
    shutil.copyfile(SCRIPTS / name, place)
    place.chmod(0o755)


def _busybox(debian: Path, tree: Path) -> None:
    binary = _first(debian, ("bin/busybox", "usr/bin/busybox"))
    shutil.copyfile(binary, tree / "bin/busybox")
    (tree / "bin/busybox").chmod(0o755)
    for applet in run([binary, "--list"], within=20).split():
        if applet != "busybox":
            (tree / "bin" / applet).symlink_to("busybox")


def _program(debian: Path, tree: Path, program: str) -> None:
    place = tree / program
    shutil.copyfile(_first(debian, (program, f"usr/{program}")), place)
    place.chmod(0o755)


def _libraries(debian: Path, tree: Path) -> None:
    """Every library our programs ask for, and those they ask for in turn; the interpreter where programs expect it."""
    queue = [name for program in _PROGRAMS for name in needed_libraries(tree / program)]
    while queue:
        name = queue.pop()
        place = tree / ("lib64" if name.startswith("ld-") else "lib") / name
        if place.exists():
            continue
        folders = ("lib", "usr/lib", "lib64", "usr/lib64")
        multiarch = tuple(f"{folder}/x86_64-linux-gnu" for folder in folders[:2])
        shutil.copyfile(_first(debian, tuple(f"{folder}/{name}" for folder in (*multiarch, *folders))), place)
        place.chmod(0o755)
        queue += needed_libraries(place)


def _drivers(debian: Path, tree: Path, stage: str, names: Iterable[str], without: Sequence[str]) -> None:
    """Copy the drivers of one stage and write the order to load them in: what a driver needs comes before it."""
    files = _module_files(debian)
    order = [name for name in _closure(files, names) if name not in without]
    for name in order:
        (tree / "lib/modules" / f"{name}.ko").write_bytes(module_bytes(files[name]))
    (tree / "lib/modules" / stage).write_text("".join(f"{name}\n" for name in order))


def _closure(files: dict[str, Path], names: Iterable[str]) -> list[str]:
    order: list[str] = []
    for name in names:
        key = name.replace("-", "_")
        if key in files and key not in order:
            before = _closure(files, needed_modules(module_bytes(files[key])))
            order += [other for other in before if other not in order]
            order.append(key)
    return order


def _module_files(debian: Path) -> dict[str, Path]:
    """Each kernel module by its name; what the kernel has built in has no file and needs none."""
    return {file.name.split(".ko")[0].replace("-", "_"): file for file in debian.glob("**/lib/modules/*/kernel/**/*.ko*")}


def _first(debian: Path, places: tuple[str, ...]) -> Path:
    for place in places:
        if (debian / place).is_file():
            return debian / place
    raise Unavailable(f"the packages hold no {Path(places[0]).name}")
