"""What the ledger says and what the nodes have, compared: every claim, port, order, guest, disk and wire has its server.

Pure: it finds and names, and mends nothing (inventory.py does). The question to a node and its answer stand here too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kilonova.lifecycle.audit_volumes import KeptVolumes, OpenVolume, misfits
from kilonova.lifecycle.inventory import HostInventory
from kilonova.model import server as states
from kilonova.model.fabric import Known
from kilonova.model.host import Host
from kilonova.model.ids import NodeName, ServerId
from kilonova.model.quota import ComputeUsage
from kilonova.model.server import Server

OVERDUE_S = 60.0
"""How long after its deadline a build may still be on its way out."""
HELD = (states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.RESCUED, states.RESIZED, states.SHELVED)
"""vm_states of servers that have room on a host."""


class InventoryWanted(Struct, frozen=True, kw_only=True):
    """control → node: what have you?"""


class OpenSaga(Struct, frozen=True, kw_only=True):
    """One line of a node's journal. `deadline` None: it has none, and goes on until it is done."""

    key: str
    server_id: ServerId
    deadline: float | None


class NodeInventory(Struct, frozen=True, kw_only=True):
    """node → control. Hosts of a compute node, wires of a network node, volumes of a volume node; `sagas`: not finished."""

    node: NodeName
    role: str
    hosts: tuple[HostInventory, ...] = ()
    wired: tuple[ServerId, ...] = ()
    known: tuple[Known, ...] = ()
    """A network node's routers, security groups and external networks."""
    sagas: tuple[OpenSaga, ...] = ()
    volumes: tuple[str, ...] = ()
    """Those that have files on a volume node."""
    exports: dict[str, str] = {}
    """Volume id → the attachment that it is served to."""


class Claim(Struct, frozen=True, kw_only=True):
    """What a server holds of a host. Memory in MiB, disk in GiB."""

    server_id: str
    host: str
    vcpus: int
    ram_mb: int
    disk_gb: int


class OpenPort(Struct, frozen=True, kw_only=True):
    """A port that says it belongs to a server."""

    id: str
    server_id: str


class OpenOrder(Struct, frozen=True, kw_only=True):
    """An order that no node has answered for good."""

    server_id: str
    attempt: int
    kind: str
    deadline: float | None


class LedgerView(Struct, frozen=True, kw_only=True):
    """What the ledger says at one moment. `servers`: those that are not deleted."""

    at: float
    servers: tuple[Server, ...]
    claims: tuple[Claim, ...]
    hosts: tuple[Host, ...]
    ports: tuple[OpenPort, ...]
    volumes: tuple[OpenVolume, ...] = ()
    orders: tuple[OpenOrder, ...]
    usage: dict[str, ComputeUsage]
    nodes: tuple[tuple[str, str], ...]
    """(name, role) of those that were heard of lately."""
    plans: dict[str, int] = {}
    """``router/ID``, ``group/ID``, ``network/ID`` → the revision that the network node has confirmed."""
    unconfirmed: frozenset[str] = frozenset()
    """The same names, of those that are on their way to the network node."""

    def in_motion(self) -> set[str]:
        """Servers that an order is under way for, and plans that are on their way."""
        return {order.server_id for order in self.orders} | self.unconfirmed

    def changed(self, later: "LedgerView") -> set[str]:
        """Servers and plans that are not what they were."""
        before, after = ({server.id: server for server in view.servers} | view.plans for view in (self, later))
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


class Finding(Struct, frozen=True, kw_only=True):
    """Something that does not fit. `about` is an id; `host` and `text` are for the operator."""

    kind: str
    about: str
    text: str
    host: str = ""


class AuditReport(Struct, frozen=True, kw_only=True):
    """Nothing found is an empty list. `asked` says how many nodes answered, `in_motion` how many servers were left out."""

    findings: tuple[Finding, ...]
    servers: int
    asked: int
    in_motion: int


