"""What the ledger says at one moment, as an audit needs it. Plain data; `ledger/audit.py` reads it."""

from msgspec import Struct

from kilonova.lifecycle.audit.volumes import OpenSnapshot, OpenVolume
from kilonova.model.host import Host
from kilonova.model.quota import ComputeUsage
from kilonova.model.server import Server


class Claim(Struct, frozen=True, kw_only=True):
    """What a server holds of a host. Memory in MiB, disk in GiB."""

    server_id: str
    host: str
    vcpus: int
    ram_mb: int
    disk_gb: int


class OpenPort(Struct, frozen=True, kw_only=True):
    """A port that says it belongs to a server; `host` where it says the server is."""

    id: str
    server_id: str
    host: str = ""


class OpenOrder(Struct, frozen=True, kw_only=True):
    """An order that no node has answered for good. `published_at` None: it is still to be sent."""

    server_id: str
    attempt: int
    kind: str
    deadline: float | None
    id: str = ""
    host: str = ""
    published_at: float | None = None


class Loose(Struct, frozen=True, kw_only=True):
    """A row, or what it says, that has lost what it belongs to: found by a query. `owners`: whose motion excuses it."""

    kind: str
    about: str
    text: str
    owners: tuple[str, ...] = ()


class LedgerView(Struct, frozen=True, kw_only=True):
    """What the ledger says at one moment. `servers`: those that are not deleted."""

    at: float
    servers: tuple[Server, ...]
    claims: tuple[Claim, ...]
    hosts: tuple[Host, ...]
    ports: tuple[OpenPort, ...]
    volumes: tuple[OpenVolume, ...] = ()
    snapshots: tuple[OpenSnapshot, ...] = ()
    orders: tuple[OpenOrder, ...]
    usage: dict[str, ComputeUsage]
    nodes: tuple[tuple[str, str], ...]
    """(name, role) of those that were heard of lately."""
    all_nodes: tuple[tuple[str, str], ...] = ()
    """The same of all there ever were."""
    plans: dict[str, int] = {}
    """``router/ID``, ``group/ID``, ``network/ID`` → the revision that the network node has confirmed."""
    unconfirmed: frozenset[str] = frozenset()
    """The same names, of those that are on their way to the network node."""
    deleted: frozenset[str] = frozenset()
    """Of the ids that were asked about: servers that the ledger knows to be deleted. The rest it never heard of."""
    loose: tuple[Loose, ...] = ()

    def in_motion(self) -> set[str]:
        """Servers and volumes that an order is under way for, and plans that are on their way."""
        return {order.server_id for order in self.orders} | self.unconfirmed

    def changed(self, later: "LedgerView") -> set[str]:
        """Servers, volumes and plans that are not what they were."""
        before, after = (
            {server.id: server for server in view.servers} | {volume.id: volume for volume in view.volumes} | view.plans
            for view in (self, later)
        )
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
