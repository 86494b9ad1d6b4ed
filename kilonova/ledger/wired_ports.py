"""The ports of servers as builds and network nodes need them, read from the rows. Makes and changes none."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select

from kilonova.ledger.addresses import Addresses
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import networks, port_addresses, port_groups, ports
from kilonova.model.port import Address, Port

_ALL = select(ports, networks.c.name.label("network_name"), networks.c.mtu, networks.c.external).join_from(ports, networks)
_OF = _ALL.where(ports.c.device_id == bindparam("server")).order_by(ports.c.position, ports.c.created_at)
_ONE = _ALL.where(ports.c.id == bindparam("port"))
_GROUPS = (
    select(port_groups)
    .where(port_groups.c.port_id.in_(bindparam("ports", expanding=True)))
    .order_by(port_groups.c.security_group_id)
)
_ADDRESSES = (
    select(port_addresses)
    .where(port_addresses.c.port_id.in_(bindparam("ports", expanding=True)))
    .order_by(port_addresses.c.position)
)


class WiredPorts:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._addresses = Addresses(connection)

    def of(self, server_id: str) -> tuple[Port, ...]:
        """In the order of the server's NICs."""
        return self._read(self._connection.execute(_OF, {"server": server_id}).mappings().all())

    def one(self, port_id: str) -> Port | None:
        return next(iter(self._read(self._connection.execute(_ONE, {"port": port_id}).mappings().all())), None)

    def _read(self, rows: Sequence[RowMapping]) -> tuple[Port, ...]:
        ids = [row["id"] for row in rows]
        if not ids:
            return ()
        addresses = self._addresses_of(ids)
        groups: dict[str, tuple[str, ...]] = {}
        for row in self._connection.execute(_GROUPS, {"ports": ids}):
            groups[row.port_id] = (*groups.get(row.port_id, ()), row.security_group_id)
        return tuple(_port(row, addresses.get(row["id"], ()), groups.get(row["id"], ())) for row in rows)

    def _addresses_of(self, port_ids: Sequence[str]) -> dict[str, tuple[Address, ...]]:
        found: dict[str, tuple[Address, ...]] = {}
        for some in chunks(port_ids):
            rows = self._connection.execute(_ADDRESSES, {"ports": some}).all()
            states = self._addresses.states_by_id([row.subnet_id for row in rows])
            for row in rows:
                found[row.port_id] = (*found.get(row.port_id, ()), states[row.subnet_id].address(row.ip_address))
        return found


def _port(row: RowMapping, addresses: tuple[Address, ...], groups: tuple[str, ...]) -> Port:
    return Port(
        id=row["id"],
        network_id=row["network_id"],
        network_name=row["network_name"],
        mac=row["mac_address"],
        addresses=addresses,
        mtu=row["mtu"],
        port_security=row["port_security_enabled"],
        external=row["external"],
        made_for_server=row["made_for_server"],
        up=row["admin_state_up"],
        groups=groups,
        allowed_pairs=_pairs(row["allowed_address_pairs"]),
        dhcp_options=_options(row["extra_dhcp_opts"] or ()),
    )


def _pairs(stored: Iterable[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((pair["ip_address"], pair["mac_address"]) for pair in stored)


def _options(stored: Iterable[dict[str, Any]]) -> tuple[tuple[str, str, int], ...]:
    return tuple((option["opt_name"], option["opt_value"], option["ip_version"]) for option in stored)
