"""Everything of one transaction that has to do with networks: a book for each noun, and what a server's build asks for.

This file holds no query; each noun's are in the file of its name.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from sqlalchemy import Connection, select

from kilonova.ledger.address_scopes import AddressScopes
from kilonova.ledger.ip_availability import IpAvailability
from kilonova.ledger.network_agents import Agents
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_rows import NetworkRows
from kilonova.ledger.network_tables import networks
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.ports import Ports
from kilonova.ledger.routing.associations import Associations
from kilonova.ledger.routing.fabric import Fabric
from kilonova.ledger.routing.floating import FloatingIps
from kilonova.ledger.routing.gateways import Gateways
from kilonova.ledger.routing.interfaces import Interfaces
from kilonova.ledger.routing.routers import Routers
from kilonova.ledger.security_groups import SecurityGroups, SecurityRules
from kilonova.ledger.server_ports import PortOrder, ServerPorts
from kilonova.ledger.subnetpools import SubnetPools
from kilonova.ledger.subnets import Subnets
from kilonova.model.caller import Caller
from kilonova.model.network import DEFAULT_GROUP
from kilonova.model.network_wish import NewNetwork, NewSubnet
from kilonova.model.port import Port
from kilonova.model.server_address import ServerAddress


def _nobody() -> None:
    """For readers: they give no order."""


class Networks:
    def __init__(self, connection: Connection, ordered: Callable[[], None] = _nobody) -> None:
        self._connection = connection
        self._ordered = ordered

    @cached_property
    def fabric(self) -> Fabric:
        return Fabric(self._connection, self._ordered)

    @cached_property
    def routers(self) -> Routers:
        gateways = Gateways(self._connection, self.networks, self.tags, self.fabric)
        return Routers(self._connection, gateways, self.quotas, self.tags, self.fabric)

    @cached_property
    def interfaces(self) -> Interfaces:
        return Interfaces(self._connection, self.routers, self.subnets, self.ports, self.fabric)

    @cached_property
    def floating_ips(self) -> FloatingIps:
        return FloatingIps(self._connection, self.networks, self.quotas, self.tags, self.fabric)

    @cached_property
    def tags(self) -> Tags:
        return Tags(self._connection)

    @cached_property
    def quotas(self) -> NetworkQuotas:
        return NetworkQuotas(self._connection)

    @cached_property
    def networks(self) -> NetworkRows:
        return NetworkRows(self._connection, self.quotas, self.tags, self.fabric)

    @cached_property
    def subnets(self) -> Subnets:
        return Subnets(self._connection, self.networks, self.subnetpools, self.quotas, self.tags, self.fabric)

    @cached_property
    def address_scopes(self) -> AddressScopes:
        return AddressScopes(self._connection)

    @cached_property
    def subnetpools(self) -> SubnetPools:
        return SubnetPools(self._connection, self.address_scopes, self.quotas, self.tags)

    @cached_property
    def ports(self) -> Ports:
        return Ports(self._connection, self.networks, self.groups, self.quotas, self.tags, self.fabric)

    @cached_property
    def groups(self) -> SecurityGroups:
        return SecurityGroups(self._connection, self.quotas, self.tags, self.fabric)

    @cached_property
    def rules(self) -> SecurityRules:
        return SecurityRules(self._connection, self.groups, self.quotas, self.fabric)

    @cached_property
    def availability(self) -> IpAvailability:
        return IpAvailability(self._connection)

    @cached_property
    def agents(self) -> Agents:
        return Agents(self._connection)

    @cached_property
    def server_ports(self) -> ServerPorts:
        return ServerPorts(self._connection, self.groups, self.tags, Associations(self._connection, self.fabric))

    def networks_for_auto(self, project_id: str) -> list[tuple[str, str]]:
        """(id, name) of the networks a server of this project may be put on unasked, oldest first."""
        return self.server_ports.networks_for_auto(project_id)

    def make_server_port(  # noqa: PLR0913 - one NIC of an order, spelled out where the order is written
        self,
        *,
        project_id: str,
        server_id: str,
        network_id: str,
        fixed_ip: str | None = None,
        host: str,
        security_groups: Sequence[str] = (DEFAULT_GROUP,),
        device_owner: str = "compute:nova",
        now: float,
    ) -> Port:
        """See `ServerPorts.make`."""
        order = PortOrder(
            project_id=project_id,
            server_id=server_id,
            network_id=network_id,
            fixed_ip=fixed_ip,
            host=host,
            security_groups=security_groups,
            device_owner=device_owner,
            now=now,
        )
        return self.server_ports.make(order)

    def bind_server_port(self, *, port_id: str, project_id: str | None, server_id: str, host: str, now: float) -> Port:
        """A user's own port becomes this server's; `project_id` None is an admin. Raises NotFound, BadRequest, Conflict."""
        return self.server_ports.bind(port_id=port_id, project_id=project_id, server_id=server_id, host=host, now=now)

    def move_server_ports(self, server_id: str, host: str, now: float) -> None:
        """The server was given another host; its addresses stay."""
        self.server_ports.move(server_id, host, now)

    def release_server_ports(self, server_id: str) -> None:
        """Ports the order made are gone, their addresses free; a user's own are only unbound. None there is no error."""
        self.server_ports.release(server_id)

    def release_server_port(self, server_id: str, port_id: str) -> None:
        """One of them; not the server's is no error."""
        self.server_ports.release_one(server_id, port_id)

    def set_server_ports_status(self, server_id: str, status: str, now: float) -> int:
        """`status` is ACTIVE, DOWN or BUILD. How many had another one."""
        return self.server_ports.set_status(server_id, status, now)

    def server_ports_of(self, server_id: str) -> tuple[Port, ...]:
        """The server's ports as a build needs them, in the order of its NICs."""
        return self.server_ports.ports_of(server_id)

    def ports_of_servers(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[ServerAddress]]:
        """Server id → its addresses in NIC order; a server without any is not in it."""
        return self.server_ports.of_servers(server_ids)

    def port_inventory(self) -> dict[str, tuple[str, ...]]:
        """Server id → its ports' ids, for the audit."""
        return self.server_ports.inventory()

    def ensure_default_network(self, *, project_id: str, name: str, cidr: str, now: float) -> str:
        """The id of the shared network that a new cloud begins with; made, with one subnet, when there is none of that name."""
        known = select(networks.c.id).where(networks.c.project_id == project_id, networks.c.name == name, networks.c.shared)
        network_id = self._connection.execute(known.order_by(networks.c.created_at).limit(1)).scalar()
        if network_id is not None:
            return str(network_id)
        admin = Caller(user_id="", user_name="", project_id=project_id, roles=frozenset({"admin"}))
        network = self.networks.create(NewNetwork(name=name, shared=True), admin, now)
        version = 6 if ":" in cidr else 4
        subnet = NewSubnet(network_id=network.id, name=f"{name}-subnet", cidr=cidr, ip_version=version)
        self.subnets.create(subnet, admin, now)
        return network.id
