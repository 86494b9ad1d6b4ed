"""The ports of servers: made and bound when an order is written, in its transaction; given back when the server goes.

A port costs six statements however many there are. Who may use a network is checked here; what a guest does with it is not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, and_, bindparam, case, exists, func, not_, or_, select, update

from kilonova.errors import BadRequest, Conflict, Forbidden, NoMoreAddresses, NotFound, QuotaExceeded
from kilonova.ledger.addresses import Addresses, Choice
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import network_quotas, networks, port_addresses, ports, security_groups, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.port_table import PortTable
from kilonova.ledger.routing.associations import Associations
from kilonova.ledger.routing.tables import floating_ips
from kilonova.ledger.security_groups import SecurityGroups
from kilonova.ledger.wired_ports import WiredPorts
from kilonova.model.ids import NetworkId, PortId, new_uuid
from kilonova.model.network import DEFAULT_GROUP, DEFAULT_QUOTAS, SERVER_OWNER
from kilonova.model.port import Address, Port
from kilonova.model.port_rules import new_mac
from kilonova.model.quota import UNLIMITED
from kilonova.model.server_address import ServerAddress


class PortOrder(Struct, frozen=True, kw_only=True):
    """One NIC that an order asks for. `security_groups` are names or ids; `fixed_ip` None lets the network choose."""

    project_id: str
    server_id: str
    network_id: str
    fixed_ip: str | None = None
    host: str
    security_groups: Sequence[str] = (DEFAULT_GROUP,)
    device_owner: str = "compute:nova"
    now: float


_mine = ports.alias("mine")
_twin = ports.alias("twin")
_most = (
    select(network_quotas.c.most)
    .where(network_quotas.c.project_id == bindparam("project"), network_quotas.c.resource == "port")
    .scalar_subquery()
)
_used = select(func.count()).select_from(ports).where(ports.c.project_id == bindparam("project")).scalar_subquery()
_SURVEY = select(
    networks.c.id,
    networks.c.name,
    networks.c.project_id,
    networks.c.shared,
    networks.c.external,
    networks.c.mtu,
    networks.c.port_security_enabled,
    exists().where(_twin.c.network_id == networks.c.id, _twin.c.mac_address == bindparam("mac")).label("mac_taken"),
    _most.label("most"),
    case((_most == UNLIMITED, 0), else_=_used).label("used"),
    select(security_groups.c.id)
    .where(security_groups.c.default_of == bindparam("project"))
    .scalar_subquery()
    .label("default_group"),
    select(func.count()).select_from(_mine).where(_mine.c.device_id == bindparam("server")).scalar_subquery().label("position"),
).where(networks.c.id == bindparam("network"))
"""Everything that must be known before a port is made, in one query."""
_FOR_AUTO = (
    select(networks.c.id, networks.c.name)
    .where(
        or_(networks.c.shared, and_(networks.c.project_id == bindparam("project"), not_(networks.c.external))),
        exists().where(subnets.c.network_id == networks.c.id),
    )
    .order_by(networks.c.created_at, networks.c.id)
)
_BY_ID = select(ports).where(ports.c.id == bindparam("port"))
_CHANGE = update(ports).values(revision_number=ports.c.revision_number + 1)
_MOVE = _CHANGE.where(ports.c.device_id == bindparam("server")).values(host=bindparam("on_host"), updated_at=bindparam("now"))
_UNBIND = _CHANGE.where(ports.c.id.in_(bindparam("ports", expanding=True))).values(
    device_id="", device_owner="", host="", status="DOWN", position=0
)
_SET_STATUS = _CHANGE.where(ports.c.device_id == bindparam("server"), ports.c.status != bindparam("becomes")).values(
    status=bindparam("becomes"), updated_at=bindparam("now")
)


class ServerPorts:
    def __init__(self, connection: Connection, groups: SecurityGroups, tags: Tags, associations: Associations) -> None:
        self._connection = connection
        self._groups = groups
        self._associations = associations
        self._wired = WiredPorts(connection)
        self._addresses = Addresses(connection)
        self._table = PortTable(connection, tags)

    def networks_for_auto(self, project_id: str) -> list[tuple[str, str]]:
        """(id, name) of the networks a server of this project may be put on unasked, oldest first."""
        return [(row.id, row.name) for row in self._connection.execute(_FOR_AUTO, {"project": project_id})]

    def make(self, order: PortOrder) -> Port:
        """A new port, its addresses fixed. Raises NotFound, BadRequest, Forbidden, Conflict, NoMoreAddresses, QuotaExceeded."""
        mac, seen = self._survey(order)
        groups = self._groups_for(order, seen)
        port_id = new_uuid()
        self._table.insert(_new_row(order, port_id, mac, seen))
        chosen = self._choose(order, mac)
        self._addresses.record(port_id, chosen)
        self._table.set_groups(port_id, groups, fresh=True)
        addresses = tuple(state.address(ip) for state, ip in chosen)
        return _build_port(port_id, mac, seen, addresses, tuple(groups))

    def bind(self, *, port_id: str, project_id: str | None, server_id: str, host: str, now: float) -> Port:
        """A user's own port becomes this server's; `project_id` None is an admin. Raises NotFound, BadRequest, Conflict."""
        row = self._connection.execute(_BY_ID, {"port": port_id}).first()
        if row is None or (project_id is not None and row.project_id != project_id):
            raise NotFound(f"Port {port_id} could not be found.", kind="PortNotFound")
        if row.device_id and row.device_id != server_id:
            raise Conflict(f"Port {port_id} is still in use.", kind="PortInUse")
        port = self._wired.one(port_id)
        if port is None or not port.addresses:
            raise BadRequest(f"Port {port_id} requires a FixedIP in order to be used.", kind="PortRequiresFixedIP")
        position = select(func.count()).select_from(_mine).where(_mine.c.device_id == server_id).scalar_subquery()
        values = {"device_id": server_id, "device_owner": "compute:nova", "host": host, "updated_at": now}
        if row.device_id != server_id:
            values["position"] = position
        self._connection.execute(
            update(ports).where(ports.c.id == port_id).values(**values, revision_number=ports.c.revision_number + 1)
        )
        return port

    def move(self, server_id: str, host: str, now: float) -> None:
        """The server was given another host; its addresses stay."""
        self._connection.execute(_MOVE, {"server": server_id, "on_host": host, "now": now})

    def release(self, server_id: str) -> None:
        """Ports the order made are gone, their addresses free; a user's own are only unbound. None there is no error."""
        self._release(self._connection.execute(_TO_RELEASE, {"server": server_id}).all())

    def release_one(self, server_id: str, port_id: str) -> None:
        """One of its ports; not the server's is no error."""
        rows = self._connection.execute(_TO_RELEASE, {"server": server_id}).all()
        self._release([row for row in rows if row.id == port_id])

    def _release(self, rows: Sequence[Any]) -> None:
        made = [row.id for row in rows if row.made_for_server]
        if made:
            if any(row.led_to for row in rows):
                self._associations.let_go(made)
            self._addresses.release(made)
            self._table.remove(made)
        if len(made) < len(rows):
            self._connection.execute(_UNBIND, {"ports": [row.id for row in rows]})

    def set_status(self, server_id: str, status: str, now: float) -> int:
        return self._connection.execute(_SET_STATUS, {"server": server_id, "becomes": status, "now": now}).rowcount

    def ports_of(self, server_id: str) -> tuple[Port, ...]:
        """The server's ports as a build needs them, in the order of its NICs."""
        return self._wired.of(server_id)

    def of_servers(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[ServerAddress]]:
        """Server id → its addresses in NIC order, each with the floating ones that lead to it; one without any is not in it."""
        found: dict[str, list[ServerAddress]] = {}
        for some in chunks(server_ids):
            for row in self._connection.execute(_OF_SERVERS, {"servers": list(some)}):
                own = ServerAddress(
                    network_name=row.network_name,
                    ip=row.ip_address,
                    version=6 if ":" in row.ip_address else 4,
                    mac=row.mac_address,
                    port_id=row.port_id,
                    network_id=row.network_id,
                )
                addresses = found.setdefault(row.device_id, [])
                addresses.append(own)
                if row.floating_ip_address is not None:
                    addresses.append(replace(own, ip=row.floating_ip_address, version=4, kind="floating"))
        return found

    def inventory(self) -> dict[str, tuple[str, ...]]:
        """Server id → its ports' ids, for the audit."""
        found: dict[str, tuple[str, ...]] = {}
        query = select(ports.c.device_id, ports.c.id).where(
            ports.c.device_owner.startswith(SERVER_OWNER), ports.c.device_id != ""
        )
        for server_id, port_id in self._connection.execute(query.order_by(ports.c.position)):
            found[server_id] = (*found.get(server_id, ()), port_id)
        return found

    def _survey(self, order: PortOrder) -> tuple[str, Row[Any]]:
        """A free MAC and the network, after every check that needs no address."""
        for _ in range(16):
            mac = new_mac()
            known = {"mac": mac, "project": order.project_id, "server": order.server_id, "network": order.network_id}
            seen = self._connection.execute(_SURVEY, known).first()
            if seen is None or not (seen.shared or seen.external or seen.project_id == order.project_id):
                raise NotFound(f"Network {order.network_id} could not be found.", kind="NetworkNotFound")
            if seen.external and not seen.shared and seen.project_id != order.project_id:
                raise Forbidden(f"It is not allowed to create an interface on external network {order.network_id}")
            most = DEFAULT_QUOTAS["port"] if seen.most is None else seen.most
            if most != UNLIMITED and seen.used >= most:
                raise QuotaExceeded("Maximum number of ports exceeded")
            if not seen.mac_taken:
                return mac, seen
        raise Conflict("No free MAC address was found; please try again.", kind="MacAddressGenerationFailure")

    def _groups_for(self, order: PortOrder, seen: Row[Any]) -> list[str]:
        if not seen.port_security_enabled:
            return []
        wanted = tuple(order.security_groups) or (DEFAULT_GROUP,)
        if wanted == (DEFAULT_GROUP,):
            return [seen.default_group or self._groups.make_default(order.project_id, order.now)]
        return self._groups.named(order.project_id, wanted, order.now)

    def _choose(self, order: PortOrder, mac: str) -> list[Choice]:
        states = self._addresses.states(order.network_id)
        if not states:
            raise BadRequest(
                f"Network {order.network_id} requires a subnet in order to boot instances on.", kind="NetworkRequiresSubnet"
            )
        if order.fixed_ip is not None:
            state = self._addresses.subnet_of(states, order.fixed_ip)
            return [(state, self._addresses.claim(state, order.fixed_ip))]
        chosen = self._addresses.choose(states, mac)
        if not chosen:
            raise NoMoreAddresses(
                f"No more IP addresses available on network {order.network_id}.", kind="IpAddressGenerationFailure"
            )
        return chosen


