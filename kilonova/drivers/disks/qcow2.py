"""The header of a qcow2 file: writes blank disks and overlays, and reads what a stranger's image claims to be.

Not a qcow2 implementation: clusters with data are QEMU's business. Writing the header here and not by ``qemu-img create`` saves a
process (10 ms and a fork) in every build; the tests let ``qemu-img check`` judge the result.
"""

import struct
from pathlib import Path

from msgspec import Struct

from kilonova.errors import BuildFailed

_MAGIC = b"QFI\xfb"
_CLUSTER_BITS = 16
_CLUSTER = 1 << _CLUSTER_BITS
_BYTES_PER_L1_ENTRY = _CLUSTER * (_CLUSTER // 8)
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_HEADER_LENGTH = 104
_BACKING_FORMAT = 0xE2792ACA
_EXTERNAL_DATA = 1 << 2
_MAX_SIZE = 1 << 50


class Header(Struct, frozen=True):
    """What matters of a qcow2 header. `virtual_size` in bytes."""

    virtual_size: int
    has_backing: bool
    has_external_data: bool
    encrypted: bool


def create(path: Path, size: int, backing: tuple[str, str] | None = None) -> None:
    """A new qcow2 disk of `size` bytes (rounded up to 512), blank or an overlay on `backing` = (file name, format).

    The file must not exist; it takes 256 KiB and no more until a guest writes. Raises OSError, BuildFailed for an absurd size.
    """
    size = -(-size // 512) * 512
    if not 0 < size <= _MAX_SIZE:
        raise BuildFailed("The disk's size is out of range.")
    l1_entries = -(-size // _BYTES_PER_L1_ENTRY)
    l1_clusters = -(-l1_entries * 8 // _CLUSTER)
    clusters = 3 + l1_clusters  # header, refcount table, refcount block, L1 table
    name, extensions = b"", b""
    if backing is not None:
        name = backing[0].encode()
        extensions = _extension(_BACKING_FORMAT, backing[1].encode())
    extensions += struct.pack(">II", 0, 0)
    # fmt: off
    header = _HEADER.pack(
        _MAGIC, 3, _HEADER_LENGTH + len(extensions) if name else 0, len(name), _CLUSTER_BITS, size,
        0, l1_entries, 3 * _CLUSTER, 1 * _CLUSTER, 1, 0, 0,
        0, 0, 0, 4, _HEADER_LENGTH,
    )
    # fmt: on
    with path.open("xb") as disk:
        disk.truncate(clusters * _CLUSTER)
        disk.write(header + extensions + name)
        disk.seek(1 * _CLUSTER)
        disk.write(struct.pack(">Q", 2 * _CLUSTER))
        disk.seek(2 * _CLUSTER)
        disk.write(struct.pack(">H", 1) * clusters)


def read_header(path: Path) -> Header:
    """The header of an existing qcow2 file. Raises BuildFailed when it is none."""
    with path.open("rb") as disk:
        head = disk.read(_HEADER.size)
    if len(head) < 72 or head[:4] != _MAGIC:
        raise BuildFailed("The image is not in the format it was uploaded as.")
    fields = _HEADER.unpack(head.ljust(_HEADER.size, b"\0"))
    version, backing_offset, size, encryption, incompatible = fields[1], fields[2], fields[5], fields[6], fields[13]
    if version not in (2, 3) or not 0 < size <= _MAX_SIZE:
        raise BuildFailed("The image is damaged.")
    external = version == 3 and bool(incompatible & _EXTERNAL_DATA)
    return Header(size, bool(backing_offset), external, bool(encryption))


def grow(path: Path, size: int) -> None:
    """A disk that `create` made, of which a guest is not running, gets larger; what is in it stays, and the new part is blank.

    Only the two numbers in the header change: its first table has room for 4 TiB from the start. Raises OSError, BuildFailed.
    """
    size = -(-size // 512) * 512
    with path.open("r+b") as disk:
        head = disk.read(_HEADER.size)
        if len(head) < _HEADER.size or head[:4] != _MAGIC:
            raise BuildFailed("The server's disk is damaged.")
        fields = _HEADER.unpack(head)
        cluster_bits, old_size, entries = fields[4], fields[5], fields[7]
        wanted = -(-size // _BYTES_PER_L1_ENTRY)
        room = max(1, -(-entries * 8 // _CLUSTER)) * _CLUSTER // 8
        if cluster_bits != _CLUSTER_BITS or size < old_size or wanted > room or not fields[8]:
            raise BuildFailed("The server's disk cannot be grown to this size.")
        disk.seek(24)
        disk.write(struct.pack(">Q", size))
        disk.seek(36)
        disk.write(struct.pack(">I", max(wanted, entries)))


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">II", kind, len(body)) + body + b"\0" * (-len(body) % 8)
