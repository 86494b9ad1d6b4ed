"""The part of an audit that is about what nodes have: guests, disks, wires, plans, sagas, reports, and what nobody owns."""

from collections.abc import Iterator, Sequence

from kilonova.lifecycle.audit.asking import NodeInventory
from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.audit.servers import OVERDUE_S, settled
from kilonova.lifecycle.audit.view import LedgerView
from kilonova.lifecycle.inventory import HostInventory
from kilonova.model import server as states

REMOVAL = "remove"
UNCONFIRMED_S = 60.0
"""How long a last word may wait for control."""
STRAYS = {"compute": "process of nobody", "network": "remains of a network", "volume": "half a volume"}
"""A node's role → the kind of what its drivers cannot tell an owner of."""


def silent(view: LedgerView, inventories: Sequence[NodeInventory]) -> Iterator[Finding]:
    """Nodes that did not answer."""
    heard = {inventory.node for inventory in inventories}
    for name, role in view.nodes:
        if name not in heard and role != "control":
            yield Finding(kind="silent node", about=name, text=f"the {role} node was heard of lately, and does not answer now")


def journals(view: LedgerView, inventories: Sequence[NodeInventory]) -> Iterator[Finding]:
    """Sagas and reports: what a node has begun is for somebody, ends, and is told."""
    alive, ordered = {str(server.id) for server in view.servers}, {order.server_id for order in view.orders}
    for inventory in inventories:
        for saga in inventory.sagas:
            if saga.deadline is not None and view.at > saga.deadline + OVERDUE_S:
                text = f"node {inventory.node} has not finished {saga.key}, and its deadline is over"
                yield Finding(kind="saga overdue", about=saga.server_id, text=text, host=saga.host)
            elif inventory.role == "compute" and saga.saga not in ("", REMOVAL) and saga.server_id not in alive | ordered:
                kind = "saga without server" if saga.server_id in view.deleted else "unknown saga"
                yield Finding(kind=kind, about=saga.server_id, text=f"node {inventory.node} works on {saga.key}", host=saga.host)
        for report in inventory.reports:
            if view.at > report.since + UNCONFIRMED_S:
                text = f"node {inventory.node} has told it for a minute, and control does not confirm it"
                yield Finding(kind="report nobody takes", about=report.key, text=text, host=inventory.node)


def plans(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    """Routers, security groups and external networks: on the network node as confirmed, and no others."""
    nodes = [inventory for inventory in inventories if inventory.role == "network"]
    if not nodes:
        return
    known = {f"{one.kind}/{one.id}": one.revision for node in nodes for one in node.known if one.kind != "server"}
    for name in sorted({*view.plans, *known} - in_motion):
        kind, _, about = name.partition("/")
        if name not in known:
            text = "the network node has confirmed it, and does not have it"
            yield Finding(kind=f"{kind} not on the node", about=about, text=text)
        elif name not in view.plans:
            yield Finding(kind=f"{kind} of nobody", about=about, text="a network node has it, and the ledger does not")
        elif known[name] != view.plans[name]:
            text = f"the network node has revision {known[name]}, and has confirmed {view.plans[name]}"
            yield Finding(kind=f"{kind} in another revision", about=about, text=text)


def hosts(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    """Everything on hosts."""
    for inventory in inventories:
        for host in inventory.hosts:
            yield from _strangers(view, host, in_motion)
            yield from _missing(view, host, in_motion)
        yield from _spares(view, inventory, in_motion)
    yield from _strays(view, inventories, in_motion)


def _strangers(view: LedgerView, host: HostInventory, in_motion: set[str]) -> Iterator[Finding]:
    """Guests and disks that should not be on this host."""
    servers, name = {server.id: server for server in view.servers}, host.facts.host
    held = {claim.server_id for claim in view.claims}
    for thing, there in (("guest", host.guests), ("disks", host.with_disks)):
        for server_id in set(there) - in_motion:
            server = servers.get(server_id)
            if server is None and server_id in view.deleted:
                yield Finding(kind=f"{thing} without server", about=server_id, host=name, text="its server is gone")
            elif server is None:
                yield Finding(kind=f"unknown {thing}", about=server_id, host=name, text="the ledger never heard of its server")
            elif server.host != name:
                text = f"its server is on {server.host}"
                yield Finding(kind=f"{thing} on the wrong host", about=server_id, host=name, text=text)
            elif server.vm_state == states.ERROR and server_id not in held:
                text = "its server failed, and this is left of it"
                yield Finding(kind=f"{thing} of a failed server", about=server_id, host=name, text=text)


def _missing(view: LedgerView, host: HostInventory, in_motion: set[str]) -> Iterator[Finding]:
    name = host.facts.host
    for server in settled(view, in_motion):
        if server.host != name:
            continue
        power = host.guests.get(server.id)
        if server.vm_state in (states.ACTIVE, states.PAUSED):
            if power not in ("running", "paused"):
                yield Finding(kind="active without guest", about=server.id, host=name, text="no guest of it runs there")
            if server.id not in host.with_disks:
                yield Finding(kind="active without disks", about=server.id, host=name, text="it has no disk there")
        elif server.vm_state == states.STOPPED and power == "running":
            yield Finding(kind="stopped with guest", about=server.id, host=name, text="it is said to be off, and its guest runs")


def _spares(view: LedgerView, inventory: NodeInventory, in_motion: set[str]) -> Iterator[Finding]:
    """A second set of disks is for a resize that waits for its owner's word, or for a rescue: for nothing else."""
    for host, there in inventory.spares.items():
        for server in settled(view, in_motion):
            if server.host != host:
                continue
            if server.id in there and server.vm_state not in (states.RESIZED, states.RESCUED, states.ERROR):
                text = "a second set of disks is kept for it, and it was not resized"
                yield Finding(kind="disks of a resize that is over", about=server.id, host=host, text=text)
            elif server.vm_state == states.RESIZED and server.id not in there and server.image_id is not None:
                text = "its disks from before are not there: it cannot go back"
                yield Finding(kind="resized without its old disks", about=server.id, host=host, text=text)


def _strays(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    """A process may be another compute node's of this cloud, or another cloud's: only what was once ours, and is nowhere."""
    guests = {str(server_id) for inventory in inventories for host in inventory.hosts for server_id in host.guests}
    ours = {str(server.id) for server in view.servers} | view.deleted
    for inventory in inventories:
        for name, what in inventory.strays.items():
            if inventory.role == "compute" and (name not in ours or name in guests | in_motion):
                continue
            if name.partition(".")[0] not in in_motion:
                yield Finding(kind=STRAYS[inventory.role], about=name, host=inventory.node, text=what)


def wires(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    """Servers that network nodes keep ports for."""
    nodes = [inventory for inventory in inventories if inventory.role == "network"]
    known = {server.id for server in view.servers}
    wired = {server_id: inventory.node for inventory in nodes for server_id in inventory.wired}
    for server_id in wired.keys() - in_motion - known:
        gone = server_id in view.deleted
        kind, text = ("wire without server", "a network node keeps a port for it, and it is gone")
        if not gone:
            kind, text = ("unknown wire", "a network node keeps a port for it, and the ledger never heard of it")
        yield Finding(kind=kind, about=server_id, text=text, host=wired[server_id])
    with_ports = {port.server_id for port in view.ports}
    for server in settled(view, in_motion):
        if nodes and server.vm_state == states.ACTIVE and server.id in with_ports - wired.keys():
            yield Finding(kind="active without wire", about=server.id, text="no network node has its ports")
