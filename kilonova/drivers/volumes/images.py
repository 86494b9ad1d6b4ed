"""qemu-img, run for one volume: as a user without rights, its memory bounded, its files handed to it open, every format named.

It decides nothing about volumes; `files.py` does.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Struct

from kilonova.drivers.identity import Identity
from kilonova.drivers.process import Process, hold
from kilonova.drivers.starting import CLEAN, limited, open_file
from kilonova.errors import BuildFailed, Unavailable

_MEMORY = 4 << 30
_DIE_S = 10.0
_LAST_WORDS = 1 << 16

Words = Callable[[Sequence[str]], list[str]]
"""From the names qemu-img can open its files by to its arguments."""


class Image(Struct, frozen=True, kw_only=True):
    """What qemu-img says of a file. `size` is what a guest would see, in bytes."""

    size: int
    snapshots: tuple[str, ...] = ()
    refers: bool = False
    """To another file, or it is encrypted: no bytes of its own alone."""


class QemuImg:
    """`binary` as found in PATH. Each call raises BuildFailed with words an owner may read, and Unavailable without qemu-img."""

    def __init__(self, binary: str = "qemu-img") -> None:
        self._binary = binary

    async def create(self, file: Path, size: int, identity: Identity) -> None:
        """Make the file that is there a blank qcow2 disk of `size` bytes."""
        await self._run(lambda at: ["create", "-q", "-f", "qcow2", at[0], str(size)], [(file, os.O_RDWR)], identity)

    async def describe(self, file: Path, kind: str, identity: Identity) -> Image:
        """The file as an image of this format; also one that is in use."""
        words: Words = lambda at: ["info", "-U", "--output=json", named(kind, at[0])]  # noqa: E731
        told: dict[str, Any] = msgspec.json.decode(await self._run(words, [(file, os.O_RDONLY)], identity))
        special = told.get("format-specific", {}).get("data", {})
        return Image(
            size=told["virtual-size"],
            snapshots=tuple(one["name"] for one in told.get("snapshots", ())),
            refers=bool(told.get("backing-filename") or special.get("data-file") or told.get("encrypted")),
        )

    async def fill(self, source: Path, kind: str, snapshot: str, target: Path, identity: Identity) -> None:
        """Copy an image, or one of its snapshots, into a blank qcow2 disk that is at least as large."""
        part = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
        words: Words = lambda at: [  # noqa: E731
            "convert", "-q", "-U", "-n", "--target-is-zero", *part, "-O", "qcow2", named(kind, at[0]), at[1],
        ]  # fmt: skip
        await self._run(words, [(source, os.O_RDONLY), (target, os.O_RDWR)], identity)

    async def export(self, source: Path, snapshot: str, target: Path, kind: str, identity: Identity) -> None:
        """Write a snapshot of a volume as an image of the format `kind` into the file that is there."""
        part = ["-l", f"snapshot.name={snapshot}"]
        words: Words = lambda at: ["convert", "-q", "-U", *part, "-O", kind, named("qcow2", at[0]), at[1]]  # noqa: E731
        await self._run(words, [(source, os.O_RDONLY), (target, os.O_RDWR)], identity)

    async def resize(self, file: Path, size: int, identity: Identity) -> None:
        """The volume grows to `size` bytes."""
        await self._run(lambda at: ["resize", "-q", "-f", "qcow2", at[0], str(size)], [(file, os.O_RDWR)], identity)

    async def snapshot(self, file: Path, how: str, name: str, identity: Identity) -> None:
        """`how`: ``-c`` takes it, ``-d`` drops it, ``-a`` goes back to it."""
        words: Words = lambda at: ["snapshot", "-q", how, name, "--image-opts", f"driver=qcow2,file.filename={at[0]}"]  # noqa: E731
        await self._run(words, [(file, os.O_RDWR)], identity)

    async def _run(self, words: Words, files: Sequence[tuple[Path, int]], identity: Identity) -> bytes:
        binary = shutil.which(self._binary)
        if binary is None:
            raise Unavailable("qemu-img is not installed on the volume node.")
        with tempfile.TemporaryFile() as output:
            starting = asyncio.ensure_future(asyncio.to_thread(_start, binary, words, files, identity, output))
            try:
                pid = await asyncio.shield(starting)
            except asyncio.CancelledError:
                await asyncio.wait([starting])  # a thread cannot be called off, and what it starts must not be left alone
                if starting.exception() is None:
                    await _end(hold(starting.result()))
                raise
            code = await _ended(pid)
            output.seek(0)
            said = output.read(_LAST_WORDS)
        if code != 0:
            raise BuildFailed(f"The volume's bytes could not be worked on: {_complaint(said)}")
        return said


def named(kind: str, file: str) -> str:
    """A file as qemu-img opens it: nothing is guessed, and no header is followed to another file."""
    image: dict[str, Any] = {"driver": kind, "file": {"driver": "file", "filename": file}}
    if kind == "qcow2":
        image["backing"] = None
    return "json:" + msgspec.json.encode(image).decode()


def _start(binary: str, words: Words, files: Sequence[tuple[Path, int]], identity: Identity, output: IO[bytes]) -> int:
    """Its pid. Raises BuildFailed."""
    with ExitStack() as opened:
        try:
            fds = [open_file(path, flags, opened) for path, flags in files]
            arguments = words([f"/proc/self/fd/{fd}" for fd in fds])
            process = subprocess.Popen(
                [*limited(_MEMORY), "setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--", binary, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=fds,
                start_new_session=True,
                cwd="/",
                env=CLEAN,
                **identity.as_popen_arguments(),
            )
        except OSError as error:
            raise BuildFailed("The volume's files could not be opened on its node.") from error
    process.returncode = 0  # a lie that keeps Popen from waiting for it: Process does
    return process.pid


async def _ended(pid: int) -> int:
    """Its exit code; when nobody waits for it any more, it ends."""
    held = hold(pid)
    try:
        await held.ended.wait()
    except asyncio.CancelledError:
        await _end(held)
        raise
    return 1 if held.code is None else held.code


async def _end(process: Process) -> None:
    process.kill()
    await process.wait(_DIE_S)


def _complaint(said: bytes) -> str:
    """Its last line without names of files."""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    text = lines[-1] if lines else "it ended without a word"
    text = text.removeprefix("qemu-img: ")
    start = text.find("json:")
    if start >= 0:
        text = text[:start] + "the image" + text[text.rfind("}") + 1 :]
    return " ".join("(a file)" if word.startswith(("/", "'/")) else word for word in text.split())[:200].rstrip(".") + "."
