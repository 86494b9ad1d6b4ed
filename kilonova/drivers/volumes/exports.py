"""Which volumes a node serves, and to whom: one process each, found again after a restart, started again when it dies.

It makes no volumes and reads none; `daemon.py` is one process, `files.py` are the volumes.
"""

import asyncio
import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from kilonova.drivers import process
from kilonova.drivers.identity import UidRange
from kilonova.drivers.monitor import Monitor
from kilonova.drivers.volumes import daemon
from kilonova.drivers.volumes.daemon import Export, Plan
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.volume_link import NbdAddress

log = logging.getLogger(__name__)

_ANSWER_S = 15.0
_DIE_S = 10.0
_PAUSES_S = (0.0, 0.2, 1.0, 5.0)


class Exports:
    """The exports below `root`, one folder each; `file_of` says where a volume's bytes are. `host`: where they are served."""

    def __init__(self, root: Path, file_of: Callable[[str], Path], host: str, uids: UidRange, binary: str) -> None:
        self._root, self._file_of, self._host, self._uids, self._binary = root, file_of, host, uids, binary
        self._running: dict[str, tuple[Export, process.Process]] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self._adopting = asyncio.Lock()
        self._adopted = False

    async def open(self, volume_id: str, attachment_id: str, read_only: bool) -> NbdAddress:
        """Served to this attachment and to no other. The same as before if it is already. Raises BuildFailed, Unavailable."""
        await self.adopt()
        running = self._running.get(volume_id)
        if running is not None and (running[0].attachment_id, running[0].read_only) == (attachment_id, read_only):
            return self._address(running[0])
        await self.close_one(volume_id)
        export = Export(volume_id=volume_id, attachment_id=attachment_id, key=secrets.token_hex(32), read_only=read_only)
        return self._address(await self._start(export))

    async def close_one(self, volume_id: str, attachment_id: str | None = None) -> None:
        """Nobody reaches it any more; one that is served to another attachment stays. Raises Unavailable."""
        await self.adopt()
        known = daemon.recall(self._folder(volume_id))
        if known is not None and attachment_id is not None and known.attachment_id != attachment_id:
            return
        running = self._running.pop(volume_id, None)
        found = None if running is None else running[1]
        if found is None and known is not None:
            found = await _find(known)
        if found is not None:
            await _end(found)
        await asyncio.to_thread(shutil.rmtree, self._folder(volume_id), ignore_errors=True)

    def served(self) -> Mapping[str, str]:
        """Volume id → attachment id."""
        return {volume_id: export.attachment_id for volume_id, (export, _) in self._running.items()}

    async def unused(self) -> Mapping[str, str]:
        """Of `served`, those that nobody is connected to."""
        await self.adopt()
        connected = await asyncio.to_thread(daemon.ports_in_use)
        return {
            volume_id: export.attachment_id for volume_id, (export, _) in self._running.items() if export.port not in connected
        }

    @asynccontextmanager
    async def monitor(self, volume_id: str) -> AsyncIterator[tuple[Monitor, Export] | None]:
        """Its QMP while it is served, else None. Raises Unavailable when it does not answer."""
        await self.adopt()
        running = self._running.get(volume_id)
        if running is None:
            yield None
            return
        monitor = await Monitor.connect(self._folder(volume_id), _ANSWER_S)
        try:
            yield monitor, running[0]
        finally:
            await monitor.close()

    async def adopt(self) -> None:
        """Once: what an earlier process served is watched again, or served again where its process is gone."""
        async with self._adopting:
            if self._adopted:
                return
            self._adopted = True
            for folder in self._root.glob("*"):
                export = daemon.recall(folder)
                if export is None or not self._file_of(export.volume_id).exists():
                    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                    continue
                found = await _find(export)
                if found is not None and not export.port:  # nobody was told where it listens
                    await _end(found)
                    found = None
                if found is not None:
                    known = replace(export, pid=found.pid, start_ticks=process.start_ticks(found.pid) or 0)
                    daemon.write_down(folder, known)
                    self._keep(known, found)
                    continue
                try:
                    await self._start(export)
                except (BuildFailed, Unavailable) as error:
                    log.warning("a volume is served no more: %s", error, extra={"action": "export_lost"})

    async def close(self, keep: bool) -> None:
        """Stop watching; without `keep` nothing is served any more."""
        if not keep:
            await self.adopt()
        for task in list(self._keepers):
            task.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)
        for volume_id, (_, running) in list(self._running.items()):
            if keep:
                running.let_go()
            else:
                await self.close_one(volume_id)
        self._running.clear()
        self._adopted = False

    async def _start(self, export: Export) -> Export:
        """Raises BuildFailed; then no process is left."""
        binary = shutil.which(self._binary)
        if binary is None:
            raise Unavailable("qemu-storage-daemon is not installed on the volume node.")
        folder = self._folder(export.volume_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        daemon.write_down(folder, export)  # before there is a process: one that nobody wrote down is looked for by its name
        plan = Plan(
            binary=binary,
            folder=folder,
            file=self._file_of(export.volume_id),
            identity=self._uids.plain(export.volume_id),
            host=self._host,
            export=export,
        )
        starting = asyncio.ensure_future(asyncio.to_thread(daemon.launch, plan))
        try:
            pid, port = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting])
            raise
        running = process.hold(pid)
        known = replace(export, pid=pid, port=port, start_ticks=process.start_ticks(pid) or 0)
        try:
            daemon.write_down(folder, known)
            monitor = await Monitor.connect(folder, _ANSWER_S)
            await monitor.close()
        except BaseException as error:
            said = daemon.last_words(folder)
            await _end(running)
            if isinstance(error, Unavailable):
                log.error("a volume is not served: %s", said, extra={"action": "export_failed", "volume": export.volume_id})
                raise BuildFailed("The volume could not be served by its node.") from error
            raise
        self._keep(known, running)
        return known

    def _keep(self, export: Export, running: process.Process) -> None:
        self._running[export.volume_id] = (export, running)
        task = asyncio.create_task(self._watch(export, running), name=f"export {export.volume_id}")
        self._keepers.add(task)
        task.add_done_callback(self._keepers.discard)

    async def _watch(self, export: Export, running: process.Process) -> None:
        """When it dies by itself it is started again, on the same port with the same key: a guest reconnects and goes on."""
        await running.ended.wait()
        for pause in _PAUSES_S:
            held = self._running.get(export.volume_id)
            if held is None or held[1] is not running:
                return  # it was to end
            await asyncio.sleep(pause)
            log.warning("a volume's process has died", extra={"action": "export_again", "volume": export.volume_id})
            try:
                await self._start(export)
            except (BuildFailed, Unavailable):
                continue
            return

    def _address(self, export: Export) -> NbdAddress:
        return NbdAddress(host=self._host, port=export.port, export=export.volume_id, user=export.attachment_id, key=export.key)

    def _folder(self, volume_id: str) -> Path:
        return self._root / volume_id


async def _find(export: Export) -> process.Process | None:
    """Its process, if it runs."""
    is_it = partial(daemon.is_daemon_of, export.volume_id)
    if export.pid:
        return process.open_again(export.pid, export.start_ticks, is_it)
    found = await asyncio.to_thread(process.find, is_it)
    return None if found is None else process.open_again(*found, is_it)


async def _end(running: process.Process) -> None:
    """At once. Raises Unavailable when the kernel cannot end it."""
    running.kill()
    if not await running.wait(_DIE_S):
        raise Unavailable("The process that serves the volume cannot be ended at the moment.")
