"""All QEMU guests of this host: a process each, found again after a restart of this role, reported when they end by themselves.

It makes neither disks nor wires, keeps no record of a build, and retries nothing: the story does.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from msgspec.structs import replace

from kilonova.build.needs import Progress
from kilonova.build.record import Placed, Wired
from kilonova.drivers.host_folder import clear_folder, make_folder, server_folder, servers_with
from kilonova.drivers.hypervisor import console, hotplug, process
from kilonova.drivers.hypervisor.backup import back_up, back_up_without_guest
from kilonova.drivers.hypervisor.command import machine_type, short_name
from kilonova.drivers.hypervisor.diagnostics import diagnose
from kilonova.drivers.hypervisor.guest import QemuGuest
from kilonova.drivers.hypervisor.host import QemuHost, QemuSettings
from kilonova.drivers.hypervisor.keys import drop_key, open_keys, write_key
from kilonova.drivers.hypervisor.launch import CONSOLE_LOG, QEMU_LOG, Plan, launch
from kilonova.drivers.hypervisor.memory import GuestMemory, boot_id, recall, write_down
from kilonova.drivers.hypervisor.plugs import Plugs
from kilonova.drivers.hypervisor.refusal import refusal
from kilonova.drivers.process import hold, start_ticks
from kilonova.errors import BuildFailed, NotFound, Unavailable
from kilonova.model.diagnostics import Diagnostics, not_running
from kilonova.model.guest import Disk, Guest, HostFacts, PowerState
from kilonova.model.ids import HostName, PortId, ServerId
from kilonova.model.port import Wire

_PART = "guest"
_COPYING = "copying"
_GREETING_S = 30.0
_ADOPTION_S = 5.0
_TRIM_EVERY_S = 10.0

OnEnd = Callable[[ServerId, PowerState], None]
"""Called in the event loop when a guest has ended without being told to."""


class QemuHypervisor:
    """The guests below ``root/servers/<id>/guest``. Call `close` at the end; the guests go on."""

    def __init__(self, host: HostName, root: Path, plugs: Plugs, settings: QemuSettings | None = None) -> None:
        self._root = root
        self._plugs = plugs
        self.about = QemuHost(host, root, settings or QemuSettings())
        self._guests: dict[ServerId, QemuGuest] = {}
        self._ended: dict[ServerId, PowerState] = {}
        self._listeners: list[OnEnd] = []
        self._turns: WeakValueDictionary[ServerId, asyncio.Lock] = WeakValueDictionary()
        self._adopting = asyncio.Lock()
        self._adopted = False
        self._trimming: asyncio.Task[None] | None = None

    async def start(self, build: Wired, disks: tuple[Disk, ...]) -> Guest:
        """Start the guest, or return it if it already runs. Raises BuildFailed; then no process is left."""
        await self._adopt_all()
        async with self._turn(build.server_id):
            guest = self._guests.get(build.server_id)
            if guest is not None and await guest.power() not in ("shutdown", "crashed"):
                await guest.go()
                return guest.as_guest()
            await self._forget(build.server_id)
            try:
                return (await self._launch(build, disks)).as_guest()
            except BaseException:  # a cancelled start too leaves nothing
                await self._forget(build.server_id)
                raise

    async def destroy(self, server_id: ServerId) -> None:
        """End the guest at once and forget it; none there is no error. Raises Unavailable when its process cannot be ended."""
        await self._adopt_all()
        async with self._turn(server_id):
            await self._forget(server_id)

    async def stop_now(self, server_id: ServerId) -> None:
        """End the guest's process at once; what was written down of it stays. None there is no error. Raises Unavailable."""
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is not None:
                await guest.end()

    async def shut_down(self, server_id: ServerId, timeout_s: float) -> None:
        """Ask by ACPI, again until `timeout_s`, then end it. What was written down of it stays. Raises NotFound."""
        await self._adopt_all()
        guest = self._guests.get(server_id)
        if guest is None and server_id not in self._ended:
            raise NotFound("This host has no such guest.")
        if guest is not None:
            await guest.shut_down(timeout_s)

    async def pause(self, server_id: ServerId) -> None:
        """Its processors stop, its memory stays; one that stands still is left so. Raises NotFound, Unavailable."""
        await self._tell(server_id, "stop")

    async def unpause(self, server_id: ServerId) -> None:
        """Its processors go on; one that runs is left so. Raises NotFound, Unavailable."""
        await self._tell(server_id, "cont")

    async def interrupt(self, server_id: ServerId) -> None:
        """A non-maskable interrupt. Raises NotFound, Unavailable."""
        await self._tell(server_id, "inject-nmi")

    async def copy_root(self, build: Placed, disks: tuple[Disk, ...], into: Path, progress: Progress) -> None:
        """The root disk as it is now, whole and flat, in a blank qcow2 file; its guest goes on. Raises BuildFailed."""
        root = next((disk for disk in disks if disk.name == "root"), None)
        if root is None:
            raise BuildFailed("The server has no disk of its own.")
        await self._adopt_all()
        guest = self._guests.get(build.server_id)
        if guest is not None and await guest.power() not in ("shutdown", "crashed"):
            try:
                await back_up(guest.monitor, root, into, progress)
            except Unavailable as error:
                raise BuildFailed("The server's disk could not be copied.") from error
            return
        identity = self.about.settings.uids.identity(build.server_id)
        folder = server_folder(self._root, build.server_id, _COPYING)
        await back_up_without_guest(self.about.binary(), folder, identity, root, into, progress)

    async def plug_nic(self, server_id: ServerId, wire: Wire) -> None:
        """The NIC appears in the guest, if it runs; one that is off gets it when it starts. Raises BuildFailed, Unavailable."""
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is None:
                return
            end = await asyncio.to_thread(self._plugs.open, wire)
            try:
                await hotplug.plug_nic(guest.monitor, wire, end)
            finally:
                end.close()

    async def unplug_nic(self, server_id: ServerId, port_id: PortId) -> None:
        """The guest, if it runs, lets go of the NIC; none there is no error. Raises BuildFailed, Unavailable."""
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is not None:
                await hotplug.unplug_nic(guest.monitor, port_id)

    async def plug_disk(self, server_id: ServerId, disk: Disk) -> None:
        """The volume appears in the guest, if it runs; else when it starts. Raises BuildFailed, Unavailable."""
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is None:
                return
            if guest.memory.keys_fd < 0:
                raise BuildFailed("The guest was started before volumes could be plugged into it; stop it and start it again.")
            write_key(self._folder(server_id), disk, self.about.settings.uids.identity(server_id))
            await hotplug.plug_disk(guest.monitor, disk, guest.memory.keys_fd)

    async def unplug_disk(self, server_id: ServerId, disk_name: str) -> None:
        """The guest, if it runs, lets go of the volume; none there is no error. Raises BuildFailed, Unavailable."""
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is not None:
                await hotplug.unplug_disk(guest.monitor, disk_name)
            drop_key(self._folder(server_id), short_name(disk_name))

    async def guests(self) -> Mapping[ServerId, PowerState]:
        """What is on this host now, also what an earlier process started, and what has ended but was not destroyed."""
        await self._adopt_all()
        guests = list(self._guests.items())
        powers = await asyncio.gather(*(guest.power() for _, guest in guests))
        return dict(self._ended) | {server_id: power for (server_id, _), power in zip(guests, powers, strict=True)}

    async def strays(self) -> Mapping[str, str]:
        """Server id → …, of QEMUs with our mark that this host does not know: also other hosts' and other clouds'."""
        await self._adopt_all()
        found = await asyncio.to_thread(process.all_uuids)
        known = servers_with(self._root, _PART) | self._guests.keys()
        return {uuid: "a QEMU runs for it that its host does not know" for uuid in found - known}

    async def end_stray(self, name: str) -> None:
        """That QEMU ends, unless this host knows it by now. Raises Unavailable."""
        server_id = ServerId(name)
        async with self._turn(server_id):
            if server_id in self._guests or self._folder(server_id).exists():
                return
            found = await asyncio.to_thread(process.find, server_id)
            running = process.open_again(*found, server_id) if found else None
            if running is not None:
                running.kill()
                ended = await running.wait(_GREETING_S)
                running.let_go()
                if not ended:
                    raise Unavailable("The process cannot be ended at the moment.")

    async def console_output(self, server_id: ServerId, lines: int | None) -> str:
        """The last `lines` lines (None: all that is kept, up to a MiB) of the serial console. Raises NotFound."""
        try:
            return await asyncio.to_thread(console.tail, self._folder(server_id) / CONSOLE_LOG, lines)
        except FileNotFoundError:
            raise NotFound("This server has no console log.") from None

    async def diagnostics(self, server_id: ServerId) -> Diagnostics:
        """What QEMU and the kernel count of it. Raises Conflict when it does not run, Unavailable when it does not answer."""
        await self._adopt_all()
        guest = self._guests.get(server_id)
        if guest is None:
            raise not_running(server_id, self._ended.get(server_id, "shutdown"))
        found = await diagnose(guest)
        if found.power != "running":
            raise not_running(server_id, found.power)
        return found

    async def facts(self) -> HostFacts:
        """What this host can hold. Raises Unavailable when QEMU is missing."""
        return await self.about.facts()

    def watch(self, on_end: OnEnd) -> None:
        """Call `on_end` whenever a guest ends by itself, from the next call of any other method on."""
        self._listeners.append(on_end)

    async def close(self) -> None:
        """Stop watching; the guests go on and the next process finds them."""
        if self._trimming is not None:
            self._trimming.cancel()
            await asyncio.wait([self._trimming])
            self._trimming = None
        for guest in list(self._guests.values()):
            await guest.let_go()
        self._guests.clear()
        self._adopted = False

    async def _tell(self, server_id: ServerId, command: str) -> None:
        await self._adopt_all()
        async with self._turn(server_id):
            guest = self._guests.get(server_id)
            if guest is None:
                raise NotFound("This host has no such guest.")
            await guest.tell(command)

    async def _launch(self, build: Wired, disks: tuple[Disk, ...]) -> QemuGuest:
        version, accelerator = await self.about.qemu()
        folder = make_folder(self._folder(build.server_id))
        memory = GuestMemory(
            server_id=build.server_id,
            machine=machine_type(version),
            accelerator=accelerator.name,
            boot_id=boot_id(),
            started_at=time.time(),
        )
        identity = self.about.settings.uids.identity(build.server_id)
        with open_keys(folder, disks, identity) as keys_fd:
            memory = replace(memory, keys_fd=keys_fd)
            write_down(folder, memory)  # before there is a process: one that nobody wrote down is looked for by its uuid
            plan = Plan(
                binary=self.about.binary(),
                machine=memory.machine,
                accelerator=memory.accelerator,
                folder=folder,
                identity=identity,
                build=build,
                disks=disks,
                keys_fd=keys_fd,
            )
            pid = await self._spawn(plan)
        return await self._greet(folder, replace(memory, pid=pid, start_ticks=start_ticks(pid) or 0))

    async def _spawn(self, plan: Plan) -> int:
        spawning = asyncio.ensure_future(asyncio.to_thread(launch, plan, self._plugs))
        try:
            return await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await asyncio.wait([spawning])  # a thread cannot be called off, and what it starts must not be left alone
            raise

    async def _greet(self, folder: Path, memory: GuestMemory) -> QemuGuest:
        """Connect to the QEMU that was just started and let its guest go. Raises BuildFailed with QEMU's own words."""
        write_down(folder, memory)
        guest = QemuGuest(folder, memory, hold(memory.pid))
        self._guests[memory.server_id] = guest  # from here on whoever forgets the server ends the process
        try:
            await guest.connect(_GREETING_S)
            await guest.go()
        except Unavailable as error:
            reason = refusal(folder / QEMU_LOG) if await guest.ended_within(1) else "it does not answer"
            raise BuildFailed(f"The guest could not be started: {reason}.") from error
        return self._keep(guest)

    def _keep(self, guest: QemuGuest) -> QemuGuest:
        self._guests[guest.memory.server_id] = guest
        guest.follow(self._on_end)
        if self._trimming is None:
            self._trimming = asyncio.create_task(self._trim_now_and_then(), name="console logs")
        return guest

    def _on_end(self, guest: QemuGuest, wanted: bool) -> None:
        server_id, ended = guest.memory.server_id, guest.memory.ended or "crashed"
        if self._guests.get(server_id) is guest:
            del self._guests[server_id]
            self._ended[server_id] = ended
            for tell in [] if wanted else self._listeners:
                tell(server_id, ended)

    async def _forget(self, server_id: ServerId) -> None:
        """End the server's process, whoever started it, and remove its folder. Raises Unavailable when it cannot be ended."""
        folder = self._folder(server_id)
        guest = self._guests.get(server_id)
        if guest is None and folder.exists():
            guest = await self._found(server_id, folder, answer_s=0)
        if guest is not None:
            await guest.kill()
        self._guests.pop(server_id, None)
        self._ended.pop(server_id, None)
        for left in (folder, server_folder(self._root, server_id, _COPYING)):
            await asyncio.to_thread(clear_folder, left)

    async def _adopt_all(self) -> None:
        """Find the guests an earlier process left, once."""
        async with self._adopting:
            if not self._adopted:
                known = await asyncio.to_thread(servers_with, self._root, _PART)
                await asyncio.gather(*(self._adopt(server_id) for server_id in known))
                self._adopted = True

    async def _adopt(self, server_id: ServerId) -> None:
        folder = self._folder(server_id)
        memory = recall(folder)
        if memory is not None and memory.ended is not None:
            self._ended[server_id] = memory.ended
            return
        guest = await self._found(server_id, folder, answer_s=_ADOPTION_S)
        if guest is not None:
            self._keep(guest)
        elif memory is None or memory.pid == 0:
            await asyncio.to_thread(clear_folder, folder)  # a start that never came to a process
        else:
            # Gone while nobody watched: with the whole host, or alone.
            self._ended[server_id] = "crashed" if memory.boot_id == boot_id() else "shutdown"
            write_down(folder, replace(memory, ended=self._ended[server_id]))

    async def _found(self, server_id: ServerId, folder: Path, answer_s: float) -> QemuGuest | None:
        """The running guest that is written down in `folder`, if there is one; connected if it answers within `answer_s`."""
        memory = recall(folder)
        if memory is None or memory.ended is not None:
            return None
        if memory.pid == 0:
            found = await asyncio.to_thread(process.find, server_id)
            if found is None:
                return None
            memory = replace(memory, pid=found[0], start_ticks=found[1])
            write_down(folder, memory)
        running = process.open_again(memory.pid, memory.start_ticks, server_id)
        if running is None:
            return None
        guest = QemuGuest(folder, memory, running)
        if answer_s:
            with suppress(Unavailable):  # one that does not answer can still be watched, and killed
                await guest.connect(answer_s)
        return guest

    async def _trim_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            for server_id in list(self._guests):
                for log in (CONSOLE_LOG, QEMU_LOG):
                    await asyncio.to_thread(console.trim, self._folder(server_id) / log)

    def _turn(self, server_id: ServerId) -> asyncio.Lock:
        return self._turns.setdefault(server_id, asyncio.Lock())

    def _folder(self, server_id: ServerId) -> Path:
        return server_folder(self._root, server_id, _PART)
