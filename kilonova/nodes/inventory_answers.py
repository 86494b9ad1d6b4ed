"""What a node answers when control asks what it has, or tells it what to take away. Its own file: light, as nodes must be."""

import time
from typing import Any

import msgspec

from kilonova.bus.port import Answerers, Delivery
from kilonova.errors import KilonovaError
from kilonova.lifecycle.audit.asking import (
    InventoryWanted,
    NodeInventory,
    OpenSaga,
    Tidied,
    Tidy,
    WaitingReport,
    WithSpares,
    WithStrays,
)
from kilonova.model.ids import HostName, ServerId
from kilonova.nodes.compute import ComputeNode
from kilonova.nodes.greeting import inventories
from kilonova.nodes.network import NetworkNode
from kilonova.saga import Journal


def compute_answers(node: ComputeNode) -> Answerers:
    """What a compute node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        sagas = tuple(_open_saga(entry.key, entry.saga, entry.record) for entry in node.journal.entries())
        return NodeInventory(
            node=node.name,
            role="compute",
            hosts=await inventories(node.hosts),
            spares=await _spares(node),
            sagas=sagas,
            reports=waiting_reports(node.journal),
            strays=await _strays(node),
        )

    async def tidy(order: Tidy, _: Delivery) -> Tidied:
        failed: dict[str, str] = {}
        for leftover in order.leftovers:
            node.remove_leftover(leftover.server_id, leftover.host, leftover.attempt)
        for spare in order.spares:
            hands = node.hosts.get(spare.host)
            if hands is not None and spare.server_id not in node.working_on():
                await hands.disks.drop_spare(spare.server_id, kept=True)
        for hands in node.hosts.values():
            if isinstance(hands.hypervisor, WithStrays):
                failed |= await end_strays(hands.hypervisor, order.strays)
        if order.say_again:
            node.reporter.wake()
        return Tidied(failed=failed)

    return {InventoryWanted: tell, Tidy: tidy}


def network_answers(node: NetworkNode) -> Answerers:
    """What a network node is asked."""

    async def tell(wanted: InventoryWanted, _: Delivery) -> NodeInventory:
        network = node.network
        wired = tuple(sorted(await network.inventory()))
        strays = dict(await network.strays()) if isinstance(network, WithStrays) else {}
        return NodeInventory(node=node.name, role="network", wired=wired, known=await network.known(), strays=strays)

    async def tidy(order: Tidy, _: Delivery) -> Tidied:
        for server_id in order.unwire:
            await node.network.unwire(server_id)
        failed = await end_strays(node.network, order.strays) if isinstance(node.network, WithStrays) else {}
        return Tidied(failed=failed)

    return {InventoryWanted: tell, Tidy: tidy}


async def end_strays(driver: WithStrays, names: tuple[str, ...]) -> dict[str, str]:
    """Name → why it could not be ended."""
    failed = {}
    for name in names:
        try:
            await driver.end_stray(name)
        except KilonovaError as error:
            failed[name] = str(error)
    return failed


def waiting_reports(journal: Journal) -> tuple[WaitingReport, ...]:
    """Last words that control has not confirmed."""
    return tuple(WaitingReport(key=key, since=since) for key, since in journal.waiting(time.time()))


async def _spares(node: ComputeNode) -> dict[HostName, tuple[ServerId, ...]]:
    found = {}
    for host, hands in node.hosts.items():
        if isinstance(hands.disks, WithSpares):
            found[host] = tuple(sorted(await hands.disks.spares()))
    return found


async def _strays(node: ComputeNode) -> dict[str, str]:
    found: dict[str, str] = {}
    for hands in node.hosts.values():
        if isinstance(hands.hypervisor, WithStrays):
            found |= await hands.hypervisor.strays()
    return found


def _open_saga(key: str, saga: str, record: bytes) -> OpenSaga:
    known: dict[str, Any] = msgspec.msgpack.decode(record)
    deadline = known.get("deadline")
    return OpenSaga(key=key, server_id=ServerId(known["server_id"]), deadline=deadline, saga=saga, host=known.get("host", ""))
