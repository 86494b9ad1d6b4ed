"""Which floating IP leads to which port's address, through which router: made, and let go when either end goes."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, select, update

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import networks, port_addresses, ports, subnets
from kilonova.ledger.routing.fabric import ROUTER, Fabric
from kilonova.ledger.routing.tables import floating_ips, routers
from kilonova.model.network import FixedIp
from kilonova.model.router import ROUTER_INTERFACE
from kilonova.model.router_rules import Way, bad, inside_address, way_out

_f = floating_ips.c
NOWHERE = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}


class Target(Struct, frozen=True, kw_only=True):
    """Where a floating IP is to lead: `fixed_ip` None is the port's only IPv4 address."""

    port_id: str
    fixed_ip: str | None


class Associations:
    def __init__(self, connection: Connection, fabric: Fabric) -> None:
        self._db = connection
        self._fabric = fabric

    def columns(self, floating: Row[Any] | Any, target: Target, *, foreign: bool) -> dict[str, Any]:
        """A floating IP's columns when it leads there; `foreign` allows another project's port. Raises NotFound, BadRequest,
        Conflict."""
        port = self._db.execute(select(ports).where(ports.c.id == target.port_id)).first()
        if port is None:
            raise NotFound(f"Port {target.port_id} could not be found.", kind="PortNotFound")
        if port.project_id != floating.project_id and not foreign:
            why = f"Port {port.id} is associated with a different tenant than Floating IP {floating.id}"
            raise bad("floatingip", f"{why} and therefore cannot be bound")
        inside = inside_address(port.id, self._addresses(port.id), target.fixed_ip)
        router_id = self._router(floating.floating_network_id, port, inside)
        self._refuse_second(floating, port.id, inside.ip_address)
        return {"port_id": port.id, "fixed_ip_address": inside.ip_address, "router_id": router_id, "status": "DOWN"}

    def let_go(self, port_ids: Sequence[str]) -> None:
        """These ports end: no floating IP leads to them any more."""
        for some in chunks(port_ids):
            self._free(_f.port_id.in_(some))

    def let_go_of(self, port_id: str, ips: Sequence[str]) -> None:
        """A port gave these addresses back."""
        if ips:
            self._free((_f.port_id == port_id) & _f.fixed_ip_address.in_(ips))

    def through(self, router_id: str, subnet_id: str) -> bool:
        """Whether a floating IP leads through this router into this subnet."""
        inside = select(port_addresses.c.port_id).where(
            port_addresses.c.subnet_id == subnet_id,
            port_addresses.c.port_id == _f.port_id,
            port_addresses.c.ip_address == _f.fixed_ip_address,
        )
        query = select(_f.id).where(_f.router_id == router_id, inside.exists()).limit(1)
        return self._db.execute(query).first() is not None

    def _free(self, which: ColumnElement[bool]) -> None:
        routers_left = self._db.execute(select(_f.router_id).where(which).distinct()).scalars().all()
        if routers_left:
            self._db.execute(
                update(floating_ips).where(which).values(**NOWHERE, revision_number=floating_ips.c.revision_number + 1)
            )
            self._fabric.changed(ROUTER, [one for one in routers_left if one])

    def _addresses(self, port_id: str) -> list[FixedIp]:
        query = select(port_addresses).where(port_addresses.c.port_id == port_id).order_by(port_addresses.c.position)
        return [FixedIp(subnet_id=row.subnet_id, ip_address=row.ip_address) for row in self._db.execute(query)]

    def _router(self, external_id: str, port: Row[Any], inside: FixedIp) -> str:
        ends, held = ports.alias("ends"), port_addresses.alias("held")
        query = (
            select(routers.c.id, held.c.ip_address)
            .join_from(ends, routers, routers.c.id == ends.c.device_id)
            .join(held, held.c.port_id == ends.c.id)
            .where(
                ends.c.device_owner == ROUTER_INTERFACE,
                held.c.subnet_id == inside.subnet_id,
                routers.c.gateway_network_id == external_id,
            )
        )
        ways = [Way(router_id=row.id, ip=row.ip_address) for row in self._db.execute(query)]
        gateway = self._db.execute(select(subnets.c.gateway_ip).where(subnets.c.id == inside.subnet_id)).scalar()
        router_id = way_out(ways, gateway)
        if router_id is None:
            message = (
                f"External network {external_id} is not reachable from subnet {inside.subnet_id}. "
                f"Therefore, cannot associate Port {port.id} with a Floating IP."
            )
            raise NotFound(message, kind="ExternalGatewayForFloatingIPNotFound")
        return router_id

    def _refuse_second(self, floating: Any, port_id: str, ip: str) -> None:
        query = select(_f.id).where(
            _f.port_id == port_id,
            _f.fixed_ip_address == ip,
            _f.floating_network_id == floating.floating_network_id,
            _f.id != floating.id,
        )
        if self._db.execute(query).first():
            message = (
                f"Cannot associate floating IP {floating.floating_ip_address} ({floating.id}) with port {port_id} "
                f"using fixed IP {ip}, as that fixed IP already has a floating IP on external network "
                f"{floating.floating_network_id}."
            )
            raise Conflict(message, kind="FloatingIPPortAlreadyAssociated")


def external_network(connection: Connection, network_id: str, noun: str) -> Row[Any]:
    """The network that leads out. Raises NotFound, BadRequest for one that does not."""
    row = connection.execute(select(networks).where(networks.c.id == network_id)).first()
    if row is None:
        raise NotFound(f"Network {network_id[:64]} could not be found.", kind="NetworkNotFound")
    if not row.external:
        raise bad(noun, f"Network {network_id} is not a valid external network")
    return row
