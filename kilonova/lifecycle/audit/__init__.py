"""What the ledger says and what the nodes have, compared: every claim, port, order, guest, disk, wire and volume has its owner.

    asking.py     what control asks a node, and what it tells it to take away
    finding.py    a finding, the reports for an operator
    kinds.py      every kind of finding, in words, with what `--repair` does about it
    view.py       what the ledger says at one moment
    compare.py    the comparison, put together from:
    servers.py    what servers hold in the ledger       nodes.py     guests, disks, wires, sagas on the nodes
    volumes.py    volumes, snapshots, attachments       queues.py    the broker's queues

Pure: it finds and names, and mends nothing (nodes/repair does).
"""

from kilonova.lifecycle.audit.asking import InventoryWanted, NodeInventory, OpenSaga
from kilonova.lifecycle.audit.compare import audit
from kilonova.lifecycle.audit.finding import AuditReport, Finding, RepairReport
from kilonova.lifecycle.audit.servers import HELD
from kilonova.lifecycle.audit.view import LedgerView

__all__ = [
    "HELD",
    "AuditReport",
    "Finding",
    "InventoryWanted",
    "LedgerView",
    "NodeInventory",
    "OpenSaga",
    "RepairReport",
    "audit",
]
