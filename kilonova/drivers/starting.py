"""What a process is started with: open files, a listening socket, limits. Starts nothing."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path

QMP_SOCKET = "qmp"
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"}
"""The environment of such a process: ours may hold secrets."""


def open_file(path: Path, flags: int, opened: ExitStack) -> int:
    """An open file, closed with `opened`."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, fd)
    return fd


def listen(folder: Path, name: str, opened: ExitStack) -> int:
    """A listening unix socket. QEMU inherits it, so we can connect before QEMU is up, and nobody polls."""
    (folder / name).unlink(missing_ok=True)
    listener = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    with ExitStack() as for_now:
        place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        for_now.callback(os.close, place)
        listener.bind(f"/proc/self/fd/{place}/{name}")  # a socket's path may have 107 bytes, ours may be longer
    (folder / name).chmod(0o600)
    listener.listen(4)
    return listener.fileno()


def limited(memory_bytes: int) -> list[str]:
    """A program that limits itself and then becomes another.

    Between fork and exec no code of ours may run beside other threads, and limiting another user's process from outside takes a
    capability that root in a container may lack.
    """
    return ["prlimit", f"--as={memory_bytes}", "--core=0", "--"]
