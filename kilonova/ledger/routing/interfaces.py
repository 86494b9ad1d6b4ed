"""A router's ends on networks inside: added by subnet or port, removed by either. The rules are in model/router_rules.py."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.addresses import routes_of
from kilonova.ledger.network_tables import ports, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.ports import Ports
from kilonova.ledger.routing.associations import Associations
from kilonova.ledger.routing.fabric import ROUTER, Fabric
from kilonova.ledger.routing.own_ports import NewOwnPort, OwnPorts
from kilonova.ledger.routing.reach import reached
from kilonova.ledger.routing.routers import Routers
from kilonova.ledger.subnets import Subnets
from kilonova.model.caller import Caller
from kilonova.model.network import Subnet
from kilonova.model.network_wish import FixedIpWish
from kilonova.model.router import ROUTER_INTERFACE, Interface
from kilonova.model.router_rules import (
    Reached,
    bad,
    fit_as_router_port,
    fit_for_interface,
    refuse_clash,
    refuse_if_routed,
    refuse_second_v6,
)
from kilonova.model.router_wish import InterfaceWish


class Interfaces:
    def __init__(self, connection: Connection, routers: Routers, subnets: Subnets, ports: Ports, fabric: Fabric) -> None:
        self._db = connection
        self._routers = routers
        self._subnets = subnets
        self._ports = ports
        self._fabric = fabric
        self._own = OwnPorts(connection, Tags(connection))
        self._associations = Associations(connection, fabric)

    def add(self, router_id: str, wish: InterfaceWish, caller: Caller, now: float) -> Interface:
        """Raises BadRequest, NotFound, Forbidden, Conflict."""
        router = self._routers.own(router_id, caller)
        if wish.port_id and wish.subnet_id:
            raise bad("router", "Cannot specify both subnet-id and port-id")
        if wish.port_id:
            port_id, subnet_id = self._add_port(router, wish.port_id, caller, now)
        elif wish.subnet_id:
            port_id, subnet_id = self._add_subnet(router, self._subnets.get(wish.subnet_id, caller), now)
        else:
            raise bad("router", "Either subnet_id or port_id must be specified")
        self._fabric.changed(ROUTER, [router_id])
        return self._interface(router, port_id, subnet_id)

    def remove(self, router_id: str, wish: InterfaceWish, caller: Caller, now: float) -> Interface:
        """Raises BadRequest, NotFound, Forbidden, Conflict."""
        router = self._routers.own(router_id, caller)
        ends = reached(self._db, router_id, (ROUTER_INTERFACE,))
        if wish.port_id:
            gone = self._ends_of_port(router_id, wish, ends)
        elif wish.subnet_id:
            gone = [one for one in ends if one.subnet_id == wish.subnet_id][:1]
            if not gone:
                self._subnets.get(wish.subnet_id, caller)
                message = f"Router {router_id} has no interface on subnet {wish.subnet_id}"
                raise NotFound(message, kind="RouterInterfaceNotFoundForSubnet")
        else:
            raise bad("router", "Either subnet_id or port_id must be specified")
        self._refuse_if_needed(router, gone)
        shown = self._interface(router, gone[0].port_id, gone[0].subnet_id)
        rest = [one for one in ends if one.port_id == gone[0].port_id and one not in gone]
        if rest:
            self._own.drop_subnet(gone[0].port_id, gone[0].network_id, gone[0].subnet_id)
        else:
            self._own.remove([gone[0].port_id])
        self._fabric.changed(ROUTER, [router_id])
        return shown

    def _add_port(self, router: Row[Any], port_id: str, caller: Caller, now: float) -> tuple[str, str]:
        port = self._ports.get(port_id, caller)
        if port.device_id:
            message = (
                f"Unable to complete operation on port {port_id} for network {port.network_id}. "
                f"Port already has an attached device {port.device_id}."
            )
            raise Conflict(message, kind="PortInUse")
        fit_as_router_port(port.fixed_ips)
        ids = [one.subnet_id for one in port.fixed_ips]
        rows = self._db.execute(select(subnets.c.id, subnets.c.cidr).where(subnets.c.id.in_(ids))).all()
        have = reached(self._db, router.id)
        refuse_clash([(row.id, row.cidr) for row in rows], have)
        if any(":" in one.ip_address for one in port.fixed_ips):
            refuse_second_v6(port.network_id, have)
        values = {"device_id": router.id, "device_owner": ROUTER_INTERFACE, "status": "DOWN", "updated_at": now}
        renewed = {**values, "revision_number": ports.c.revision_number + 1}
        self._db.execute(update(ports).where(ports.c.id == port_id).values(**renewed))
        return port_id, port.fixed_ips[0].subnet_id

    def _add_subnet(self, router: Row[Any], subnet: Subnet, now: float) -> tuple[str, str]:
        gateway = fit_for_interface(subnet)
        have = reached(self._db, router.id)
        refuse_clash([(subnet.id, subnet.cidr)], have)
        wish = FixedIpWish(subnet_id=subnet.id, ip_address=gateway)
        if subnet.ip_version == 6:
            for end in have:  # IPv6 subnets of one network share a port
                if end.network_id == subnet.network_id and ":" in end.ip and self._is_inside(end.port_id):
                    self._own.add_address(end.port_id, subnet.network_id, wish)
                    return end.port_id, subnet.id
        port_id = self._own.make(
            NewOwnPort(
                network_id=subnet.network_id,
                project_id=router.project_id,
                device_id=router.id,
                device_owner=ROUTER_INTERFACE,
                fixed_ips=[wish],
                now=now,
            )
        )
        return port_id, subnet.id

    def _is_inside(self, port_id: str) -> bool:
        return self._db.execute(select(ports.c.device_owner).where(ports.c.id == port_id)).scalar() == ROUTER_INTERFACE

    def _ends_of_port(self, router_id: str, wish: InterfaceWish, ends: Sequence[Reached]) -> list[Reached]:
        gone = [one for one in ends if one.port_id == wish.port_id]
        if not gone:
            message = f"Router {router_id} does not have an interface with id {wish.port_id}"
            raise NotFound(message, kind="RouterInterfaceNotFound")
        if wish.subnet_id and wish.subnet_id not in {one.subnet_id for one in gone}:
            message = f"Subnet on port {wish.port_id} does not match the requested subnet {wish.subnet_id}."
            raise Conflict(message, kind="SubnetMismatchForPort")
        return gone

    def _refuse_if_needed(self, router: Row[Any], gone: Sequence[Reached]) -> None:
        routes = routes_of(router.routes)
        for end in gone:
            refuse_if_routed(router.id, end.subnet_id, end.cidr, routes)
            if self._associations.through(router.id, end.subnet_id):
                message = (
                    f"Router interface for subnet {end.subnet_id} on router {router.id} cannot be deleted, "
                    "as it is required by one or more floating IPs."
                )
                raise Conflict(message, kind="RouterInterfaceInUseByFloatingIP")

    def _interface(self, router: Row[Any], port_id: str, subnet_id: str) -> Interface:
        network_id = self._db.execute(select(ports.c.network_id).where(ports.c.id == port_id)).scalar_one()
        return Interface(
            id=router.id,
            project_id=router.project_id,
            port_id=port_id,
            network_id=str(network_id),
            subnet_id=subnet_id,
            subnet_ids=(subnet_id,),
        )
