"""One process that serves one volume: qemu-storage-daemon, NBD over TLS with a key of its own. Kept by `exports.py`.

It runs as the volume's own user and can open nothing but what it was handed. Its command line can be read by every user of
the machine, so it holds no secret: the key is in a file. What it has confirmed as written is on the disk: a guest that reconnects
after this process or its machine has died is not told, and must have lost nothing.
"""

import os
import socket
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from kilonova.drivers.identity import Identity
from kilonova.drivers.starting import CLEAN, QMP_SOCKET, limited, listen, open_file
from kilonova.errors import BuildFailed

_MEMORY = 4 << 30
_LOG = "daemon.log"
_FILE = "export.json"
_LISTENS = 10
"""TCP_LISTEN, as the kernel shows it."""
KEYS = "keys"
NODE = "volume"
EXPORT = "export"


class Export(Struct, frozen=True, kw_only=True):
    """What is written down of a volume that is served. `key` in hexadecimal; `port` 0 until it is known, as are pid and ticks."""

    volume_id: str
    attachment_id: str
    key: str
    read_only: bool = False
    port: int = 0
    pid: int = 0
    start_ticks: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be started. `folder` holds its log, socket and key; `file` is the volume."""

    binary: str
    folder: Path
    file: Path
    identity: Identity
    host: str
    export: Export


def launch(plan: Plan) -> tuple[int, int]:
    """Start the process; (pid, port). The port is the one it had, if it had one. Blocks. Raises BuildFailed."""
    with ExitStack() as opened:
        try:
            listener = opened.enter_context(_listener(plan.host, plan.export.port))
            keys = _write_key(plan)
            keys_fd = os.open(keys, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, keys_fd)
            file_fd = open_file(plan.file, os.O_RDONLY if plan.export.read_only else os.O_RDWR, opened)
            qmp_fd = listen(plan.folder, QMP_SOCKET, opened)
            output = open_file(plan.folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, opened)
            fds = (listener.fileno(), keys_fd, file_fd, qmp_fd)
            process = subprocess.Popen(
                [*limited(_MEMORY), plan.binary, *_arguments(plan.export, fds)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=fds,
                start_new_session=True,
                cwd="/",
                env=CLEAN,
                **plan.identity.as_popen_arguments(),
            )
        except OSError as error:
            raise BuildFailed("The volume could not be served by its node.") from error
        process.returncode = 0  # a lie that keeps Popen from ever waiting for it: it outlives us, and Process watches it
        return process.pid, int(listener.getsockname()[1])


def is_daemon_of(volume_id: str, words: list[bytes]) -> bool:
    """Whether this is the command line of a process that serves the volume."""
    mark = f"name={volume_id},".encode()
    return len(words) > 1 and b"qemu-storage-daemon" in words[0] and any(mark in word for word in words)


def ports_in_use() -> set[int]:
    """Of this network namespace, those that somebody is connected to, or was until just now. Blocks."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(FileNotFoundError):  # there is no IPv6 here
            for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
                _, here, _, state, *_ = line.split()
                if int(state, 16) != _LISTENS:
                    found.add(int(here.rpartition(":")[2], 16))
    return found


def last_words(folder: Path) -> str:
    """The first line it complained with; for logs, not for owners."""
    try:
        return (folder / _LOG).read_text(errors="replace").strip().partition("\n")[0][:300]
    except OSError:
        return ""


def write_down(folder: Path, export: Export) -> None:
    """Whole or not at all, and for our eyes only."""
    half = folder / f"{_FILE}.half"
    half.touch(mode=0o600)
    half.write_bytes(msgspec.json.encode(export))
    half.replace(folder / _FILE)


def recall(folder: Path) -> Export | None:
    """None when nothing readable is there."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=Export)
    except (OSError, msgspec.MsgspecError):
        return None


def export_arguments(export: Export) -> dict[str, object]:
    """For QMP's block-export-add: the same that the command line says."""
    known = {"type": "nbd", "id": EXPORT, "node-name": NODE, "name": export.volume_id}
    return {**known, "writable": not export.read_only, "writethrough": not export.read_only}


def _arguments(export: Export, fds: tuple[int, int, int, int]) -> list[str]:
    listener, keys, file, qmp = fds
    read_only = export.read_only
    bottom = {"driver": "file", "node-name": "file", "filename": f"/proc/self/fd/{file}", "read-only": read_only}
    top = {"driver": "qcow2", "node-name": NODE, "file": "file", "backing": None, "read-only": read_only, "discard": "unmap"}
    # fmt: off
    return [
        "--object", f"tls-creds-psk,id=tls,endpoint=server,dir=/proc/self/fd/{keys}",
        "--chardev", f"socket,id=qmp,fd={qmp},server=on,wait=off",
        "--monitor", "chardev=qmp",
        "--blockdev", msgspec.json.encode({**bottom, "discard": "unmap"}).decode(),
        "--blockdev", msgspec.json.encode(top).decode(),
        "--nbd-server", f"addr.type=fd,addr.str={listener},tls-creds=tls",
        "--export", f"type=nbd,id={EXPORT},node-name={NODE},name={export.volume_id},"
                    f"writable={'off,writethrough=off' if read_only else 'on,writethrough=on'}",
    ]
    # fmt: on


def _listener(host: str, port: int) -> socket.socket:
    """Bound by us, so that the port is known before anybody is told."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def _write_key(plan: Plan) -> Path:
    """The folder of the one key that opens this export, for the eyes of the volume's user alone."""
    keys = plan.folder / KEYS
    keys.mkdir(mode=0o700, exist_ok=True)
    file, half = keys / "keys.psk", keys / "keys.half"
    half.unlink(missing_ok=True)
    half.touch(mode=0o400)
    half.write_text(f"{plan.export.attachment_id}:{plan.export.key}\n")
    uid = plan.identity.uid
    if uid is not None:
        os.chown(half, uid, uid)
        os.chown(keys, uid, uid)
    half.replace(file)
    return keys
