"""Floating IPs that lead nowhere: they end with their network, while one that is used keeps it."""

from sqlalchemy import Connection, delete, select

from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.own_ports import OwnPorts
from kilonova.ledger.routing.tables import floating_ips

_c = floating_ips.c


class IdleFloatingIps:
    def __init__(self, connection: Connection, tags: Tags) -> None:
        self._db = connection
        self._tags = tags

    def end_idle(self, network_id: str) -> None:
        """All of this network that lead nowhere."""
        query = select(_c.id, _c.floating_port_id).where(_c.floating_network_id == network_id, _c.port_id.is_(None))
        rows = self._db.execute(query).all()
        ids = [row.id for row in rows]
        self._tags.forget(ids)
        self._db.execute(delete(floating_ips).where(_c.floating_network_id == network_id, _c.port_id.is_(None)))
        OwnPorts(self._db, self._tags).remove([row.floating_port_id for row in rows])
