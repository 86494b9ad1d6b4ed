"""Control brings routers, floating IPs, security groups and changed ports to the network node, and writes down what stands.

It looks at the ledger, not at events: woken after a commit or by the clock, it sends whatever is not confirmed, whole, until
it is. What the node cannot make true is sent again now and then, since a reason may pass.
"""

import asyncio
import logging
from collections.abc import Callable

from kilonova.bus.port import Bus, Parcel
from kilonova.bus.subjects import queue
from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.fabric import FabricStands, FabricWanted
from kilonova.model.fabric import Known
from kilonova.model.ids import NodeName, new_uuid

log = logging.getLogger(__name__)

EVERY_S = 5.0
MOST = 100
"""Things in one message."""
ANSWER_WITHIN_S = 60.0
ASK_AGAIN_S = 5.0
AGAIN_S = 1.0


class FabricKeeper:
    """`wake` is called after a commit that changed something; `run` is the task. `every_s` is how often it looks by itself."""

    def __init__(self, ledger: Ledger, bus: Bus, now: Callable[[], float], every_s: float = EVERY_S) -> None:
        self._ledger, self._bus, self._now, self._every_s = ledger, bus, now, every_s
        self._hint = asyncio.Event()
        self._refused: dict[str, str] = {}

    def wake(self) -> None:
        """Look at once."""
        self._hint.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._hint.clear()
            try:
                asked: frozenset[Known] = frozenset()
                while (now_asked := await self.send()) - asked:  # what was asked a moment ago can wait
                    asked = now_asked
            except KilonovaError as error:
                log.warning("fabric: %s", error, extra={"action": "fabric_again"})
                await asyncio.sleep(AGAIN_S)
            try:
                async with asyncio.timeout(self._every_s):
                    await self._hint.wait()
            except TimeoutError:
                pass

    async def send(self) -> frozenset[Known]:
        """Once: ask for what is not confirmed, and write down the answer. What it asked for; raises KilonovaError."""
        now = self._now()

        def look(tx: Transaction) -> tuple[NodeName, FabricWanted] | None:
            node = tx.hosts.network_node(now) if (wanted := tx.fabric.unconfirmed(MOST)) else None
            return (node, wanted) if node and wanted else None

        found = await self._ledger.read(look)
        if found is None:
            return frozenset()
        node, wanted = found
        parcel = Parcel(queue=queue("network", node), message=wanted, message_id=new_uuid())
        told = await self._bus.put_and_wait(parcel, FabricStands, timeout_s=ANSWER_WITHIN_S, again_every_s=ASK_AGAIN_S)

        def note(tx: Transaction) -> None:
            tx.fabric.confirm(told.stands)
            if told.refused:
                tx.fabric.refuse(told.refused, self._now())

        if told.stands or told.refused != self._refused:  # a refusal said twice is news only once
            await self._ledger.write(note)
            for name, why in told.refused.items():
                log.warning("%s: %s", name, why, extra={"action": "fabric_refused"})
        self._refused = told.refused
        return all_of(wanted)


def all_of(wanted: FabricWanted) -> frozenset[Known]:
    """Everything the message is about, with the revision it asks for."""
    asked = [Known(kind="group", id=one.id, revision=one.revision) for one in wanted.groups]
    asked += [Known(kind="network", id=one.id, revision=one.revision) for one in wanted.networks]
    asked += [Known(kind="router", id=one.id, revision=one.revision) for one in wanted.routers]
    asked += [Known(kind="server", id=one.server_id, revision=one.revision) for one in wanted.servers]
    return frozenset([*asked, *wanted.gone])
