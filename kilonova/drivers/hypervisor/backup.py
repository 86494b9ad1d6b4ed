"""A copy of a disk as it is at one moment, whole and flat, while its guest goes on; or of a guest's that is off. By QEMU itself.

The copy is a blank qcow2 file that is there already; it is handed to QEMU open. A guest that is off has no QEMU: then one is
started that has its disks and no processor, as the same user without rights, and it ends with us.
"""

import asyncio
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kilonova.build.needs import Progress
from kilonova.drivers.host_folder import clear_folder, make_folder
from kilonova.drivers.hypervisor import command
from kilonova.drivers.hypervisor.launch import QEMU_LOG
from kilonova.drivers.identity import Identity
from kilonova.drivers.monitor import Monitor
from kilonova.drivers.process import hold
from kilonova.drivers.starting import CLEAN, QMP_SOCKET, limited, listen, open_file
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.guest import Disk

_NODE, _FILE, _JOB = "k-copy", "k-copy-file", "k-copy-job"
_LOOK_EVERY_S = 0.2
_GREETING_S = 30.0
_DIE_S = 10.0
_MEMORY_MB = 256


async def back_up(monitor: Monitor, disk: Disk, into: Path, progress: Progress) -> None:
    """What the disk holds now goes into the blank qcow2 file. Raises BuildFailed; QEMU lets go of the file in any case."""
    await _let_go(monitor)  # of an attempt that was cut short
    fd = os.open(into, os.O_RDWR | os.O_CLOEXEC)
    try:
        lent = await monitor.lend(fd)
    finally:
        os.close(fd)
    try:
        file = {"driver": "file", "node-name": _FILE, "filename": f"/dev/fdset/{lent}"}
        await monitor.command("blockdev-add", **file)
        target = {"driver": "qcow2", "node-name": _NODE, "file": _FILE, "backing": None, "detect-zeroes": "on"}
        await monitor.command("blockdev-add", **target)
        job = {"job-id": _JOB, "device": command.node_name(disk), "target": _NODE, "sync": "full", "auto-dismiss": False}
        await monitor.command("blockdev-backup", **job)
        await _until_over(monitor, progress)
    except Unavailable as error:
        raise BuildFailed("The server's disk could not be copied.") from error
    finally:
        await _let_go(monitor)
        await monitor.command_quietly("remove-fd", **{"fdset-id": lent})


async def back_up_without_guest(
    binary: Path, folder: Path, identity: Identity, disk: Disk, into: Path, progress: Progress
) -> None:  # fmt: skip
    """The same for a guest that is off; `folder` is made and cleared. Raises BuildFailed."""
    clear_folder(folder)
    try:
        pid = await _started(binary, make_folder(folder), identity, disk)
        try:
            monitor = await Monitor.connect(folder, _GREETING_S)
            try:
                await back_up(monitor, disk, into, progress)
            finally:
                await monitor.close()
        except Unavailable as error:
            raise BuildFailed("The server's disk could not be opened.") from error
        finally:
            await _end(pid)
    finally:
        clear_folder(folder)


async def _started(binary: Path, folder: Path, identity: Identity, disk: Disk) -> int:
    starting = asyncio.ensure_future(asyncio.to_thread(_start, binary, folder, identity, disk))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])  # a thread cannot be called off, and what it starts must not be left alone
        if starting.exception() is None:
            await _end(starting.result())
        raise


async def _until_over(monitor: Monitor, progress: Progress) -> None:
    while True:
        jobs: list[dict[str, Any]] = await monitor.command("query-jobs")
        job = next((one for one in jobs if one["id"] == _JOB), None)
        if job is None or job.get("error"):
            raise BuildFailed("The server's disk could not be copied.")
        if job["status"] == "concluded":
            return
        progress("copying the disk", job["current-progress"] / max(job["total-progress"], 1))
        await asyncio.sleep(_LOOK_EVERY_S)


async def _let_go(monitor: Monitor) -> None:
    """The job, if it still goes on, ends; the copy is closed."""
    await monitor.command_quietly("job-cancel", id=_JOB)
    for _ in range(50):
        try:
            jobs: list[dict[str, Any]] = await monitor.command("query-jobs")
        except Unavailable:
            return
        if all(one["id"] != _JOB or one["status"] == "concluded" for one in jobs):
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    if any(one["id"] == _JOB for one in jobs):
        await monitor.command_quietly("job-dismiss", id=_JOB)
    nodes: list[dict[str, Any]] = await monitor.command("query-named-block-nodes", flat=True)
    known = {one.get("node-name") for one in nodes}
    for node in (_NODE, _FILE):
        if node in known:
            await monitor.command_quietly("blockdev-del", **{"node-name": node})


def _start(binary: Path, folder: Path, identity: Identity, disk: Disk) -> int:
    """A QEMU with this disk, no processor and no memory to speak of; its pid. Raises BuildFailed."""
    with ExitStack() as opened:
        try:
            fds = {
                path: open_file(Path(path), os.O_RDONLY if read_only else os.O_RDWR, opened)
                for path, read_only in command.paths((disk,)).items()
            }
            qmp = listen(folder, QMP_SOCKET, opened)
            output = open_file(folder / QEMU_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, opened)
            process = subprocess.Popen(
                [
                    *limited(command.memory_limit(_MEMORY_MB)),
                    *("setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--"),
                    *command.without_guest(str(binary), disk, fds, qmp),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(*fds.values(), qmp),
                start_new_session=True,
                cwd="/",
                env=CLEAN,
                **identity.as_popen_arguments(),
            )
        except OSError as error:
            raise BuildFailed("The server's disk could not be opened on its host.") from error
    process.returncode = 0  # a lie that keeps Popen from waiting for it: Process does
    return process.pid


async def _end(pid: int) -> None:
    process = hold(pid)
    process.kill()
    await process.wait(_DIE_S)
    process.let_go()
