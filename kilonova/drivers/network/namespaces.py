"""Network namespaces: make one, enter it for one piece of work, remove it. Same places and rules as ``ip netns``.

The namespace of a calling thread never changes: work is done in a thread of its own that ends afterwards, so asyncio's
thread and every pool thread stay where they are. It does not look inside a namespace.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

RUN = Path("/run/netns")

_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED, _MNT_DETACH = 0x1000, 0x4000, 1 << 20, 2
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class _Errand(threading.Thread, Generic[T]):
    """One piece of work in a thread that changes its namespace and then ends."""

    def __init__(self, go: Callable[[], None], work: Callable[[], T]) -> None:
        super().__init__(name="kn-netns", daemon=True)
        self._go, self._work = go, work
        self._done: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._go()
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self._error = error

    def result(self) -> T:
        """What the work returned, or its error."""
        self.start()
        self.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self._done[0]


def inside(name: str | None, work: Callable[[], T]) -> T:
    """The result of `work`, done in the namespace `name` (None: where this process is).

    Raises OSError, and whatever `work` raises. Blocks until it is done; call it from a thread (``asyncio.to_thread``).
    Sockets, processes and files of ``/proc/sys/net`` that `work` opens belong to that namespace.
    """
    if name is None:
        return work()
    return _Errand(lambda: _enter(RUN / name), work).result()


def exists(name: str) -> bool:
    """True when a namespace of this name is there, not only its leftover file."""
    try:
        return (RUN / name).stat().st_dev != RUN.stat().st_dev
    except OSError:
        return False


def create(name: str) -> bool:
    """Make a namespace, its loopback down; False if it is there already. Raises OSError, then nothing is left."""
    if exists(name):
        return False
    _share_run()
    place = RUN / name
    place.touch(mode=0o444)

    def bind() -> None:
        _check(_libc.mount(f"/proc/self/task/{threading.get_native_id()}/ns/net".encode(), bytes(place), b"none", _MS_BIND, None))

    try:
        _Errand(lambda: _check(_libc.unshare(_CLONE_NEWNET)), bind).result()
    except OSError:
        place.unlink(missing_ok=True)
        raise
    return True


def name_again(name: str, pid: int) -> None:
    """Somebody took the name of a namespace away that a process still lives in: it is called so again. Raises OSError."""
    _share_run()
    place = RUN / name
    place.touch(mode=0o444)
    try:
        _check(_libc.mount(f"/proc/{pid}/ns/net".encode(), bytes(place), b"none", _MS_BIND, None))
    except OSError:
        place.unlink(missing_ok=True)
        raise


def remove(name: str) -> None:
    """Take the namespace's name away; the kernel drops it with its last process. None there is no error."""
    place = RUN / name
    # More than one mount can lie on the name when somebody bound it again; each must go.
    while exists(name):
        _check(_libc.umount2(bytes(place), _MNT_DETACH))
    place.unlink(missing_ok=True)


def names(prefix: str) -> set[str]:
    """All namespaces whose name begins with `prefix`, leftover files included."""
    try:
        return {entry.name for entry in RUN.iterdir() if entry.name.startswith(prefix)}
    except FileNotFoundError:
        return set()


def processes(name: str) -> set[int]:
    """The pids that live in the namespace `name`."""
    try:
        here = (RUN / name).stat().st_ino
    except OSError:
        return set()
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns" / "net").stat().st_ino == here:
                    found.add(int(entry.name))
            except OSError:
                continue  # it ended while we looked
    return found


def _enter(place: Path) -> None:
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, _CLONE_NEWNET))
    finally:
        os.close(fd)


def _share_run() -> None:
    """Make /run/netns a shared mount as ``ip netns`` does, so that a name removed in one mount namespace is removed in all."""
    RUN.mkdir(mode=0o755, parents=True, exist_ok=True)
    where = bytes(RUN)
    if _libc.mount(b"", where, b"none", _MS_SHARED | _MS_REC, None) == 0:
        return
    _check(_libc.mount(where, where, b"none", _MS_BIND | _MS_REC, None))
    _check(_libc.mount(b"", where, b"none", _MS_SHARED | _MS_REC, None))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
