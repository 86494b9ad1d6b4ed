"""The comparison: everything that does not fit, of all kinds, in a fixed order."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from kilonova.lifecycle.audit import nodes, queues, servers, volumes
from kilonova.lifecycle.audit.asking import NodeInventory
from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.audit.queues import QueueState
from kilonova.lifecycle.audit.view import LedgerView
from kilonova.lifecycle.audit.volumes import KeptVolumes, KnownServers


class BrokerView(Struct, frozen=True, kw_only=True):
    """The broker's queues, and (its name of each that there must be → host or node) those it should have."""

    queues: tuple[QueueState, ...] | None = None
    wanted: Mapping[str, str] = {}


def audit(
    view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str], broker: BrokerView | None = None
) -> list[Finding]:
    """Everything that does not fit. Servers and volumes `in_motion` are somebody's business just now, and are left out."""
    broker = broker or BrokerView()
    found = [
        *servers.in_ledger(view, in_motion),
        *_loose(view, in_motion),
        *nodes.silent(view, inventories),
        *nodes.journals(view, inventories),
        *nodes.plans(view, inventories, in_motion),
        *nodes.hosts(view, inventories, in_motion),
        *nodes.wires(view, inventories, in_motion),
        *_volumes(view, inventories, in_motion),
        *queues.queues(view, broker.queues, broker.wanted),
        *queues.orders(view, inventories, broker.queues, broker.wanted),
    ]
    return sorted(found, key=lambda finding: finding.name)


def _loose(view: LedgerView, in_motion: set[str]) -> list[Finding]:
    free = (row for row in view.loose if not in_motion & {row.about, *row.owners})
    return [Finding(kind=row.kind, about=row.about, text=row.text) for row in free]


def _volumes(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> list[Finding]:
    kept = [
        KeptVolumes(node=one.node, volumes=one.volumes, exports=one.exports, snapshots=one.snapshots)
        for one in inventories
        if one.role == "volume"
    ]
    known = KnownServers(
        states={str(server.id): server.vm_state for server in view.servers},
        orders=frozenset(order.id for order in view.orders),
    )
    return [
        *volumes.on_nodes(view.volumes, view.snapshots, kept, in_motion),
        *volumes.in_ledger(view.volumes, view.snapshots, known, in_motion),
    ]
