"""Which subnets a router has an address in. Changes nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kilonova.ledger.network_tables import port_addresses, ports, subnets
from kilonova.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE
from kilonova.model.router_rules import Reached

_REACHED = (
    select(
        port_addresses.c.subnet_id,
        subnets.c.cidr,
        ports.c.network_id,
        ports.c.id.label("port_id"),
        port_addresses.c.ip_address.label("ip"),
    )
    .join_from(ports, port_addresses, port_addresses.c.port_id == ports.c.id)
    .join(subnets, subnets.c.id == port_addresses.c.subnet_id)
    .order_by(ports.c.created_at, ports.c.id, port_addresses.c.position)
)


def reached(connection: Connection, router_id: str, owners: Sequence[str] = (ROUTER_INTERFACE, ROUTER_GATEWAY)) -> list[Reached]:
    """One entry for each address of the router."""
    query = _REACHED.where(ports.c.device_id == router_id, ports.c.device_owner.in_(owners))
    return [Reached(**row._mapping) for row in connection.execute(query)]
