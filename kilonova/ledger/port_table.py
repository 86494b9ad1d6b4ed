"""Ports as rows with what hangs on them: writes one, reads many. Checks no right and no quota."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from kilonova.errors import Conflict, Unavailable
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import port_addresses, port_groups, ports
from kilonova.ledger.network_tags import Tags
from kilonova.model.network import AddressPair, DhcpOption, FixedIp, NetworkPort
from kilonova.model.port_rules import new_mac

_INSERT = insert(ports)
_INSERT_GROUPS = insert(port_groups)
_NO_GROUPS = delete(port_groups).where(port_groups.c.port_id == bindparam("port"))
_OF_MAC = select(ports.c.id).where(ports.c.network_id == bindparam("network"), ports.c.mac_address == bindparam("mac"))
_REMOVE = delete(ports).where(ports.c.id.in_(bindparam("ports", expanding=True)))
_ADDRESSES = (
    select(port_addresses)
    .where(port_addresses.c.port_id.in_(bindparam("ports", expanding=True)))
    .order_by(port_addresses.c.position)
)
_GROUPS = select(port_groups).where(port_groups.c.port_id.in_(bindparam("ports", expanding=True)))
_HIDDEN = ("made_for_server", "position")


class PortTable:
    def __init__(self, connection: Connection, tags: Tags) -> None:
        self._connection = connection
        self._tags = tags

    def insert(self, values: dict[str, Any]) -> None:
        self._connection.execute(_INSERT, values)

    def set_groups(self, port_id: str, group_ids: Sequence[str], *, fresh: bool = False) -> None:
        """`fresh` says that the port has none yet."""
        if not fresh:
            self._connection.execute(_NO_GROUPS, {"port": port_id})
        if group_ids:
            self._connection.execute(_INSERT_GROUPS, [{"port_id": port_id, "security_group_id": one} for one in group_ids])

    def free_mac(self, network_id: str) -> str:
        """A random MAC that no port of this network has."""
        for _ in range(16):
            mac = new_mac()
            if not self.mac_taken(network_id, mac):
                return mac
        raise Unavailable("No free MAC address was found; please try again.", kind="MacAddressGenerationFailure")

    def refuse_taken_mac(self, network_id: str, mac: str) -> None:
        if self.mac_taken(network_id, mac):
            message = f"Unable to complete operation for network {network_id}. The mac address {mac} is in use."
            raise Conflict(message, kind="MacAddressInUse")

    def mac_taken(self, network_id: str, mac: str) -> bool:
        return self._connection.execute(_OF_MAC, {"network": network_id, "mac": mac}).first() is not None

    def remove(self, port_ids: Sequence[str]) -> None:
        """The rows and all that hangs on them; their addresses must have been released."""
        self._tags.forget(port_ids)
        for some in chunks(port_ids):
            self._connection.execute(_REMOVE, {"ports": some})

    def read(self, rows: Sequence[Row[Any]]) -> list[NetworkPort]:
        """Ports with addresses, groups and tags, three queries however many they are."""
        ids = [row.id for row in rows]
        addresses: dict[str, list[FixedIp]] = {}
        groups: dict[str, list[str]] = {}
        for some in chunks(ids):
            for row in self._connection.execute(_ADDRESSES, {"ports": some}):
                addresses.setdefault(row.port_id, []).append(FixedIp(subnet_id=row.subnet_id, ip_address=row.ip_address))
            for row in self._connection.execute(_GROUPS, {"ports": some}):
                groups.setdefault(row.port_id, []).append(row.security_group_id)
        tags = self._tags.of_many(ids)
        return [
            _port(row, tuple(addresses.get(row.id, ())), tuple(sorted(groups.get(row.id, ()))), tags.get(row.id, ()))
            for row in rows
        ]


def _port(row: Row[Any], addresses: tuple[FixedIp, ...], groups: tuple[str, ...], tags: tuple[str, ...]) -> NetworkPort:
    values = {name: value for name, value in row._mapping.items() if name not in _HIDDEN}
    values["allowed_address_pairs"] = tuple(msgspec.convert(values["allowed_address_pairs"], list[AddressPair]))
    values["extra_dhcp_opts"] = tuple(msgspec.convert(values["extra_dhcp_opts"] or [], list[DhcpOption]))
    return NetworkPort(**values, fixed_ips=addresses, security_groups=groups, tags=tags)
