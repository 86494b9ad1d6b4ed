"""A network node: takes what compute nodes ask for out of its queue, wires it, and answers."""

import time
from dataclasses import dataclass

import msgspec

from kilonova.build.connect import NetworkNotWanted, NetworkWanted, unwire_ports, wire_ports
from kilonova.build.needs import Network
from kilonova.bus.port import Delivery, Handlers
from kilonova.model.ids import NodeName
from kilonova.saga.faults import Faults


@dataclass
class NetworkNode:
    """A NetworkWorld: its `network` is what the story acts on."""

    name: NodeName
    network: Network
    faults: Faults

    def handlers(self) -> Handlers:
        """Who handles what out of the node's queue."""
        return {NetworkWanted: self.take_wanted, NetworkNotWanted: self.take_not_wanted}

    async def take_wanted(self, wanted: NetworkWanted, delivery: Delivery) -> None:
        """Step 7, this end: assembled, and the details go back."""
        began = time.perf_counter()
        await self.faults.at("network.wire_ports.before")
        given = await wire_ports(wanted, self)
        await self.faults.at("network.wire_ports.after")
        timed = msgspec.structs.replace(given, queued=delivery.queue_wait_s, work=time.perf_counter() - began)
        await delivery.answer(timed)

    async def take_not_wanted(self, message: NetworkNotWanted, delivery: Delivery) -> None:
        await self.faults.at("network.unwire_ports.before")
        given = await unwire_ports(message, self)
        await self.faults.at("network.unwire_ports.after")
        await delivery.answer(given)
