"""Starts one QEMU: opens everything it needs, takes rights away, passes open files and nothing else.

It blocks, so it is called in a thread; it knows neither QMP nor the event loop. When it fails it has closed what it opened.
"""

import os
import socket
import subprocess
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct

from kilonova.build.record import Wired
from kilonova.drivers.hypervisor import command
from kilonova.drivers.hypervisor.plugs import Plugs
from kilonova.errors import BuildFailed
from kilonova.model.guest import Disk
from kilonova.model.ids import ServerId

CONSOLE_LOG = "console.log"
QEMU_LOG = "qemu.log"
QMP_SOCKET = "qmp"
SERIAL_SOCKET = "serial"


class Identity(Struct, frozen=True):
    """Who a guest's process runs as; `uid` None: as ourselves, since only root can become somebody else."""

    uid: int | None = None
    groups: tuple[int, ...] = ()

    def as_popen_arguments(self) -> dict[str, Any]:
        """For `subprocess.Popen`: numbers only, no entry in passwd is needed."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": list(self.groups)}


class UidRange(Struct, frozen=True):
    """The users guests run as when we are root: each server gets one of its own, so guests cannot reach each other's processes.

    The default lies above what system accounts, containers and user namespaces usually take.
    """

    first: int = 1_900_000_000
    count: int = 200_000_000

    def identity(self, server_id: ServerId) -> Identity:
        """The identity of this server's process, the same at every start."""
        if os.geteuid() != 0:
            return Identity()
        number = int.from_bytes(sha256(server_id.encode()).digest()[:8], "big")
        return Identity(self.first + number % self.count, _kvm_group())


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be started, where and as whom. `folder` holds its logs and sockets."""

    binary: Path
    machine: str
    accelerator: str
    folder: Path
    identity: Identity
    build: Wired
    disks: tuple[Disk, ...]


def launch(plan: Plan, plugs: Plugs) -> int:
    """Start QEMU, held before its first instruction, and return its pid. Raises BuildFailed."""
    with ExitStack() as opened:
        try:
            machine, fds = _open_everything(plan, plugs, opened)
            output = _open(plan.folder / QEMU_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, opened)
            process = subprocess.Popen(
                [*_limited(command.memory_limit(machine.ram_mb)), *command.command(machine)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=fds,
                start_new_session=True,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C"},  # ours may hold secrets
                **plan.identity.as_popen_arguments(),
            )
        except OSError as error:
            raise BuildFailed("The guest's process could not be started on its host.") from error
    process.returncode = 0  # a lie that keeps Popen from ever waiting for it: the guest outlives us, and Process watches it
    return process.pid


def _open_everything(plan: Plan, plugs: Plugs, opened: ExitStack) -> tuple[command.Machine, tuple[int, ...]]:
    disk_fds = {
        path: _open(Path(path), os.O_RDONLY if read_only else os.O_RDWR, opened)
        for path, read_only in command.paths(plan.disks).items()
    }
    nics: list[command.Nic] = []
    nic_fds: list[int] = []
    for wire in plan.build.wires:
        end = plugs.open(wire)
        opened.callback(end.close)
        nics.append(command.Nic(wire, end.netdev))
        nic_fds += end.fds
    machine = command.Machine(
        binary=str(plan.binary),
        server_id=plan.build.server_id,
        machine=plan.machine,
        accelerator=plan.accelerator,
        vcpus=plan.build.flavor.vcpus,
        ram_mb=plan.build.flavor.ram_mb,
        disks=plan.disks,
        disk_fds=disk_fds,
        nics=tuple(nics),
        qmp_fd=_listen(plan.folder, QMP_SOCKET, opened),
        serial_fd=_listen(plan.folder, SERIAL_SOCKET, opened),
        console_fd=_open(plan.folder / CONSOLE_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, opened),
    )
    return machine, (*disk_fds.values(), *nic_fds, machine.qmp_fd, machine.serial_fd, machine.console_fd)


def _open(path: Path, flags: int, opened: ExitStack) -> int:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    opened.callback(os.close, fd)
    return fd


def _listen(folder: Path, name: str, opened: ExitStack) -> int:
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


def _limited(memory_bytes: int) -> list[str]:
    """A program that limits itself and then becomes QEMU.

    Between fork and exec no code of ours may run beside other threads, and limiting another user's process from outside takes a
    capability that root in a container may lack.
    """
    return ["prlimit", f"--as={memory_bytes}", "--core=0", "--"]


def _kvm_group() -> tuple[int, ...]:
    """The group that may open /dev/kvm, unless that is root's."""
    try:
        group = Path("/dev/kvm").stat().st_gid
    except OSError:
        return ()
    return (group,) if group else ()
