"""Guests that are only names: no process, no file but an optional log, a few microseconds a call. For fleets in one process."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import cast

from kilonova.build.needs import Progress
from kilonova.build.record import Placed, Wired
from kilonova.drivers.simulation import Faults, Memory, NoFaults, Remains
from kilonova.errors import NotFound
from kilonova.model.diagnostics import Diagnostics, not_running
from kilonova.model.guest import Disk, Guest, HostFacts, PowerState
from kilonova.model.ids import PortId, ServerId
from kilonova.model.port import Wire


class SimulatedHypervisor(Remains):
    """One simulated host. `state` keeps its guests over a restart of the role; `delay_s` is how long a start takes."""

    def __init__(self, facts: HostFacts, state: Path | None = None, faults: Faults | None = None, delay_s: float = 0.0) -> None:
        super().__init__()
        self._facts = facts
        self._memory = Memory(state)
        self._faults = faults or NoFaults()
        self._delay_s = delay_s
        self._listeners: list[Callable[[ServerId, PowerState], None]] = []

    async def start(self, build: Wired, disks: tuple[Disk, ...]) -> Guest:
        """A guest, at once or after the delay; the one that is there if it already runs."""
        self._faults.before("hypervisor.start", build.server_id)
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        power, started_at, _ = self._recall(build.server_id)
        if power not in ("running", "paused"):
            started_at = time.time()
            volumes = {disk.name for disk in disks if disk.nbd is not None}
            self._remember(build.server_id, "running", started_at, volumes | {wire.port_id for wire in build.wires})
        return Guest(server_id=build.server_id, pid=0, accelerator="simulated", started_at=started_at)

    async def destroy(self, server_id: ServerId) -> None:
        """Forget it; none there is no error."""
        self._faults.before("hypervisor.destroy", server_id)
        self._memory.drop(server_id)

    async def stop_now(self, server_id: ServerId) -> None:
        """It is off at once; none there is no error."""
        if server_id in self._memory.words:
            self._switch(server_id, "shutdown")

    async def shut_down(self, server_id: ServerId, timeout_s: float) -> None:
        """It is off at once. Raises NotFound."""
        self._faults.before("hypervisor.shut_down", server_id)
        self._switch(server_id, "shutdown")

    async def pause(self, server_id: ServerId) -> None:
        """It stands still. Raises NotFound."""
        self._faults.before("hypervisor.pause", server_id)
        self._refuse_off(server_id)
        self._switch(server_id, "paused")

    async def unpause(self, server_id: ServerId) -> None:
        """It runs again. Raises NotFound."""
        self._faults.before("hypervisor.unpause", server_id)
        self._refuse_off(server_id)
        self._switch(server_id, "running")

    async def interrupt(self, server_id: ServerId) -> None:
        """There is nobody in it to notice. Raises NotFound."""
        self._refuse_off(server_id)

    async def copy_root(self, build: Placed, disks: tuple[Disk, ...], into: Path, progress: Progress) -> None:
        """It stays blank: so is every simulated disk."""
        self._faults.before("hypervisor.copy_root", build.server_id)

    async def plug_nic(self, server_id: ServerId, wire: Wire) -> None:
        """It is remembered of a guest that runs."""
        self._faults.before("hypervisor.plug_nic", server_id)
        self._plug(server_id, wire.port_id)

    async def unplug_nic(self, server_id: ServerId, port_id: PortId) -> None:
        """It is forgotten of a guest that runs; none there is no error."""
        self._faults.before("hypervisor.unplug_nic", server_id)
        self._unplug(server_id, port_id)

    async def plug_disk(self, server_id: ServerId, disk: Disk) -> None:
        """It is remembered of a guest that runs."""
        self._faults.before("hypervisor.plug_disk", server_id)
        self._plug(server_id, disk.name)

    async def unplug_disk(self, server_id: ServerId, disk_name: str) -> None:
        """It is forgotten of a guest that runs; none there is no error."""
        self._faults.before("hypervisor.unplug_disk", server_id)
        self._unplug(server_id, disk_name)

    async def guests(self) -> Mapping[ServerId, PowerState]:
        """All of them, and those that are off."""
        return {server_id: _power(word) for server_id, word in self._memory.words.items()}

    def ids(self) -> Set[ServerId]:
        """Whose guests they are; for onlookers, who look often."""
        return self._memory.words.keys()

    def power(self, server_id: ServerId) -> PowerState | None:
        """None: there is no such guest. For onlookers."""
        return self._recall(server_id)[0]

    def plugged(self, server_id: ServerId) -> Set[str]:
        """The ports and volumes that a guest that runs has; nothing in any other. For onlookers."""
        return self._recall(server_id)[2]

    async def console_output(self, server_id: ServerId, lines: int | None) -> str:
        """One line, which says that there is nothing to see. Raises NotFound."""
        if server_id not in self._memory.words:
            raise NotFound("This server has no console log.")
        return "This guest is simulated: it has no console.\n" if lines != 0 else ""

    async def diagnostics(self, server_id: ServerId) -> Diagnostics:
        """Nothing of it is counted. Raises Conflict when it does not run."""
        power, started_at, _ = self._recall(server_id)
        if power != "running":
            raise not_running(server_id, power or "shutdown")
        return Diagnostics(power=power, accelerator="simulated", started_at=started_at)

    async def facts(self) -> HostFacts:
        """What it was told to be."""
        return self._facts

    def watch(self, on_end: Callable[[ServerId, PowerState], None]) -> None:
        """Call `on_end` whenever `end_by_itself` ends a guest."""
        self._listeners.append(on_end)

    def end_by_itself(self, server_id: ServerId, power: PowerState) -> None:
        """For tests and simulations: as if the guest had powered itself off, or crashed. Raises NotFound."""
        self._switch(server_id, power)
        for tell in self._listeners:
            tell(server_id, power)

    def lose_power(self) -> Sequence[ServerId]:
        """For simulations: the machine went off, and with it all that ran. Nobody is told; whose guests they were."""
        ran = [server_id for server_id in self._memory.words if self._recall(server_id)[0] in ("running", "paused")]
        for server_id in ran:
            self._switch(server_id, "crashed")
        return ran

    async def close(self) -> None:
        """Nothing to stop."""

    def _refuse_off(self, server_id: ServerId) -> None:
        if self._recall(server_id)[0] not in ("running", "paused"):
            raise NotFound("This host has no such guest.")

    def _switch(self, server_id: ServerId, power: PowerState) -> None:
        if server_id not in self._memory.words:
            raise NotFound("This host has no such guest.")
        _, started_at, plugged = self._recall(server_id)
        self._remember(server_id, power, started_at, plugged if power in ("running", "paused") else frozenset())

    def _plug(self, server_id: ServerId, name: str) -> None:
        power, started_at, plugged = self._recall(server_id)
        if power in ("running", "paused"):
            self._remember(server_id, power, started_at, plugged | {name})

    def _unplug(self, server_id: ServerId, name: str) -> None:
        power, started_at, plugged = self._recall(server_id)
        if power in ("running", "paused"):
            self._remember(server_id, power, started_at, plugged - {name})

    def _remember(self, server_id: ServerId, power: PowerState, started_at: float, plugged: Set[str]) -> None:
        self._memory.put(server_id, f"{power}@{started_at}@{','.join(sorted(plugged))}")

    def _recall(self, server_id: ServerId) -> tuple[PowerState | None, float, Set[str]]:
        word = self._memory.words.get(server_id)
        if word is None:
            return None, 0.0, frozenset()
        _, started_at, plugged = f"{word}@".split("@")[:3]  # one that an earlier version wrote says nothing of these
        return _power(word), float(started_at), frozenset(plugged.split(",")) - {""}


def _power(word: str) -> PowerState:
    return cast(PowerState, word.partition("@")[0])