_TO_RELEASE = select(
    ports.c.id, ports.c.made_for_server, exists().where(floating_ips.c.port_id == ports.c.id).label("led_to")
).where(ports.c.device_id == bindparam("server"))
_OF_SERVERS = (
    select(
        ports.c.device_id,
        ports.c.id.label("port_id"),
        ports.c.mac_address,
        ports.c.network_id,
        networks.c.name.label("network_name"),
        port_addresses.c.ip_address,
        floating_ips.c.floating_ip_address,
    )
    .select_from(
        ports.join(port_addresses, port_addresses.c.port_id == ports.c.id)
        .join(networks, networks.c.id == ports.c.network_id)
        .outerjoin(
            floating_ips,
            and_(floating_ips.c.port_id == ports.c.id, floating_ips.c.fixed_ip_address == port_addresses.c.ip_address),
        )
    )
    .where(ports.c.device_id.in_(bindparam("servers", expanding=True)))
    .order_by(ports.c.device_id, ports.c.position, ports.c.created_at, port_addresses.c.position)
)


def _new_row(order: PortOrder, port_id: str, mac: str, seen: Row[Any]) -> dict[str, Any]:
    return {
        "id": port_id,
        "project_id": order.project_id,
        "network_id": order.network_id,
        "name": "",
        "description": "",
        "mac_address": mac,
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": order.server_id,
        "device_owner": order.device_owner,
        "host": order.host,
        "vnic_type": "normal",
        "profile": {},
        "port_security_enabled": seen.port_security_enabled,
        "allowed_address_pairs": [],
        "made_for_server": True,
        "position": seen.position,
        "created_at": order.now,
        "updated_at": order.now,
        "revision_number": 1,
    }


def _build_port(port_id: str, mac: str, network: Row[Any], addresses: tuple[Address, ...], groups: tuple[str, ...]) -> Port:
    return Port(
        id=PortId(port_id),
        network_id=NetworkId(network.id),
        network_name=network.name,
        mac=mac,
        addresses=addresses,
        mtu=network.mtu,
        port_security=network.port_security_enabled,
        external=network.external,
        groups=groups,
    )
