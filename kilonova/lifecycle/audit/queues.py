"""The part of an audit that is about the broker: a queue for every host and node, none for anybody else, and no order lost."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from kilonova.lifecycle.audit.asking import NodeInventory
from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.audit.view import LedgerView

NOWHERE_S = 90.0
"""The sweeper sends an order without an answer again after 30 s: one this old it has overlooked."""


class QueueState(Struct, frozen=True, kw_only=True):
    """One queue of the broker. `name` as the broker knows it: ``compute-HOST``; `messages`: not finished, in hand or waiting."""

    name: str
    read: bool
    """There is a reader for it."""
    messages: int


def queues(view: LedgerView, found: Sequence[QueueState] | None, wanted: Mapping[str, str]) -> Iterator[Finding]:
    """`wanted`: the broker's name of each queue there must be → the host or node. `found` None: the broker was not asked."""
    if found is None:
        return
    for queue in found:
        if queue.name not in wanted:
            text = f"no host or node has this name; {queue.messages} messages are in it"
            yield Finding(kind="queue of nobody", about=queue.name, text=text)
    for name in sorted(wanted.keys() - {queue.name for queue in found if queue.read}):
        text = f"orders for {wanted[name]} would reach nobody"
        yield Finding(kind="queue without reader", about=name, text=text, host=wanted[name])


def orders(
    view: LedgerView, inventories: Sequence[NodeInventory], found: Sequence[QueueState] | None, wanted: Mapping[str, str]
) -> Iterator[Finding]:
    """Orders that were published long ago, and are neither in a queue nor in a journal."""
    if found is None:
        return
    full = {wanted.get(queue.name) for queue in found if queue.messages}
    working = {saga.server_id for inventory in inventories for saga in inventory.sagas}
    told = {report.key.partition("/")[0] for inventory in inventories for report in inventory.reports}
    for order in view.orders:
        old = order.published_at is not None and view.at > order.published_at + NOWHERE_S
        if old and order.host not in full and order.server_id not in working | told:
            text = f"the order {order.kind} for {order.host} is in no queue and no journal"
            yield Finding(kind="order that is nowhere", about=order.id, text=text, host=order.host)
