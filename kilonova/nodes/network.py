"""A network node: takes what compute nodes and control ask for out of its queue, makes it so, and answers."""

import asyncio
import time
from dataclasses import dataclass, field

import msgspec

from kilonova.build.connect import NetworkGiven, NetworkNotWanted, NetworkWanted, unwire_ports, wire_ports
from kilonova.build.needs import Network
from kilonova.bus.port import Delivery, Handlers
from kilonova.lifecycle.fabric import FabricWanted, make_fabric
from kilonova.model.fabric import Known
from kilonova.model.ids import NodeName
from kilonova.nodes.attempts import Attempts
from kilonova.saga.faults import Faults


@dataclass
class NetworkNode:
    """A NetworkWorld: its `network` is what the story acts on. A message that comes late must not undo what a later one did."""

    name: NodeName
    network: Network
    faults: Faults
    attempts: Attempts = field(default_factory=Attempts)
    _fabric: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One message after the other: what one drops another must not bring back meanwhile."""

    def handlers(self) -> Handlers:
        """Who handles what out of the node's queue."""
        return {NetworkWanted: self.take_wanted, NetworkNotWanted: self.take_not_wanted, FabricWanted: self.take_fabric}

    async def take_wanted(self, wanted: NetworkWanted, delivery: Delivery) -> None:
        """Step 7, this end: assembled, and the details go back."""
        began = time.perf_counter()
        await self.faults.at("network.wire_ports.before")
        given = await self._wire(wanted)
        await self.faults.at("network.wire_ports.after")
        timed = msgspec.structs.replace(given, queued=delivery.queue_wait_s, work=time.perf_counter() - began)
        await delivery.answer(timed)

    async def take_not_wanted(self, message: NetworkNotWanted, delivery: Delivery) -> None:
        await self.faults.at("network.unwire_ports.before")
        given = await self._unwire(message)
        await self.faults.at("network.unwire_ports.after")
        await delivery.answer(given)

    async def take_fabric(self, wanted: FabricWanted, delivery: Delivery) -> None:
        """Routers, groups and changed ports are made so, and control is told what stands."""
        await self.faults.at("network.make_fabric.before")
        async with self._fabric:
            stands = await make_fabric(wanted, self)
        await self.faults.at("network.make_fabric.after")
        await delivery.answer(stands)

    def gone(self, kind: str, identifier: str) -> int:
        return self.attempts.over(f"{kind}/{identifier}")

    def note_gone(self, gone: Known) -> None:
        self.attempts.note_over(f"{gone.kind}/{gone.id}", gone.revision)

    async def _wire(self, wanted: NetworkWanted) -> NetworkGiven:
        if wanted.attempt <= self.attempts.over(wanted.server_id) or wanted.attempt < self.attempts.wanted(wanted.server_id):
            return NetworkGiven(refused="This attempt at building the server is over.")
        ports = f"{wanted.server_id}/ports"
        if wanted.number < self.attempts.wanted(ports):
            return NetworkGiven(refused="Other ports of the server were asked for since.")
        self.attempts.note_wanted(wanted.server_id, wanted.attempt)
        if wanted.number:
            self.attempts.note_wanted(ports, wanted.number)
        return await wire_ports(wanted, self)

    async def _unwire(self, message: NetworkNotWanted) -> NetworkGiven:
        if message.attempt < self.attempts.wanted(message.server_id):
            return NetworkGiven()
        self.attempts.note_over(message.server_id, message.attempt)
        return await unwire_ports(message, self)
