"""Everything an audit compares, read in one transaction. Compares nothing."""

from sqlalchemy import Connection, select

from kilonova.ledger.hosts import SILENT_AFTER_S, Hosts, claims, nodes
from kilonova.ledger.network_tables import ports
from kilonova.ledger.orders import orders
from kilonova.ledger.quotas import Quotas
from kilonova.ledger.routing.tables import fabric
from kilonova.ledger.servers import server_from, servers
from kilonova.ledger.volume.links import open_volumes
from kilonova.lifecycle.audit import Claim, LedgerView, OpenOrder, OpenPort

_NOT_OF_A_SERVER = fabric.c.kind != "server"


def look(connection: Connection, now: float) -> LedgerView:
    """All servers that are not deleted, and all that is held in the name of any server."""
    alive = connection.execute(select(servers).where(servers.c.deleted_at.is_(None))).all()
    projects = {row.project_id for row in alive}
    held = connection.execute(select(ports.c.id, ports.c.device_id).where(ports.c.device_owner.startswith("compute:")))
    open_orders = select(orders.c.server_id, orders.c.attempt, orders.c.kind, orders.c.deadline)
    heard = select(nodes.c.name, nodes.c.role).where(nodes.c.last_seen > now - SILENT_AFTER_S)
    plans = connection.execute(
        select(fabric.c.kind, fabric.c.id, fabric.c.wanted, fabric.c.settled).where(_NOT_OF_A_SERVER)
    ).all()
    return LedgerView(
        at=now,
        servers=tuple(server_from(row) for row in alive),
        claims=tuple(Claim(**row._mapping) for row in connection.execute(select(claims))),
        hosts=tuple(Hosts(connection).snapshot(now)),
        ports=tuple(OpenPort(id=row.id, server_id=row.device_id) for row in held),
        volumes=open_volumes(connection),
        orders=tuple(OpenOrder(**row._mapping) for row in connection.execute(open_orders)),
        usage={project: Quotas(connection).usage(project) for project in projects},
        plans={f"{row.kind}/{row.id}": row.wanted for row in plans if row.settled},
        unconfirmed=frozenset(f"{row.kind}/{row.id}" for row in plans if not row.settled),
        nodes=tuple((row.name, row.role) for row in connection.execute(heard)),
    )
