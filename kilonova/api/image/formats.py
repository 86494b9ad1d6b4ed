"""What is in an image's bytes? Looks at them as they pass, and refuses what could hurt a host. Keeps and hashes nothing.

Refused are contents that would make QEMU open other files or hold more than they say: a qcow2 file with a backing file or an
external data file, VMDK descriptors that name extents, features nobody knows, sizes beyond reason, and two formats in one.
A content that is merely not what was declared is not refused here: what was found is recorded, and a boot compares.
"""

import logging
import struct
from typing import Any

from kilonova.errors import BadRequest

log = logging.getLogger(__name__)

BLOCK = 256 * 1024
"""The inspectors want the start of a file in one piece: feed blocks of this size, only the last may be shorter."""
LARGEST_VIRTUAL = 16 << 40
"""Bytes; more than a file system of these hosts could hold, so nothing honest."""
EARLY = 4 << 20
"""Bytes after which the headers of all formats have passed: what is hostile need not be received to its end."""
# Not luks: it may try passwords, which costs seconds. Not gpt: partitions are raw to QEMU, and many good disks have none.
_KNOWN = ("qcow2", "vmdk", "vdi", "vhd", "vhdx", "qed", "iso")
_SAYS_ITS_SIZE = ("qcow2", "vmdk", "vdi", "vhd", "vhdx")
_LUKS = b"LUKS\xba\xbe"
_HEAD = 112
_QCOW2_CORRUPT = 2
_REASONS = {
    "backing_file": "it has a backing file",
    "data_file": "it has an external data file",
    "unknown_features": "it uses features that are not known to be safe",
    "descriptor": "its descriptor is not that of a self-contained VMDK (monolithicSparse or streamOptimized)",
    "footer": "its footer contradicts its header",
    "banned": "this format is not allowed",
}


class Inspection:
    """Feed it every block, then `finish`. Costs memory for headers only."""

    def __init__(self) -> None:
        from oslo_utils.imageutils import format_inspector  # a second to import: only who uploads waits for it

        self._trouble: tuple[type[Exception], ...] = (
            format_inspector.ImageFormatError,
            format_inspector.SafetyViolation,
            struct.error,
            ArithmeticError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        )
        """What the inspectors raise on content they do not expect; some of it by accident."""
        self._failed_checks: type[Any] = format_inspector.SafetyCheckFailed
        self._inspectors: list[Any] = [format_inspector.ALL_FORMATS[name]() for name in _KNOWN]
        self._eating: list[Any] = list(self._inspectors)
        self._head = b""
        self._size = 0

    def feed(self, block: bytes) -> None:
        """Raises BadRequest as soon as the content is known to be hostile."""
        if len(self._head) < _HEAD:
            self._head = (self._head + block[:_HEAD])[:_HEAD]
        self._size += len(block)
        for inspector in tuple(self._eating):
            try:
                inspector.eat_chunk(block)
            except self._trouble:
                self._eating.remove(inspector)
        if self._size - len(block) < EARLY <= self._size:
            self._judge_early()

    def finish(self) -> tuple[str, int, str]:
        """The format that was found, the size a guest would see, and why it cannot be booted ("" when it can).

        Raises BadRequest for content that is not to be kept at all.
        """
        for inspector in self._inspectors:
            inspector.finish()
        matching = [inspector for inspector in self._inspectors if self._matches(inspector)]
        names = sorted(str(inspector) for inspector in matching)
        if len(matching) > 1:
            raise _refused(f"it looks like several formats at once ({', '.join(names)})")
        if not matching:
            return self._without_format()
        self._check_safety(matching[0])
        return names[0], self._virtual_size(matching[0], names[0]), self._why_not_boot(names[0])

    def _judge_early(self) -> None:
        for inspector in self._inspectors:
            if self._matches(inspector) and inspector.complete:
                self._check_safety(inspector)
                self._virtual_size(inspector, str(inspector))

    def _without_format(self) -> tuple[str, int, str]:
        if self._head.startswith(_LUKS):
            return "luks", self._size, "it is encrypted"
        return "raw", self._size, "" if self._size else "it is empty"

    def _matches(self, inspector: Any) -> bool:
        try:
            return bool(inspector.format_match)
        except self._trouble:
            return False  # it never got as far as to know, so it is not that

    def _check_safety(self, inspector: Any) -> None:
        try:
            inspector.safety_check()
        except self._failed_checks as failed:
            log.warning("image content refused", extra={"action": "image_refused", "checks": sorted(failed.failures)})
            raise _refused("; ".join(_REASONS.get(name, f"the check {name} failed") for name in failed.failures)) from None
        except self._trouble:
            raise _refused(f"its {inspector} header is incomplete or malformed") from None

    def _virtual_size(self, inspector: Any, name: str) -> int:
        if name not in _SAYS_ITS_SIZE:
            return self._size
        try:
            size = int(inspector.virtual_size)
        except self._trouble:
            raise _refused(f"its {name} header is incomplete or malformed") from None
        if size > LARGEST_VIRTUAL:
            raise _refused(f"it claims a size of {size} bytes, and {LARGEST_VIRTUAL} is the most that is allowed")
        return size if size > 0 else self._size

    def _why_not_boot(self, name: str) -> str:
        if name != "qcow2":
            return ""
        version, encryption = struct.unpack_from(">I", self._head, 4)[0], struct.unpack_from(">I", self._head, 32)[0]
        if encryption:
            return "it is encrypted"
        if version > 2 and self._head[79] & _QCOW2_CORRUPT:
            return "it is marked as corrupt"
        return ""


def _refused(why: str) -> BadRequest:
    return BadRequest(f"The image data was refused: {why}.")
