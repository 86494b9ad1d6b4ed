"""What a node answers when control asks what it has. Its own file, so that a node need not load what only control needs."""

from typing import Any

import msgspec

from kilonova.bus.port import Answerers, Delivery
from kilonova.lifecycle.audit import InventoryWanted, NodeInventory, OpenSaga
from kilonova.model.ids import ServerId
from kilonova.nodes.compute import ComputeNode
from kilonova.nodes.greeting import inventories
from kilonova.nodes.network import NetworkNode


def compute_answers(node: ComputeNode) -> Answerers:
    """What a compute node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        sagas = tuple(_open_saga(entry.key, entry.record) for entry in node.journal.entries())
        return NodeInventory(node=node.name, role="compute", hosts=await inventories(node.hosts), sagas=sagas)

    return {InventoryWanted: tell}


def network_answers(node: NetworkNode) -> Answerers:
    """What a network node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        wired = tuple(sorted(await node.network.inventory()))
        return NodeInventory(node=node.name, role="network", wired=wired, known=await node.network.known())

    return {InventoryWanted: tell}


def _open_saga(key: str, record: bytes) -> OpenSaga:
    known: dict[str, Any] = msgspec.msgpack.decode(record)
    return OpenSaga(key=key, server_id=ServerId(known["server_id"]), deadline=known.get("deadline"))
