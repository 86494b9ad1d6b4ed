"""The part of an audit that is about what servers hold in the ledger: room, ports, quota, orders. Nodes are not asked."""

from collections import Counter
from collections.abc import Iterable, Iterator

from kilonova.lifecycle.audit.finding import Finding
from kilonova.lifecycle.audit.view import LedgerView
from kilonova.model import server as states
from kilonova.model.quota import ComputeUsage
from kilonova.model.server import Server

OVERDUE_S = 60.0
"""How long after its deadline a build may still be on its way out."""
HELD = (states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.RESCUED, states.RESIZED, states.SHELVED)
"""vm_states of servers that have room on a host."""
DELETING = "deleting"


def settled(view: LedgerView, in_motion: set[str]) -> Iterable[Server]:
    """Servers that nothing is done to."""
    return (server for server in view.servers if server.id not in in_motion and server.task_state is None)


def in_ledger(view: LedgerView, in_motion: set[str]) -> Iterator[Finding]:
    """Everything that does not fit in the ledger alone."""
    yield from _claims(view, in_motion)
    yield from _counters(view)
    yield from _ports(view, in_motion)
    yield from _orders(view)
    yield from _without_order(view, in_motion)
    yield from _usage(view)


def _claims(view: LedgerView, in_motion: set[str]) -> Iterator[Finding]:
    servers = {str(server.id): server for server in view.servers}
    for claim in view.claims:
        server = servers.get(claim.server_id)
        if claim.server_id in in_motion:
            continue
        if server is None:
            yield Finding(kind="claim without server", about=claim.server_id, host=claim.host, text="it holds room on a host")
        elif server.host != claim.host:
            text = f"the claim is on {claim.host}, the server on {server.host}"
            yield Finding(kind="claim elsewhere", about=claim.server_id, host=claim.host, text=text)
    claimed = {claim.server_id for claim in view.claims}
    for server in settled(view, in_motion):
        if server.vm_state in HELD and server.id not in claimed:
            yield Finding(kind="server without claim", about=server.id, host=server.host or "", text="its room is not counted")


def _counters(view: LedgerView) -> Iterator[Finding]:
    sums: dict[str, Counter[str]] = {host.name: Counter() for host in view.hosts}
    for claim in view.claims:
        sums[claim.host].update(vcpus=claim.vcpus, ram_mb=claim.ram_mb, disk_gb=claim.disk_gb, servers=1)
    for host in view.hosts:
        says = (host.vcpus_used, host.ram_mb_used, host.disk_gb_used, host.servers)
        is_so = tuple(sums[host.name][what] for what in ("vcpus", "ram_mb", "disk_gb", "servers"))
        if says != is_so:
            text = f"its row says {says}, its claims add up to {is_so} (vCPUs, MiB, GiB, servers)"
            yield Finding(kind="host counters", about=host.name, host=host.name, text=text)


def _ports(view: LedgerView, in_motion: set[str]) -> Iterator[Finding]:
    known = {str(server.id): server for server in view.servers}
    claimed = {claim.server_id for claim in view.claims}
    for port in view.ports:
        server = known.get(port.server_id)
        if port.server_id in in_motion:
            continue
        if server is None:
            yield Finding(kind="port without server", about=port.id, text=f"it belongs to {port.server_id}, which is gone")
        elif server.vm_state == states.ERROR and server.id not in claimed:
            text = f"it belongs to {server.id}, which failed and has no host"
            yield Finding(kind="port of a failed server", about=port.id, text=text)
        elif server.task_state is None and server.id in claimed and port.host not in ("", server.host):
            text = f"it is bound to {port.host}, and its server {server.id} is on {server.host}"
            yield Finding(kind="port on another host", about=port.id, text=text, host=port.host)


def _orders(view: LedgerView) -> Iterator[Finding]:
    known = {server.id for server in view.servers}
    for order in view.orders:
        if order.kind == "build" and order.server_id not in known:
            yield Finding(kind="order without server", about=order.server_id, text=f"attempt {order.attempt} is still ordered")
        elif order.deadline is not None and view.at > order.deadline + OVERDUE_S:
            yield Finding(kind="order overdue", about=order.server_id, text=f"attempt {order.attempt} was never ended")


def _without_order(view: LedgerView, in_motion: set[str]) -> Iterator[Finding]:
    ordered = view.in_motion()
    for server in view.servers:
        if server.id in ordered:
            continue
        if server.vm_state == states.BUILDING and server.task_state != DELETING:
            yield Finding(kind="build without order", about=server.id, text="it is in BUILD, and nobody was told to build it")
        elif server.task_state == DELETING:
            yield Finding(kind="removal without order", about=server.id, text="it is deleting, and nobody was told to remove it")
        elif server.task_state is not None and server.id not in in_motion:
            text = f"its task state is {server.task_state}, and nobody was told to do it"
            yield Finding(kind="task without order", about=server.id, text=text)


def _usage(view: LedgerView) -> Iterator[Finding]:
    counted: dict[str, Counter[str]] = {}
    for server in view.servers:
        cores, ram = server.held
        counted.setdefault(server.project_id, Counter()).update(instances=1, cores=cores, ram=ram)
    for project in counted.keys() | view.usage.keys():
        is_so = ComputeUsage(**counted.get(project, Counter()))
        says = view.usage.get(project, ComputeUsage())
        if says != is_so:
            yield Finding(kind="quota", about=project, text=f"{says} is counted against its quota, and {is_so} is there")
