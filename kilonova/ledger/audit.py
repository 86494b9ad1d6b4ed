"""Everything an audit compares, read in one transaction. Compares nothing; rows without an owner: audit_rows.py."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select

from kilonova.ledger.audit_rows import loose_rows
from kilonova.ledger.hosts import IS_UP, Hosts, claims, nodes
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import ports
from kilonova.ledger.orders import orders
from kilonova.ledger.quotas import Quotas
from kilonova.ledger.routing.tables import fabric
from kilonova.ledger.servers import server_from, servers
from kilonova.ledger.volume.links import open_volumes
from kilonova.ledger.volume.tables import volume_snapshots
from kilonova.lifecycle.audit.view import Claim, LedgerView, OpenOrder, OpenPort
from kilonova.lifecycle.audit.volumes import OpenSnapshot

_PLANS = select(fabric.c.kind, fabric.c.id, fabric.c.wanted, fabric.c.settled).where(fabric.c.kind != "server")
_PORTS = select(ports.c.id, ports.c.device_id, ports.c.host).where(ports.c.device_owner.startswith("compute:"))
_o, _s = orders.c, volume_snapshots.c
_ORDERS = select(_o.id, _o.server_id, _o.attempt, _o.kind, _o.deadline, _o.host, _o.published_at)
_SNAPSHOTS = select(_s.id, _s.volume_id, _s.status, _s.work_id)
_ALIVE = select(servers).where(servers.c.deleted_at.is_(None))
_DELETED = select(servers.c.id).where(servers.c.id.in_(bindparam("servers", expanding=True)), servers.c.deleted_at.is_not(None))
_CLAIMS = select(claims)
_NODES = select(nodes.c.name, nodes.c.role, IS_UP.label("up"))


def look(connection: Connection, now: float, asked_about: Collection[str] | None = None) -> LedgerView:
    """All servers that are not deleted, and all that is held in the name of any; of `asked_about`, which are deleted.

    Without it rows that have lost their owner are not looked for: enough for what is compared only with a later view.
    """
    alive = connection.execute(_ALIVE).all()
    projects = {row.project_id for row in alive}
    plans = connection.execute(_PLANS).all()
    told = connection.execute(_NODES, {"now": now}).all()
    return LedgerView(
        at=now,
        servers=tuple(server_from(row) for row in alive),
        claims=tuple(Claim(**row._mapping) for row in connection.execute(_CLAIMS)),
        hosts=tuple(Hosts(connection).snapshot(now)),
        ports=tuple(OpenPort(id=row.id, server_id=row.device_id, host=row.host) for row in connection.execute(_PORTS)),
        volumes=open_volumes(connection),
        snapshots=tuple(OpenSnapshot(**row._mapping) for row in connection.execute(_SNAPSHOTS)),
        orders=tuple(OpenOrder(**row._mapping) for row in connection.execute(_ORDERS)),
        usage={project: Quotas(connection).usage(project) for project in projects},
        nodes=tuple((row.name, row.role) for row in told if row.up),
        all_nodes=tuple((row.name, row.role) for row in told),
        plans={f"{row.kind}/{row.id}": row.wanted for row in plans if row.settled},
        unconfirmed=frozenset(f"{row.kind}/{row.id}" for row in plans if not row.settled),
        deleted=_deleted(connection, asked_about or ()),
        loose=() if asked_about is None else loose_rows(connection),
    )


def _deleted(connection: Connection, ids: Collection[str]) -> frozenset[str]:
    found: set[str] = set()
    for some in chunks(sorted(ids)):
        found.update(connection.execute(_DELETED, {"servers": some}).scalars())
    return frozenset(found)
