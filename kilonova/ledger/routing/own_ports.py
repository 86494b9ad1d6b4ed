"""The ports that routers and floating IPs have of their own: made and ended with them. Checks no right."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection, select

from kilonova.errors import Conflict
from kilonova.ledger.fixed_ips import FixedIps, Holder
from kilonova.ledger.network_tables import port_addresses
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.port_table import PortTable
from kilonova.model.ids import new_uuid
from kilonova.model.network import FixedIp
from kilonova.model.network_wish import FixedIpWish


class NewOwnPort(Struct, frozen=True, kw_only=True):
    """`project_id` is empty for what only admins see: a router's gateway, the port that holds a floating IP."""

    network_id: str
    project_id: str
    device_id: str
    device_owner: str
    fixed_ips: list[FixedIpWish] | UnsetType = UNSET
    now: float


class OwnPorts:
    def __init__(self, connection: Connection, tags: Tags) -> None:
        self._db = connection
        self._table = PortTable(connection, tags)
        self._fixed = FixedIps(connection)

    def make(self, wish: NewOwnPort) -> str:
        """Its id. Raises BadRequest, Conflict, NoMoreAddresses."""
        port_id, mac = new_uuid(), self._table.free_mac(wish.network_id)
        self._table.insert(
            {
                "id": port_id,
                "project_id": wish.project_id,
                "network_id": wish.network_id,
                "name": "",
                "description": "",
                "mac_address": mac,
                "admin_state_up": True,
                "status": "DOWN",
                "device_id": wish.device_id,
                "device_owner": wish.device_owner,
                "host": "",
                "vnic_type": "normal",
                "profile": {},
                "port_security_enabled": False,
                "allowed_address_pairs": [],
                "made_for_server": False,
                "position": 0,
                "created_at": wish.now,
                "updated_at": wish.now,
                "revision_number": 1,
            }
        )
        self._fixed.give(Holder(port_id=port_id, network_id=wish.network_id, mac=mac, is_router=True), wish.fixed_ips)
        return port_id

    def add_address(self, port_id: str, network_id: str, wish: FixedIpWish) -> None:
        """One more. Raises BadRequest, Conflict."""
        have = self.addresses(port_id)
        same = [FixedIpWish(subnet_id=one.subnet_id, ip_address=one.ip_address) for one in have]
        self._fixed.change(self._holder(port_id, network_id), have, [*same, wish])

    def drop_subnet(self, port_id: str, network_id: str, subnet_id: str) -> None:
        """The port stays, without its addresses in this subnet."""
        have = self.addresses(port_id)
        rest = [FixedIpWish(subnet_id=o.subnet_id, ip_address=o.ip_address) for o in have if o.subnet_id != subnet_id]
        self._fixed.change(self._holder(port_id, network_id), have, rest)

    def set_addresses(self, port_id: str, network_id: str, wanted: Sequence[FixedIpWish]) -> None:
        """Exactly these. Raises BadRequest, Conflict."""
        self._fixed.change(self._holder(port_id, network_id), self.addresses(port_id), wanted)

    def addresses(self, port_id: str) -> list[FixedIp]:
        query = select(port_addresses).where(port_addresses.c.port_id == port_id).order_by(port_addresses.c.position)
        return [FixedIp(subnet_id=row.subnet_id, ip_address=row.ip_address) for row in self._db.execute(query)]

    def has_room(self, subnet_id: str) -> bool:
        return self._fixed.has_room(subnet_id)

    def remove(self, port_ids: Sequence[str]) -> None:
        self._fixed.release(port_ids)
        self._table.remove(port_ids)

    def _holder(self, port_id: str, network_id: str) -> Holder:
        return Holder(port_id=port_id, network_id=network_id, mac="", is_router=True)


def service_port(port_id: str, device_owner: str) -> Conflict:
    """Neutron's words for who deletes a router's port as a port."""
    message = f"Port {port_id} cannot be deleted directly via the port API: has device owner {device_owner}."
    return Conflict(message, kind="ServicePortInUse")
