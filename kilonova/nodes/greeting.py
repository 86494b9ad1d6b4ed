"""A node says hello when it starts and every 20 seconds after, and does what it is answered."""

import asyncio
import logging
import time
from collections.abc import Mapping

from kilonova.bus.port import Bus
from kilonova.bus.subjects import report_subject
from kilonova.errors import KilonovaError
from kilonova.lifecycle.inventory import SETTLED_S, Hello, HostInventory, Welcome
from kilonova.model.ids import HostName
from kilonova.nodes.compute import ComputeNode
from kilonova.nodes.hands import HostHands
from kilonova.nodes.network import NetworkNode

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 30.0
EVERY_S = 20.0


async def inventories(hosts: Mapping[HostName, HostHands]) -> tuple[HostInventory, ...]:
    """What every host of this process holds."""
    found = []
    for hands in hosts.values():
        guests = await hands.hypervisor.guests()
        with_disks = await hands.disks.inventory()
        found.append(
            HostInventory(facts=await hands.hypervisor.facts(), guests=dict(guests), with_disks=tuple(sorted(with_disks)))
        )
    return tuple(found)


async def compute_says_hello(node: ComputeNode, bus: Bus, *, first: bool) -> None:
    """Raises KilonovaError when control does not answer."""
    at = time.time()
    hosts = await inventories(node.hosts)
    hello = Hello(node=node.name, role="compute", at=at, first=first, hosts=hosts, working_on=node.working_on())
    welcome = await bus.ask(report_subject(node.name), hello, ANSWER_WITHIN_S, Welcome)
    for leftover in welcome.leftovers:
        log.warning("removing what is left of %s", leftover.server_id, extra={"action": "remove_leftover"})
        node.remove_leftover(leftover.server_id, leftover.host, leftover.attempt)


async def network_says_hello(node: NetworkNode, bus: Bus, *, first: bool) -> None:
    """Raises KilonovaError when control does not answer."""
    at = time.time()
    wired = tuple(sorted(await node.network.inventory()))
    known = await node.network.known()
    hello = Hello(node=node.name, role="network", at=at, first=first, wired=wired, known=known)
    welcome = await bus.ask(report_subject(node.name), hello, ANSWER_WITHIN_S, Welcome)
    for server_id in welcome.unwire:
        log.warning("unwiring what is left of %s", server_id, extra={"action": "remove_leftover"})
        await node.network.unwire(server_id)


async def keep_saying_hello(node: ComputeNode | NetworkNode, bus: Bus, hurry: asyncio.Event) -> None:
    """For ever; at once when `hurry` is set; control that is away is asked again soon."""
    first, pause = True, EVERY_S
    while True:
        try:
            if isinstance(node, ComputeNode):
                await compute_says_hello(node, bus, first=first)
                node.journal.forget_old()
            else:
                await network_says_hello(node, bus, first=first)
            first = False
        except KilonovaError as error:
            log.warning("hello: %s", error, extra={"action": "hello_again"})
            await asyncio.sleep(1.0)
            continue
        try:
            async with asyncio.timeout(pause):
                await hurry.wait()
            hurry.clear()
            pause = SETTLED_S + 1  # control may have left alone what had only just changed
        except TimeoutError:
            pause = EVERY_S