def audit(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> list[Finding]:
    """Everything that does not fit. Servers `in_motion` are somebody's business just now, and are left out."""
    found = [
        *_claims(view, in_motion),
        *_counters(view),
        *_ports(view, in_motion),
        *_orders(view),
        *_usage(view),
        *_silent(view, inventories),
        *_sagas(view, inventories),
        *_plans(view, inventories, in_motion),
    ]
    for inventory in inventories:
        for host in inventory.hosts:
            found += _strangers(view, host, in_motion)
            found += _missing_guests(view, host, in_motion)
    found += _volumes(view, [one for one in inventories if one.role == "volume"], in_motion)
    found += _wires(view, [one for one in inventories if one.role == "network"], in_motion)
    return sorted(found, key=lambda finding: (finding.kind, finding.about, finding.host))


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
    for server in _settled(view, in_motion):
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
    known = {server.id for server in view.servers}
    for port in view.ports:
        if port.server_id not in known and port.server_id not in in_motion:
            yield Finding(kind="port without server", about=port.id, text=f"it belongs to {port.server_id}, which is gone")


def _orders(view: LedgerView) -> Iterator[Finding]:
    known = {server.id for server in view.servers}
    for order in view.orders:
        if order.kind == "build" and order.server_id not in known:
            yield Finding(kind="order without server", about=order.server_id, text=f"attempt {order.attempt} is still ordered")
        elif order.deadline is not None and view.at > order.deadline + OVERDUE_S:
            yield Finding(kind="order overdue", about=order.server_id, text=f"attempt {order.attempt} was never ended")
    ordered = view.in_motion()
    for server in view.servers:
        if server.vm_state == states.BUILDING and server.id not in ordered:
            yield Finding(kind="build without order", about=server.id, text="it is in BUILD, and nobody was told to build it")


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


def _silent(view: LedgerView, inventories: Sequence[NodeInventory]) -> Iterator[Finding]:
    heard = {inventory.node for inventory in inventories}
    for name, role in view.nodes:
        if name not in heard and role != "control":
            yield Finding(kind="silent node", about=name, text=f"the {role} node was heard of lately, and does not answer now")


def _sagas(view: LedgerView, inventories: Sequence[NodeInventory]) -> Iterator[Finding]:
    for inventory in inventories:
        for saga in inventory.sagas:
            if saga.deadline is not None and view.at > saga.deadline + OVERDUE_S:
                text = f"node {inventory.node} has not finished {saga.key}, and its deadline is over"
                yield Finding(kind="saga overdue", about=saga.server_id, text=text)


def _plans(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    """Routers, security groups and external networks: on the network node as confirmed, and no others."""
    nodes = [inventory for inventory in inventories if inventory.role == "network"]
    if not nodes:
        return
    known = {f"{one.kind}/{one.id}": one.revision for node in nodes for one in node.known if one.kind != "server"}
    for name in sorted({*view.plans, *known} - in_motion):
        kind, _, about = name.partition("/")
        if name not in known:
            yield Finding(
                kind=f"{kind} not on the node", about=about, text="the network node has confirmed it, and does not have it"
            )
        elif name not in view.plans:
            yield Finding(kind=f"{kind} of nobody", about=about, text="a network node has it, and the ledger does not")
        elif known[name] != view.plans[name]:
            text = f"the network node has revision {known[name]}, and has confirmed {view.plans[name]}"
            yield Finding(kind=f"{kind} in another revision", about=about, text=text)


def _strangers(view: LedgerView, host: HostInventory, in_motion: set[str]) -> Iterator[Finding]:
    """Guests and disks that should not be on this host."""
    servers, name = {server.id: server for server in view.servers}, host.facts.host
    held = {claim.server_id for claim in view.claims}
    for thing, there in (("guest", host.guests), ("disks", host.with_disks)):
        for server_id in set(there) - in_motion:
            server = servers.get(server_id)
            if server is None:
                yield Finding(kind=f"{thing} without server", about=server_id, host=name, text="its server is gone")
            elif server.host != name:
                text = f"its server is on {server.host}"
                yield Finding(kind=f"{thing} on the wrong host", about=server_id, host=name, text=text)
            elif server.vm_state == states.ERROR and server_id not in held:
                text = "its server failed, and this is left of it"
                yield Finding(kind=f"{thing} of a failed server", about=server_id, host=name, text=text)


def _missing_guests(view: LedgerView, host: HostInventory, in_motion: set[str]) -> Iterator[Finding]:
    name = host.facts.host
    for server in _settled(view, in_motion):
        if server.vm_state in (states.ACTIVE, states.PAUSED) and server.host == name:
            if host.guests.get(server.id) not in ("running", "paused"):
                yield Finding(kind="active without guest", about=server.id, host=name, text="no guest of it runs there")
            if server.id not in host.with_disks:
                yield Finding(kind="active without disks", about=server.id, host=name, text="it has no disk there")


def _volumes(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    kept = [KeptVolumes(node=one.node, volumes=one.volumes, exports=one.exports) for one in inventories]
    for kind, about, text in misfits(view.volumes, kept, in_motion):
        yield Finding(kind=kind, about=about, text=text)


def _wires(view: LedgerView, inventories: Sequence[NodeInventory], in_motion: set[str]) -> Iterator[Finding]:
    known = {server.id: server for server in view.servers}
    wired = {server_id for inventory in inventories for server_id in inventory.wired}
    for server_id in wired - in_motion:
        if server_id not in known:
            yield Finding(kind="wire without server", about=server_id, text="a network node keeps a port for it")
    with_ports = {port.server_id for port in view.ports}
    for server in _settled(view, in_motion):
        if inventories and server.vm_state == states.ACTIVE and server.id in with_ports - wired:
            yield Finding(kind="active without wire", about=server.id, text="no network node has its ports")


def _settled(view: LedgerView, in_motion: set[str]) -> Iterable[Server]:
    return (server for server in view.servers if server.id not in in_motion and server.task_state is None)
