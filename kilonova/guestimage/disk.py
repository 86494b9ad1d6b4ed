"""Makes a bootable disk out of a kernel and two file trees, in plain files: no root rights, no loop device, no mount.

The disk has an MBR table with a small FAT partition (boot loader, kernel) and an ext4 root partition at its end.
"""

import struct
from pathlib import Path
from typing import Final

from kilonova.errors import Unavailable
from kilonova.guestimage.commands import run

_MIB: Final = 1 << 20
_SECTORS: Final = _MIB // 512
_BOOT_MIB: Final = 20
_ROOT_MIB: Final = 48
_MASTER_BOOT_CODE: Final = Path("/usr/lib/syslinux/mbr/mbr.bin")
_KERNEL_WORDS: Final = (
    # tty0 before ttyS0: the last one is /dev/console. The rest spares what an emulated processor pays dearly for, and
    # skips the timer check that hangs a guest for good when its host is busy.
    "console=tty0 console=ttyS0,115200 cryptomgr.notests no_timer_check tsc=reliable panic=10 net.ifnames=0"
)
_LOADER: Final = f"DEFAULT guest\nPROMPT 0\nTIMEOUT 0\nLABEL guest\n KERNEL /vmlinuz\n INITRD /initrd\n APPEND {_KERNEL_WORDS}\n"


def pack_initramfs(tree: Path, target: Path) -> None:
    """Pack `tree`, owned by root, into a zstd-compressed cpio archive the kernel can unpack."""
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    plain = target.with_suffix(".cpio")
    listing = "".join(f"{name}\n" for name in names)
    run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-F", plain], within=60, cwd=tree, feed=listing)
    run(["zstd", "-q", "-19", "-f", plain, "-o", target], within=120)


def make_disk(kernel: Path, initramfs: Path, root: Path, work: Path) -> Path:
    """Assemble the qcow2 image in `work` and return its path."""
    raw = work / "disk.raw"
    with raw.open("wb") as disk:
        disk.truncate((1 + _BOOT_MIB + _ROOT_MIB) * _MIB)
    _partition(raw)
    _fill_boot(raw, kernel, initramfs, work)
    _copy_sparse(_root_file_system(root, work), raw, (1 + _BOOT_MIB) * _MIB)
    image = work / "disk.qcow2"
    run(["qemu-img", "convert", "-q", "-c", "-f", "raw", "-O", "qcow2", raw, image], within=300)
    return image


def _partition(raw: Path) -> None:
    """Boot code and partition table in sector 0. Root is the last partition, so that the guest can let it grow."""
    if not _MASTER_BOOT_CODE.exists():
        raise Unavailable("the boot loader is not installed: install the Debian package syslinux-common")
    boot = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0x0E, b"\xfe\xff\xff", _SECTORS, _BOOT_MIB * _SECTORS)
    root_start = (1 + _BOOT_MIB) * _SECTORS
    root = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", root_start, _ROOT_MIB * _SECTORS)
    code = _MASTER_BOOT_CODE.read_bytes()[:440].ljust(440, b"\0")
    with raw.open("r+b") as disk:
        disk.write(code + b"KNGI\0\0" + boot + root + bytes(32) + b"\x55\xaa")


def _fill_boot(raw: Path, kernel: Path, initramfs: Path, work: Path) -> None:
    partition = f"{raw}@@{_MIB}"
    sectors = str(_BOOT_MIB * _SECTORS)
    run(["mformat", "-i", partition, "-v", "KNBOOT", "-T", sectors, "-h", "64", "-s", "32", "-H", str(_SECTORS), "::"], within=60)
    run(["syslinux", "--offset", str(_MIB), "--install", raw], within=60)
    (work / "syslinux.cfg").write_text(_LOADER)
    for file, name in ((work / "syslinux.cfg", "syslinux.cfg"), (kernel, "vmlinuz"), (initramfs, "initrd")):
        run(["mcopy", "-i", partition, file, f"::/{name}"], within=60)


def _root_file_system(tree: Path, work: Path) -> Path:
    """An ext4 file system holding `tree`; every file is given to root afterwards, since the builder may be anybody.

    The resize area lets the guest grow it, mounted, to 2 TiB; the inode count is the usual density once it has grown.
    """
    target = work / "root.ext4"
    options = "resize=536870912,lazy_itable_init=1,root_owner=0:0"
    shape = ["-t", "ext4", "-b", "4096", "-m", "0", "-N", "8192", "-J", "size=16", "-L", "kilonova-root", "-E", options]
    run(["mke2fs", "-q", "-F", *shape, "-d", tree, target, f"{_ROOT_MIB}M"], within=120)
    names = ["/lost+found", *(f"/{path.relative_to(tree)}" for path in tree.rglob("*"))]
    orders = "".join(f'set_inode_field "{name}" {field} 0\n' for name in names for field in ("uid", "gid"))
    run(["debugfs", "-w", "-f", "-", target], within=120, feed=orders)
    return target


def _copy_sparse(source: Path, target: Path, offset: int) -> None:
    with source.open("rb") as reader, target.open("r+b") as writer:
        for at in range(0, source.stat().st_size, _MIB):
            block = reader.read(_MIB)
            if block.count(0) != len(block):
                writer.seek(offset + at)
                writer.write(block)
