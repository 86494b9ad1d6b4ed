"""The audit on control: asks every node for its inventory, and compares. A node's end stands in inventory_answers.py."""

import asyncio
import logging
from collections.abc import Callable

from kilonova.bus.port import Bus
from kilonova.bus.subjects import ask_subject
from kilonova.errors import KilonovaError
from kilonova.ledger.audit import look
from kilonova.ledger.ledger import Ledger
from kilonova.lifecycle.audit import AuditReport, InventoryWanted, LedgerView, NodeInventory, audit

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 10.0


class Auditor:
    """On control."""

    def __init__(self, ledger: Ledger, bus: Bus, now: Callable[[], float]) -> None:
        self._ledger, self._bus, self._now = ledger, bus, now

    async def audit(self) -> AuditReport:
        """Looks at the ledger before and after it asks the nodes: what changed in between is left for the next time."""
        before = await self._look()
        answers = await asyncio.gather(*(self._ask(name) for name, role in before.nodes if role != "control"))
        told = [answer for answer in answers if answer is not None]
        after = await self._look()
        in_motion = before.in_motion() | after.in_motion() | before.changed(after)
        in_motion |= {saga.server_id for inventory in told for saga in inventory.sagas}
        found = audit(after, told, in_motion)
        return AuditReport(findings=tuple(found), servers=len(after.servers), asked=len(told), in_motion=len(in_motion))

    async def _look(self) -> LedgerView:
        return await self._ledger.read(lambda tx: look(tx.connection, self._now()))

    async def _ask(self, node: str) -> NodeInventory | None:
        try:
            return await self._bus.ask(ask_subject(node), InventoryWanted(), ANSWER_WITHIN_S, NodeInventory)
        except KilonovaError as error:
            log.warning("no inventory of %s: %s", node, error, extra={"action": "silent_node"})
            return None
