"""The routers: made, shown, changed, ended; and their extra routes. Ends on networks are in interfaces.py and gateways.py."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from kilonova.errors import Conflict
from kilonova.ledger import network_listing
from kilonova.ledger.addresses import routes_of
from kilonova.ledger.network_listing import Shelf, chunks
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_tables import port_addresses, ports
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.fabric import ROUTER, Fabric
from kilonova.ledger.routing.gateways import Gateways
from kilonova.ledger.routing.reach import reached
from kilonova.ledger.routing.tables import fabric, routers
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import FixedIp, HostRoute, Listing
from kilonova.model.network_rights import owner, refuse_stranger
from kilonova.model.router import ROUTER_INTERFACE, Gateway, Router
from kilonova.model.router_rules import bad, extra_routes, refuse_kinds, zones
from kilonova.model.router_wish import NewRouter, RouterChanges

_c = routers.c


def _visible(caller: Caller) -> ColumnElement[bool]:
    return _c.project_id == caller.project_id


SHELF = Shelf(
    noun="Router",
    table=routers,
    columns={
        "id": _c.id,
        "name": _c.name,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "admin_state_up": _c.admin_state_up,
        "enable_snat": _c.enable_snat,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
)


class Routers:
    def __init__(self, connection: Connection, gateways: Gateways, quotas: NetworkQuotas, tags: Tags, fabric: Fabric) -> None:
        self._db = connection
        self._gateways = gateways
        self._quotas = quotas
        self._tags = tags
        self._fabric = fabric

    def get(self, thing_id: str, caller: Caller) -> Router:
        return self._read([network_listing.get(self._db, SHELF, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[Router]:
        return self._read(network_listing.find(self._db, SHELF, wanted, caller))

    def own(self, thing_id: str, caller: Caller) -> Row[Any]:
        """The row of a router the caller may change. Raises NotFound, Forbidden."""
        row = network_listing.get(self._db, SHELF, thing_id, caller)
        refuse_stranger(row.project_id, caller)
        return row

    def create(self, wish: NewRouter, caller: Caller, now: float) -> Router:
        project_id = owner(wish.owner, caller)
        refuse_kinds(wish.distributed, wish.ha, caller.is_admin)
        if wish.flavor_id:
            raise bad("router", f"Flavor {wish.flavor_id} could not be found")
        hints = zones(wish.availability_zone_hints)
        self._quotas.make_room("router", project_id)
        router_id = new_uuid()
        values = {
            "id": router_id,
            "project_id": project_id,
            "name": wish.name,
            "description": wish.description,
            "admin_state_up": wish.admin_state_up,
            "enable_snat": True,
            "gateway_network_id": None,
            "gateway_port_id": None,
            "routes": [],
            "availability_zone_hints": hints,
            "created_at": now,
            "updated_at": now,
            "revision_number": 1,
        }
        self._db.execute(insert(routers), values)
        if wish.external_gateway_info is not UNSET:
            row = self._db.execute(select(routers).where(_c.id == router_id)).one()
            self._gateways.set(row, wish.external_gateway_info, caller, now)
        if wish.tags is not UNSET:
            self._tags.replace(router_id, wish.tags)
        self._fabric.begun(ROUTER, router_id)
        return self.get(router_id, caller)

    def change(self, thing_id: str, changes: RouterChanges, caller: Caller, now: float) -> Router:
        row = self.own(thing_id, caller)
        refuse_kinds(changes.distributed, changes.ha, caller.is_admin)
        values: dict[str, Any] = {}
        for name in ("name", "description", "admin_state_up"):
            if (said := getattr(changes, name)) is not UNSET:
                values[name] = said
        if changes.external_gateway_info is not UNSET:
            self._gateways.set(row, changes.external_gateway_info, caller, now)
        if changes.routes is not UNSET:
            values["routes"] = self._routes(thing_id, changes.routes)
        self._write(thing_id, values, now)
        return self.get(thing_id, caller)

    def add_routes(self, thing_id: str, wanted: Sequence[HostRoute], caller: Caller, now: float) -> Router:
        """Beside those there are. Raises NotFound, Forbidden, BadRequest."""
        have = routes_of(self.own(thing_id, caller).routes)
        plain = extra_routes(thing_id, wanted, reached(self._db, thing_id))
        all_of_them = list(dict.fromkeys([*have, *plain]))
        self._write(thing_id, {"routes": self._routes(thing_id, all_of_them)}, now)
        return self.get(thing_id, caller)

    def remove_routes(self, thing_id: str, wanted: Sequence[HostRoute], caller: Caller, now: float) -> Router:
        """Those of them that are there. Raises NotFound, Forbidden."""
        have = routes_of(self.own(thing_id, caller).routes)
        kept = [route for route in have if route not in wanted]
        self._write(thing_id, {"routes": msgspec.to_builtins(kept)}, now)
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        row = self.own(thing_id, caller)
        ends = select(ports.c.id).where(ports.c.device_id == thing_id, ports.c.device_owner == ROUTER_INTERFACE).limit(1)
        if self._db.execute(ends).first():
            raise Conflict(f"Router {thing_id} still has ports", kind="RouterInUse")
        self._gateways.set(row, None, caller, row.updated_at)
        self._tags.forget([thing_id])
        self._db.execute(delete(routers).where(_c.id == thing_id))
        self._fabric.ended(ROUTER, [thing_id])

    def _routes(self, router_id: str, wanted: Sequence[HostRoute] | None) -> Any:
        return msgspec.to_builtins(extra_routes(router_id, wanted, reached(self._db, router_id)))

    def _write(self, router_id: str, values: dict[str, Any], now: float) -> None:
        renewed = {**values, "updated_at": now, "revision_number": _c.revision_number + 1}
        self._db.execute(update(routers).where(_c.id == router_id).values(**renewed))
        self._fabric.changed(ROUTER, [router_id])

    def _read(self, rows: Sequence[Row[Any]]) -> list[Router]:
        ids = [row.id for row in rows]
        outside: dict[str, list[FixedIp]] = {}
        for some in chunks([row.gateway_port_id for row in rows if row.gateway_port_id]):
            query = select(port_addresses).where(port_addresses.c.port_id.in_(some)).order_by(port_addresses.c.position)
            for row in self._db.execute(query):
                outside.setdefault(row.port_id, []).append(FixedIp(subnet_id=row.subnet_id, ip_address=row.ip_address))
        failed: set[str] = set()
        for some in chunks(ids):
            broken = select(fabric.c.id).where(fabric.c.kind == ROUTER, fabric.c.id.in_(some), fabric.c.refused.is_not(None))
            failed.update(self._db.execute(broken).scalars())
        tags = self._tags.of_many(ids)
        return [_router(row, outside.get(row.gateway_port_id, []), row.id in failed, tags.get(row.id, ())) for row in rows]


def _router(row: Row[Any], outside: Sequence[FixedIp], failed: bool, tags: tuple[str, ...]) -> Router:
    gateway = None
    if row.gateway_network_id:
        gateway = Gateway(network_id=row.gateway_network_id, enable_snat=row.enable_snat, external_fixed_ips=tuple(outside))
    return Router(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        admin_state_up=row.admin_state_up,
        status="ERROR" if failed else "ACTIVE",
        gateway=gateway,
        routes=routes_of(row.routes),
        availability_zone_hints=tuple(row.availability_zone_hints),
        tags=tags,
        created_at=row.created_at,
        updated_at=row.updated_at,
        revision_number=row.revision_number,
    )
