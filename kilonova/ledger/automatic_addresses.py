"""IPv6 addresses that guests make from their MACs: written down when such a subnet comes to a network, struck when it goes."""

from sqlalchemy import ColumnElement, Connection, delete, func, insert, not_, select

from kilonova.ledger.network_tables import port_addresses, ports
from kilonova.ledger.routing.fabric import SERVER, Fabric
from kilonova.model.network import SERVER_OWNER
from kilonova.model.port_rules import address_from_mac

_ROUTING = ports.c.device_owner.startswith("network:")


class AutomaticAddresses:
    def __init__(self, connection: Connection, fabric: Fabric) -> None:
        self._db = connection
        self._fabric = fabric

    def spread(self, subnet_id: str, network_id: str, cidr: str) -> None:
        """Every port that is on the network already has an address in this subnet too; a router's has not."""
        last = select(func.max(port_addresses.c.position)).where(port_addresses.c.port_id == ports.c.id).scalar_subquery()
        query = select(ports.c.id, ports.c.mac_address, last.label("last")).where(
            ports.c.network_id == network_id, not_(_ROUTING)
        )
        rows = [
            {
                "subnet_id": subnet_id,
                "ip_address": address_from_mac(cidr, row.mac_address),
                "port_id": row.id,
                "position": 0 if row.last is None else row.last + 1,
            }
            for row in self._db.execute(query)
        ]
        if rows:
            self._db.execute(insert(port_addresses), rows)
            self._tell(ports.c.network_id == network_id)

    def withdraw(self, subnet_id: str) -> None:
        """They are no reason to keep the subnet; a router's address is."""
        theirs = select(ports.c.id).where(not_(_ROUTING))
        here = port_addresses.c.subnet_id == subnet_id
        self._tell(ports.c.id.in_(select(port_addresses.c.port_id).where(here)))
        self._db.execute(delete(port_addresses).where(here, port_addresses.c.port_id.in_(theirs)))

    def _tell(self, which: ColumnElement[bool]) -> None:
        query = select(ports.c.device_id).where(which, ports.c.device_owner.startswith(SERVER_OWNER), ports.c.device_id != "")
        self._fabric.changed(SERVER, list(self._db.execute(query).scalars()))
