"""Starts one QEMU: opens everything it needs, takes rights away, passes open files and nothing else.

It blocks, so it is called in a thread; it knows neither QMP nor the event loop. When it fails it has closed what it opened.
"""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from kilonova.build.record import Wired
from kilonova.drivers.hypervisor import command
from kilonova.drivers.hypervisor.plugs import Plugs
from kilonova.drivers.identity import Identity
from kilonova.drivers.starting import CLEAN, QMP_SOCKET, limited, listen, open_file
from kilonova.errors import BuildFailed
from kilonova.model.guest import Disk

CONSOLE_LOG = "console.log"
QEMU_LOG = "qemu.log"
SERIAL_SOCKET = "serial"


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be started, where and as whom. `folder` holds its logs and sockets."""

    binary: Path
    machine: str
    accelerator: str
    folder: Path
    identity: Identity
    build: Wired
    disks: tuple[Disk, ...]
    keys_fd: int
    """The open folder of the keys to its volumes; whoever opened it closes it."""


def launch(plan: Plan, plugs: Plugs) -> int:
    """Start QEMU, held before its first instruction, and return its pid. Raises BuildFailed."""
    with ExitStack() as opened:
        try:
            machine, fds = _open_everything(plan, plugs, opened)
            output = open_file(plan.folder / QEMU_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, opened)
            process = subprocess.Popen(
                [*limited(command.memory_limit(machine.ram_mb)), *command.command(machine)],
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
            raise BuildFailed("The guest's process could not be started on its host.") from error
    process.returncode = 0  # a lie that keeps Popen from ever waiting for it: the guest outlives us, and Process watches it
    return process.pid


def _open_everything(plan: Plan, plugs: Plugs, opened: ExitStack) -> tuple[command.Machine, tuple[int, ...]]:
    disk_fds = {
        path: open_file(Path(path), os.O_RDONLY if read_only else os.O_RDWR, opened)
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
        keys_fd=plan.keys_fd,
        qmp_fd=listen(plan.folder, QMP_SOCKET, opened),
        serial_fd=listen(plan.folder, SERIAL_SOCKET, opened),
        console_fd=open_file(plan.folder / CONSOLE_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, opened),
    )
    return machine, (*disk_fds.values(), *nic_fds, plan.keys_fd, machine.qmp_fd, machine.serial_fd, machine.console_fd)
