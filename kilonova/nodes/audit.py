"""The audit on control: asks every node for its inventory and the broker for its queues, and compares with the ledger.

A node's end stands in inventory_answers.py; what is done about findings in repair/.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from msgspec import Struct

from kilonova.bus.port import Bus
from kilonova.bus.queues import WithQueues
from kilonova.bus.subjects import QueueKind, ask_subject, consumer
from kilonova.errors import KilonovaError
from kilonova.ledger.audit import look
from kilonova.ledger.ledger import Ledger
from kilonova.lifecycle.audit.asking import InventoryWanted, NodeInventory
from kilonova.lifecycle.audit.compare import BrokerView, audit
from kilonova.lifecycle.audit.finding import AuditReport, Finding
from kilonova.lifecycle.audit.queues import QueueState
from kilonova.lifecycle.audit.view import LedgerView
from kilonova.nodes.audit_images import ImageAudit

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0
LOOK_AGAIN_S = 0.3
"""What was found is looked at again after so long: what is in motion is elsewhere by then."""


class Seen(Struct, frozen=True, kw_only=True):
    """One comparison, with what it was made from."""

    view: LedgerView
    told: tuple[NodeInventory, ...]
    in_motion: frozenset[str]
    findings: tuple[Finding, ...]


class Auditor:
    """On control. `images`: where the bytes of images are; None: they are not looked at."""

    def __init__(self, ledger: Ledger, bus: Bus, now: Callable[[], float], images: ImageAudit | None = None) -> None:
        self._ledger, self._bus, self._now, self._images = ledger, bus, now, images

    async def audit(self) -> AuditReport:
        """Nothing found is one comparison. What is found must be found twice: else it was on its way."""
        return report(await self.sure())

    async def sure(self) -> Seen:
        """What an audit says, with what it was made from."""
        first = await self.seen()
        if all(finding.kind == "silent node" for finding in first.findings):
            return first  # nothing, or what has been waited for long enough
        await asyncio.sleep(LOOK_AGAIN_S)
        again, names = await self.seen(), {finding.name for finding in first.findings}
        kept = tuple(finding for finding in again.findings if finding.name in names)
        return Seen(view=again.view, told=again.told, in_motion=again.in_motion, findings=kept)

    async def seen(self) -> Seen:
        """Looks at the ledger before and after it asks the nodes: what changed in between is left for the next time."""
        before = await self._look(None)
        nodes = [name for name, role in before.nodes if role != "control"]
        answers, broker = await asyncio.gather(asyncio.gather(*map(self._ask, nodes)), self._broker())
        told = tuple(answer for answer in answers if answer is not None)
        after = await self._look(set(_named(told)))
        in_motion = before.in_motion() | after.in_motion() | before.changed(after)
        in_motion |= {saga.server_id for inventory in told for saga in inventory.sagas}
        view = BrokerView(queues=None if broker is None else tuple(broker), wanted=_queues_of(after))
        found = audit(after, told, in_motion, view)
        if self._images is not None:
            found += await self._images.look(self._ledger, self._now())
        found.sort(key=lambda finding: finding.name)
        return Seen(view=after, told=told, in_motion=frozenset(in_motion), findings=tuple(found))

    async def _look(self, asked_about: set[str] | None) -> LedgerView:
        return await self._ledger.read(lambda tx: look(tx.connection, self._now(), asked_about))

    async def _broker(self) -> Sequence[QueueState] | None:
        if not isinstance(self._bus, WithQueues):
            return None
        try:
            return await self._bus.queues()
        except KilonovaError as error:
            log.warning("the broker does not say what is in it: %s", error, extra={"action": "silent_broker"})
            return None

    async def _ask(self, node: str) -> NodeInventory | None:
        try:
            return await self._bus.ask(ask_subject(node), InventoryWanted(), ANSWER_WITHIN_S, NodeInventory)
        except KilonovaError as error:
            log.warning("no inventory of %s: %s", node, error, extra={"action": "silent_node"})
            return None


def report(seen: Seen) -> AuditReport:
    """For an operator."""
    return AuditReport(
        findings=seen.findings, servers=len(seen.view.servers), asked=len(seen.told), in_motion=len(seen.in_motion)
    )


def _named(told: Sequence[NodeInventory]) -> Iterator[str]:
    """Every server that a node has named."""
    for inventory in told:
        yield from inventory.wired
        yield from (saga.server_id for saga in inventory.sagas)
        yield from inventory.strays if inventory.role == "compute" else ()
        for host in inventory.hosts:
            yield from host.guests
            yield from host.with_disks


def _queues_of(view: LedgerView) -> dict[str, str]:
    """The broker's name of every queue there must be → the host or node it is for."""
    wanted: dict[str, str] = {consumer("compute", host.name): host.name for host in view.hosts}
    for name, role in view.all_nodes:
        if role in ("network", "volume"):
            wanted[consumer(cast(QueueKind, role), name)] = name
    return wanted
