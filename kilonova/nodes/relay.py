"""The relay: publishes what the ledger's outbox holds, and notes that the broker has it. Repeats until it has.

Step 4 of a build ends here: the message lies in the queue of that one compute node.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from kilonova.build.record import Placed
from kilonova.bus.messages import Packed
from kilonova.bus.port import Bus, Parcel
from kilonova.bus.subjects import queue
from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.remove import Removal
from kilonova.model.ids import ServerId
from kilonova.model.span import Span
from kilonova.saga.faults import Faults, no_faults

log = logging.getLogger(__name__)

BATCH = 200
AGAIN_S = 0.5
"""Pause after the broker did not take something."""
IDLE_S = 2.0
"""Looks by itself after so long without a hint: an order another control process wrote is not left lying."""

KEPT_S = 30.0
"""How long one half of a build's times waits for the other: where another control process has sent the order, it never comes."""

MESSAGE_OF = {"build": Placed.__name__, "remove": Removal.__name__}
"""Of orders written before the row itself said it."""


class Relay:
    """`wake` is called after a commit that wrote orders; `run` is the task."""

    def __init__(self, ledger: Ledger, bus: Bus, faults: Faults | None = None) -> None:
        self._ledger, self._bus = ledger, bus
        self._faults = faults or no_faults("control")
        self._hint = asyncio.Event()
        self._halves = Halves()

    def wake(self) -> None:
        self._hint.set()

    def timed(self, server_id: str, spans: tuple[Span, ...]) -> None:
        """What control timed of a build so far; it is written when the message lies in its queue."""
        self._halves.timed[ServerId(server_id)] = spans

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    await self._hint.wait()
            except TimeoutError:
                pass
            self._hint.clear()
            try:
                while await self._relay_a_batch():
                    pass
            except KilonovaError as error:
                log.warning("relay: %s", error, extra={"action": "relay_again"})
                await asyncio.sleep(AGAIN_S)
                self._hint.set()

    async def _relay_a_batch(self) -> bool:
        """True when there is more."""
        orders, news = await self._ledger.read(lambda tx: (tx.orders.unsent(BATCH), tx.orders.unsent_news(BATCH)))
        if not orders and not news and not self._halves.due(time.time()):
            return False
        began = time.time()
        taken = await self._publish(orders) if orders else set()
        sent = [row for row in orders if _message_id(row) in taken]
        told = await self._announce(news)
        self._halves.dropped(sent, began)
        spans = self._halves.due(began)

        def note(tx: Transaction) -> None:
            tx.orders.sent([row.id for row in sent], told, time.time())
            for server_id, known in spans.items():
                tx.actions.ordered(server_id, known)

        await self._ledger.write(note)
        self._halves.written(spans, began)
        if len(sent) < len(orders):
            await asyncio.sleep(AGAIN_S)
        return len(orders) == BATCH or len(news) == BATCH or len(sent) < len(orders)

    async def _publish(self, orders: Sequence[Any]) -> set[str]:
        """The message ids of those that the broker has."""
        await self._faults.at("control.relay.before")
        taken = await self._bus.put_many([_parcel(row) for row in orders])
        await self._faults.at("control.relay.after")
        return taken

    async def _announce(self, news: Sequence[Any]) -> Sequence[int]:
        """The ids of the news that is out."""
        if not news:
            return ()
        taken = await self._bus.announce_many([(row.event, _news(row), f"news-{row.id}-{row.server_id}") for row in news])
        return [row.id for row in news] if len(taken) == len(news) else ()


class Halves:
    """The times of builds, until they are written: those the desk told, and how long each message took into its queue.

    Either comes first: who asked is answered while the relay is at work.
    """

    def __init__(self) -> None:
        self.timed: dict[ServerId, tuple[Span, ...]] = {}
        self._hops: dict[ServerId, Span] = {}

    def dropped(self, sent: Sequence[Any], began: float) -> None:
        """The broker has these orders; `began`: seconds since the epoch."""
        took = time.time() - began
        for row in sent:
            if row.kind == "build":
                self._hops[row.server_id] = Span(
                    step=4, name="drop_into_queue", place="bus", started_at=began, work=took, host=row.host
                )

    def due(self, now: float) -> dict[ServerId, tuple[Span, ...]]:
        """What is to be written: both halves; what the desk told also by itself, once the other has not come for long."""
        late = now - KEPT_S
        hops = {server_id: (self._hops[server_id],) for server_id in self.timed if server_id in self._hops}
        return {
            server_id: (*known, *hops.get(server_id, ()))
            for server_id, known in self.timed.items()
            if server_id in hops or known[-1].started_at < late
        }

    def written(self, due: Iterable[ServerId], now: float) -> None:
        """These need no keeping; nor do hops that nobody here timed: of orders sent again, or that another process wrote."""
        for server_id in due:
            del self.timed[server_id]
            self._hops.pop(server_id, None)
        for server_id in [one for one, hop in self._hops.items() if hop.started_at < now - KEPT_S]:
            del self._hops[server_id]


def _parcel(row: Any) -> Parcel:
    packed = Packed(row.message or MESSAGE_OF[row.kind], row.body)
    return Parcel(queue=queue(row.queue, row.host), message=packed, message_id=_message_id(row), traceparent=row.traceparent)


def _message_id(row: Any) -> str:
    """The broker drops a repeat of one sending; a second sending, after a silence, has another id."""
    return f"{row.id}/{row.sent}"


def _news(row: Any) -> dict[str, Any]:
    """The envelope of a Nova notification."""
    return {
        "event_type": row.event,
        "timestamp": time.time(),
        "publisher_id": "kilonova",
        "priority": "ERROR" if row.event.endswith(".error") else "INFO",
        "payload": row.payload,
    }
