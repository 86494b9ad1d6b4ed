"""The network nodes as the network API lists them. They register and report elsewhere; this only reads."""

import time
from collections.abc import Sequence

from sqlalchemy import Connection, select

from kilonova.ledger.hosts import IS_UP, nodes
from kilonova.model.network import Agent

NETWORK_ROLE = "network"


class Agents:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def agents(self) -> Sequence[Agent]:
        """Every network node that was ever heard of, by name; alive when it was heard of lately."""
        query = select(nodes, IS_UP.label("up")).where(nodes.c.role == NETWORK_ROLE).order_by(nodes.c.name)
        return [
            Agent(
                id=row.id,
                agent_type="DHCP agent",
                binary="kilonova-network",
                host=row.name,
                availability_zone="nova",
                alive=row.up,
                admin_state_up=True,
                created_at=row.created_at,
                started_at=row.created_at,
                heartbeat_at=row.last_seen,
            )
            for row in self._connection.execute(query, {"now": time.time()})
        ]
