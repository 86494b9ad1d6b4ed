"""Control was away for longer than a node may be silent, and is asked for a server before any node has spoken to it again."""

import asyncio
from typing import Any

from sqlalchemy import select, update

from kilonova.errors import Unavailable
from kilonova.ledger.hosts import nodes
from kilonova.ledger.transaction import Transaction
from kilonova.nodes.control import HEARTBEAT_S
from tests.story.conftest import CloudOf

AN_HOUR_S = 3600.0


def _an_hour_later(tx: Transaction) -> None:
    """Whoever was heard of last, was so an hour earlier."""
    tx.connection.execute(update(nodes).values(last_seen=nodes.c.last_seen - AN_HOUR_S))


async def test_it_does_not_say_that_no_host_answers(cloud_of: CloudOf) -> None:
    cloud = await cloud_of(hosts=1)
    away = ("compute-1", "network")
    for name in ("control", *away):
        await cloud.crash(name)
    await cloud.ledger.write(_an_hour_later)
    await cloud.restart("control")
    server_id = await cloud.build()
    found = await cloud.server(server_id)
    assert (found.status, found.fault, found.host) == ("BUILD", None, "sim-1")
    for name in away:
        await cloud.restart(name)
    await cloud.wait_for(server_id, "ACTIVE")
    await cloud.delete(server_id)
    assert await cloud.clean() == []


async def test_while_it_cannot_reach_the_broker_it_does_not_listen(cloud_of: CloudOf) -> None:
    """It hears no node, though it runs: the next heartbeat is known to be late."""
    cloud = await cloud_of(hosts=1)
    bus: Any = cloud.control.bus
    reach = bus.reach_broker

    async def in_vain() -> None:
        raise Unavailable("The message broker does not answer.")

    bus.reach_broker = in_vain
    before = await cloud.ledger.read(_heartbeat)
    await asyncio.sleep(3 * HEARTBEAT_S)
    assert await cloud.ledger.read(_heartbeat) == before

    async def later() -> bool:
        return bool(await cloud.ledger.read(_heartbeat) > before)

    bus.reach_broker = reach
    await cloud.until(later, "a heartbeat, soon", within_s=HEARTBEAT_S / 2)


def _heartbeat(tx: Transaction) -> float:
    return float(tx.connection.execute(select(nodes.c.last_seen).where(nodes.c.role == "control")).scalar_one())
