"""A router's end on an external network: set, changed and taken away. Which of it a caller may say is checked here too."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, Row, select, update

from kilonova.errors import BadRequest, Conflict
from kilonova.ledger.network_rows import NetworkRows
from kilonova.ledger.network_tables import subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.associations import external_network
from kilonova.ledger.routing.fabric import NETWORK, Fabric
from kilonova.ledger.routing.own_ports import NewOwnPort, OwnPorts
from kilonova.ledger.routing.reach import reached
from kilonova.ledger.routing.tables import floating_ips, routers
from kilonova.model.caller import Caller
from kilonova.model.network_rights import admin_only
from kilonova.model.network_wish import FixedIpWish
from kilonova.model.router import ROUTER_GATEWAY, ROUTER_INTERFACE
from kilonova.model.router_rules import refuse_clash
from kilonova.model.router_wish import GatewayWish


class Gateways:
    def __init__(self, connection: Connection, rows: NetworkRows, tags: Tags, fabric: Fabric) -> None:
        self._db = connection
        self._networks = rows
        self._fabric = fabric
        self._ports = OwnPorts(connection, tags)

    def set(self, router: Row[Any], wish: GatewayWish | None, caller: Caller, now: float) -> None:
        """As the wish says; None, or one that says nothing, takes it away. Raises BadRequest, Forbidden, NotFound, Conflict."""
        network_id = _network(wish)
        if wish is None or network_id is None:
            self._take_away(router)
            self._write(router.id, {"gateway_network_id": None, "gateway_port_id": None, "enable_snat": True})
            return
        network = self._networks.row(network_id, caller)
        external_network(self._db, network.id, "router")
        _refuse_what_admins_say(wish, caller)
        snat = True if wish.enable_snat is UNSET else wish.enable_snat
        if router.gateway_network_id == network.id:
            port_id = router.gateway_port_id
            if wish.external_fixed_ips is not UNSET and wish.external_fixed_ips:
                self._ports.set_addresses(port_id, network.id, wish.external_fixed_ips)
        else:
            self._take_away(router)
            port_id = self._make(router.id, network.id, wish.external_fixed_ips, now)
        self._refuse_clash(router.id, port_id)
        self._write(router.id, {"gateway_network_id": network.id, "gateway_port_id": port_id, "enable_snat": snat})

    def _make(self, router_id: str, network_id: str, wanted: list[FixedIpWish] | UnsetType | None, now: float) -> str:
        self._fabric.changed(NETWORK, [network_id])
        return self._ports.make(
            NewOwnPort(
                network_id=network_id,
                project_id="",
                device_id=router_id,
                device_owner=ROUTER_GATEWAY,
                fixed_ips=wanted or UNSET,
                now=now,
            )
        )

    def _refuse_clash(self, router_id: str, port_id: str) -> None:
        mine: Sequence[str] = [one.subnet_id for one in self._ports.addresses(port_id)]
        query = select(subnets.c.id, subnets.c.cidr).where(subnets.c.id.in_(mine))
        new = [(row.id, row.cidr) for row in self._db.execute(query)]
        refuse_clash(new, reached(self._db, router_id, (ROUTER_INTERFACE,)))

    def _take_away(self, router: Row[Any]) -> None:
        if router.gateway_port_id is None:
            return
        used = select(floating_ips.c.id).where(floating_ips.c.router_id == router.id).limit(1)
        if self._db.execute(used).first():
            message = (
                f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
                f"{router.gateway_network_id} is required by one or more floating IPs."
            )
            raise Conflict(message, kind="RouterExternalGatewayInUseByFloatingIp")
        self._write(router.id, {"gateway_network_id": None, "gateway_port_id": None})
        self._ports.remove([router.gateway_port_id])
        self._fabric.changed(NETWORK, [router.gateway_network_id])

    def _write(self, router_id: str, values: dict[str, Any]) -> None:
        self._db.execute(update(routers).where(routers.c.id == router_id).values(**values))


def _network(wish: GatewayWish | None) -> str | None:
    """The network asked for. Raises BadRequest when only its details are."""
    if wish is None:
        return None
    if wish.network_id is UNSET or wish.network_id is None:
        if wish.enable_snat is not UNSET or wish.external_fixed_ips is not UNSET:
            message = "Invalid input for external_gateway_info. Reason: 'network_id' is missing."
            raise BadRequest(message, kind="HTTPBadRequest")
        return None
    return wish.network_id


def _refuse_what_admins_say(wish: GatewayWish, caller: Caller) -> None:
    if wish.enable_snat is not UNSET:
        admin_only(caller, "external_gateway_info:enable_snat")
    if wish.external_fixed_ips is not UNSET and wish.external_fixed_ips:
        admin_only(caller, "external_gateway_info:external_fixed_ips")
