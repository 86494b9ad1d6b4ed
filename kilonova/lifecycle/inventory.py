"""Nodes and control compare what they have, when a node connects and every 20 seconds after. Both ends in one file."""

from msgspec import Struct

from kilonova.build.admit import OrderWorld
from kilonova.model import server as states
from kilonova.model.fabric import Known
from kilonova.model.guest import HostFacts, PowerState
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.server import Server

_STAYS = (states.RESIZED, states.RESCUED)
"""States that a guest's end does not change."""
SETTLED_S = 5.0
"""What changed within so many seconds may still have a report under way, so it is left alone."""


class HostInventory(Struct, frozen=True, kw_only=True):
    """One host: what it can hold, the guests on it and the servers that have files there."""

    facts: HostFacts
    guests: dict[ServerId, PowerState]
    with_disks: tuple[ServerId, ...]


class Hello(Struct, frozen=True, kw_only=True):
    """node → control: here I am, and this is what I have. `working_on`: servers a saga is under way for."""

    node: NodeName
    role: str
    at: float
    first: bool
    """True when the process has just started."""
    hosts: tuple[HostInventory, ...] = ()
    wired: tuple[ServerId, ...] = ()
    """network role: servers that have ports here."""
    known: tuple[Known, ...] | None = None
    """network role: the routers, groups, external networks and changed servers it has. None: it does not say."""
    working_on: tuple[ServerId, ...] = ()
    unused: dict[str, str] = {}
    """volume role: volume id → the attachment it is served to, of those that nobody is connected to."""


class Leftover(Struct, frozen=True, kw_only=True):
    """Something of a server that is gone, lives elsewhere, or failed and holds nothing here any more."""

    server_id: ServerId
    host: HostName
    attempt: int


class Welcome(Struct, frozen=True, kw_only=True):
    """control → node. What to take away; `unknown` is only named: a ledger restored from a backup must not cost a guest."""

    leftovers: tuple[Leftover, ...] = ()
    unwire: tuple[ServerId, ...] = ()
    unknown: tuple[ServerId, ...] = ()
    unserve: dict[str, str] = {}
    """Of `Hello.unused`, those whose attachment is over."""


def compare(hello: Hello, world: OrderWorld, busy: set[str]) -> Welcome:
    """Writes down what a node can hold, mends what the ledger says of its guests, and answers what is to be taken away.

    `busy` are the servers that an order is under way for: those are somebody else's business just now.
    """
    world.books.hosts.heard_of(hello.node, hello.role, world.desk.now)
    busy = busy | set(hello.working_on)
    leftovers: list[Leftover] = []
    unknown: list[ServerId] = []
    for host in hello.hosts:
        world.books.hosts.measured(hello.node, host.facts, world.desk.now)
        _mend_power(host, hello, world, busy)
        for server_id in sorted({*host.guests, *host.with_disks} - busy):
            server = world.books.servers.whatever(server_id)
            if server is None:
                unknown.append(server_id)
            elif server.deleted_at is not None or server.host != host.facts.host:
                # Attempt 0 is nobody's: what is left here must not end what goes on elsewhere.
                attempt = world.books.servers.attempt(server_id) if server.host == host.facts.host else 0
                leftovers.append(Leftover(server_id=server_id, host=host.facts.host, attempt=attempt))
            elif server.vm_state == states.ERROR and not world.books.hosts.has_claim(server_id):
                # It has been given back in the ledger, so the word that this is gone must change nothing: nobody's attempt too.
                leftovers.append(Leftover(server_id=server_id, host=host.facts.host, attempt=0))
    gone = [server_id for server_id in hello.wired if server_id not in busy and _needs_no_network(server_id, world)]
    unused = {volume_id: attachment_id for volume_id, attachment_id in hello.unused.items() if volume_id not in busy}
    over = world.books.volumes.over(unused) if unused else {}
    return Welcome(leftovers=tuple(leftovers), unwire=tuple(gone), unknown=tuple(unknown), unserve=over)


def _mend_power(host: HostInventory, hello: Hello, world: OrderWorld, busy: set[str]) -> None:
    """A guest may end, or come back, without anybody's order: the ledger follows."""
    for server in world.books.servers.on_host(host.facts.host):
        if server.id in busy or server.task_state is not None or not _settled(server, hello.at):
            continue
        power = host.guests.get(server.id)
        code = states.POWER_CRASHED if power == "crashed" else states.POWER_SHUTDOWN
        if server.vm_state in (states.ACTIVE, states.PAUSED) and power not in ("running", "paused"):
            world.books.servers.power_is(server.id, states.STOPPED, code, world.desk.now)
        elif server.vm_state in _STAYS and server.power_state == states.POWER_RUNNING and power != "running":
            # What it is besides is for its owner to say: confirmed or reverted, it stays off; out of rescue, it is started.
            world.books.servers.power_is(server.id, server.vm_state, code, world.desk.now)
        elif server.vm_state == states.STOPPED and power == "running":
            world.books.servers.power_is(server.id, states.ACTIVE, states.POWER_RUNNING, world.desk.now)


def _settled(server: Server, at: float) -> bool:
    return max(server.updated_at or 0.0, server.launched_at or 0.0) < at - SETTLED_S


def _needs_no_network(server_id: ServerId, world: OrderWorld) -> bool:
    """It is gone, or its build failed and has given everything back: what was wired for it came too late."""
    server = world.books.servers.whatever(server_id)
    return server is not None and (server.deleted_at is not None or not world.books.hosts.has_claim(server_id))
