"""A volume node says hello when it starts and every 20 seconds after, and says what it has when it is asked."""

import asyncio
import logging
import time

import msgspec

from kilonova.bus.port import Answerers, Bus, Delivery
from kilonova.bus.subjects import report_subject
from kilonova.errors import KilonovaError
from kilonova.lifecycle.audit.asking import (
    InventoryWanted,
    NodeInventory,
    OpenSaga,
    Tidied,
    Tidy,
    WithSnapshots,
    WithStrays,
)
from kilonova.lifecycle.inventory import Hello, Welcome
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import ServerId
from kilonova.nodes.inventory_answers import end_strays, waiting_reports
from kilonova.nodes.volume import VolumeNode

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 30.0
EVERY_S = 20.0


async def keep_saying_hello(node: VolumeNode, bus: Bus) -> None:
    """For ever; control that is away is asked again soon."""
    first = True
    while True:
        try:
            await _say_hello(node, bus, first)
        except KilonovaError as error:
            log.warning("hello: %s", error, extra={"action": "hello_again"})
            await asyncio.sleep(1.0)
            continue
        first = False
        node.journal.forget_old()
        await asyncio.sleep(EVERY_S)


async def _say_hello(node: VolumeNode, bus: Bus, first: bool) -> None:
    """Raises KilonovaError when control does not answer."""
    hello = Hello(node=node.name, role="volume", at=time.time(), first=first, unused=dict(await node.store.unused()))
    welcome = await bus.ask(report_subject(node.name), hello, ANSWER_WITHIN_S, Welcome)
    for volume_id, attachment_id in welcome.unserve.items():
        log.warning("%s is served to nobody any more", volume_id, extra={"action": "remove_leftover"})
        await node.store.end_export(volume_id, attachment_id)


def volume_answers(node: VolumeNode) -> Answerers:
    """What a volume node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        orders = [(entry.key, msgspec.msgpack.decode(entry.record, type=VolumeOrder)) for entry in node.journal.entries()]
        store = node.store
        return NodeInventory(
            node=node.name,
            role="volume",
            sagas=tuple(OpenSaga(key=key, server_id=ServerId(order.volume_id), deadline=order.deadline) for key, order in orders),
            reports=waiting_reports(node.journal),
            volumes=tuple(sorted([one for one in await store.inventory() if await store.has(one)])),
            exports=dict(await store.exports()),
            snapshots=dict(await store.snapshots()) if isinstance(store, WithSnapshots) else {},
            strays=dict(await store.strays()) if isinstance(store, WithStrays) else {},
        )

    async def tidy(order: Tidy, _: Delivery) -> Tidied:
        for volume_id, attachment_id in order.exports.items():
            await node.store.end_export(volume_id, attachment_id)
        if order.say_again:
            node.reporter.wake()
        idle = tuple(name for name in order.strays if name.partition(".")[0] not in node.working_on())
        return Tidied(failed=await end_strays(node.store, idle) if isinstance(node.store, WithStrays) else {})

    return {InventoryWanted: tell, Tidy: tidy}
