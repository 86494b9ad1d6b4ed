"""Everything a checker looks at, read at one moment: the ledger's rows, and what every driver has. Judges nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from sqlalchemy import select

from kilonova.drivers.disks.simulated import SimulatedDisks
from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.ledger.schema import metadata
from kilonova.ledger.transaction import Transaction
from kilonova.sim.cloud import SimulatedCloud

Row = Mapping[str, Any]

TABLES = (
    "servers", "actions", "claims", "hosts", "orders", "ports", "port_addresses", "security_groups", "routers",
    "floating_ips", "fabric", "networks", "subnets", "volumes", "volume_snapshots", "volume_attachments", "volume_messages",
    "images", "migrations", "freed_addresses",
)  # fmt: skip


_ALL_OF = {name: select(metadata.tables[name]) for name in TABLES}
OWNED = ("servers", "volumes", "volume_snapshots", "ports", "routers", "floating_ips", "security_groups")
"""Tables of what counts against the quota of a project."""


class View(Struct, frozen=True, kw_only=True):
    """Rows by table; over all hosts and nodes: guests (host, server, power), disks (host, server, spare), …"""

    rows: Mapping[str, Sequence[Row]]
    usage: Mapping[str, Mapping[str, int]]
    """Project → resource → how much the ledger counts against its quota."""
    ended: frozenset[str]
    """Servers whose guests have ended by themselves: nobody's action, and no lie of the ledger's."""
    guests: tuple[tuple[str, str, str], ...]
    disks: tuple[tuple[str, str, str], ...]
    plugged: Mapping[str, frozenset[str]]
    """Server → the ports and volumes that its guest has."""
    wires: Mapping[str, frozenset[str]]
    """Server → its ports on the network node."""
    files: frozenset[str]
    """Volumes that a volume node has the bytes of."""
    exports: Mapping[str, str]
    """Volume → the attachment it is served to."""
    known: Mapping[str, int]
    """``router/ID``, ``group/ID``, … → the revision the network node has."""
    indexes: dict[tuple[str, str], dict[Any, list[Row]]] = field(default_factory=dict)
    """What `of` has made so far."""

    def of(self, table: str, **wanted: Any) -> list[Row]:
        """The rows of a table that have these values."""
        (name, value), *more = wanted.items()
        found = self._by_value(table, name).get(value, [])
        return [row for row in found if all(row[name] == value for name, value in more)]

    def _by_value(self, table: str, name: str) -> dict[Any, list[Row]]:
        """The rows of a table by what they have in this column; made once, for hundreds of questions."""
        if (table, name) not in self.indexes:
            index: dict[Any, list[Row]] = {}
            for row in self.rows[table]:
                index.setdefault(row[name], []).append(row)
            self.indexes[table, name] = index
        return self.indexes[table, name]

    def by_id(self, table: str) -> dict[str, Row]:
        return {row["id"]: row for row in self.rows[table]}

    @property
    def alive(self) -> list[Row]:
        """Servers that are not deleted."""
        return self.of("servers", deleted_at=None)


async def look(cloud: SimulatedCloud) -> View:
    """All of it; the drivers of roles that are dead too, whose guests live on."""
    rows, usage = await cloud.ledger.read(_rows_and_usage)
    guests, disks = [], []
    plugged: dict[str, frozenset[str]] = {}
    for role in cloud.computes.values():
        for host, hands in role.node.hosts.items():
            assert isinstance(hands.hypervisor, SimulatedHypervisor)
            plugged |= {str(server): frozenset(hands.hypervisor.plugged(server)) for server in hands.hypervisor.ids()}
            guests += [(str(host), str(server), str(power)) for server, power in (await hands.hypervisor.guests()).items()]
            assert isinstance(hands.disks, SimulatedDisks)
            disks += [(str(host), str(server), hands.disks.spare_of(server)) for server in sorted(await hands.disks.inventory())]
    network, store = cloud.network.node.network, cloud.volume.node.store
    assert isinstance(network, SimulatedNetwork)
    return View(
        rows=rows,
        usage=usage,
        ended=frozenset(cloud.guests_ended),
        guests=tuple(guests),
        disks=tuple(disks),
        plugged=plugged,
        wires={str(server): frozenset(map(str, network.ports(server))) for server in await network.inventory()},
        files=frozenset(await store.inventory()),
        exports=await store.exports(),
        known={f"{one.kind}/{one.id}": one.revision for one in await network.known()},
    )


async def look_at(cloud: SimulatedCloud, table: str) -> list[Row]:
    """One table of it alone."""
    return await cloud.ledger.read(lambda tx: _rows(tx, table))


def _rows_and_usage(tx: Transaction) -> tuple[dict[str, list[Row]], dict[str, dict[str, int]]]:
    found = {name: _rows(tx, name) for name in TABLES}
    owned = (row.get("project_id") for name in OWNED for row in found[name])
    return found, {project: _usage(tx, project) for project in sorted({project for project in owned if project})}


def _rows(tx: Transaction, table: str) -> list[Row]:
    return [dict(row) for row in tx.connection.execute(_ALL_OF[table]).mappings()]


def _usage(tx: Transaction, project_id: str) -> dict[str, int]:
    compute = tx.quotas.usage(project_id)
    volume, network = tx.volumes.quotas.usage(project_id), tx.networks.quotas.usage(project_id)
    return {
        "instances": compute.instances,
        "cores": compute.cores,
        "ram": compute.ram,
        **{word: volume[word] for word in ("volumes", "gigabytes", "snapshots")},
        **{word: network[word] for word in ("port", "router", "floatingip")},
        "group": network["security_group"],
    }
