"""A volume node says hello when it starts and every 20 seconds after, and says what it has when it is asked."""

import asyncio
import logging
import time

import msgspec

from kilonova.bus.port import Answerers, Bus, Delivery
from kilonova.bus.subjects import report_subject
from kilonova.errors import KilonovaError
from kilonova.lifecycle.audit import InventoryWanted, NodeInventory, OpenSaga
from kilonova.lifecycle.inventory import Hello, Welcome
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import ServerId
from kilonova.nodes.volume import VolumeNode

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 30.0
EVERY_S = 20.0


async def keep_saying_hello(node: VolumeNode, bus: Bus) -> None:
    """For ever; control that is away is asked again soon."""
    first = True
    while True:
        hello = Hello(node=node.name, role="volume", at=time.time(), first=first)
        try:
            await bus.ask(report_subject(node.name), hello, ANSWER_WITHIN_S, Welcome)
        except KilonovaError as error:
            log.warning("hello: %s", error, extra={"action": "hello_again"})
            await asyncio.sleep(1.0)
            continue
        first = False
        node.journal.forget_old()
        await asyncio.sleep(EVERY_S)


def volume_answers(node: VolumeNode) -> Answerers:
    """What a volume node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        orders = [(entry.key, msgspec.msgpack.decode(entry.record, type=VolumeOrder)) for entry in node.journal.entries()]
        return NodeInventory(
            node=node.name,
            role="volume",
            sagas=tuple(OpenSaga(key=key, server_id=ServerId(order.volume_id), deadline=order.deadline) for key, order in orders),
            volumes=tuple(sorted(await node.store.inventory())),
            exports=dict(await node.store.exports()),
        )

    return {InventoryWanted: tell}
