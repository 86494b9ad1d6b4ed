"""Floating IPs: an address of an external network, and the port it leads to. Which router it goes through: associations.py."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from kilonova.ledger import network_listing
from kilonova.ledger.network_listing import Shelf, chunks
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_rows import NetworkRows
from kilonova.ledger.network_tables import ports, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.associations import NOWHERE, Associations, Target, external_network
from kilonova.ledger.routing.fabric import ROUTER, Fabric
from kilonova.ledger.routing.own_ports import NewOwnPort, OwnPorts
from kilonova.ledger.routing.tables import floating_ips
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import Listing
from kilonova.model.network_rights import admin_only, owner, refuse_stranger
from kilonova.model.network_wish import FixedIpWish
from kilonova.model.router import FLOATING_IP, FloatingIp, PortDetails
from kilonova.model.router_rules import bad
from kilonova.model.router_wish import FloatingIpChanges, NewFloatingIp

_c = floating_ips.c


def _visible(caller: Caller) -> ColumnElement[bool]:
    return _c.project_id == caller.project_id


SHELF = Shelf(
    noun="FloatingIP",
    table=floating_ips,
    columns={
        "id": _c.id,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "floating_network_id": _c.floating_network_id,
        "floating_ip_address": _c.floating_ip_address,
        "port_id": _c.port_id,
        "fixed_ip_address": _c.fixed_ip_address,
        "router_id": _c.router_id,
        "status": _c.status,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
)


class _Fresh(Struct, frozen=True):
    """A floating IP before its row is there, as associations ask for it."""

    id: str
    project_id: str
    floating_network_id: str
    floating_ip_address: str


class FloatingIps:
    def __init__(self, connection: Connection, rows: NetworkRows, quotas: NetworkQuotas, tags: Tags, fabric: Fabric) -> None:
        self._db = connection
        self._networks = rows
        self._quotas = quotas
        self._tags = tags
        self._fabric = fabric
        self._ports = OwnPorts(connection, tags)
        self._associations = Associations(connection, fabric)

    def get(self, thing_id: str, caller: Caller) -> FloatingIp:
        return self._read([network_listing.get(self._db, SHELF, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[FloatingIp]:
        return self._read(network_listing.find(self._db, SHELF, wanted, caller))

    def create(self, wish: NewFloatingIp, caller: Caller, now: float) -> FloatingIp:
        project_id = owner(wish.owner, caller)
        network = self._networks.row(wish.floating_network_id, caller)
        external_network(self._db, network.id, "floatingip")
        if wish.floating_ip_address:
            admin_only(caller, "floating_ip_address")
        if wish.fixed_ip_address and not wish.port_id:
            raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
        self._quotas.make_room("floatingip", project_id)
        floating_id = new_uuid()
        own = self._own_port(floating_id, network.id, wish, now)
        held = self._ports.addresses(own)[0]
        if ":" in held.ip_address:
            raise bad("floatingip", f"{held.ip_address} is no IPv4 address, and floating IPs are")
        values: dict[str, Any] = {**NOWHERE}
        if wish.port_id:
            fresh = _Fresh(floating_id, project_id, network.id, held.ip_address)
            values = self._towards(fresh, Target(port_id=wish.port_id, fixed_ip=wish.fixed_ip_address), caller)
        times = {"created_at": now, "updated_at": now, "revision_number": 1}
        known = {"id": floating_id, "project_id": project_id, "name": "", "description": wish.description}
        place = {
            "floating_network_id": network.id,
            "floating_ip_address": held.ip_address,
            "floating_port_id": own,
        }
        self._db.execute(insert(floating_ips), {**values, **times, **known, **place})
        if wish.tags is not UNSET:
            self._tags.replace(floating_id, wish.tags)
        if values["router_id"]:
            self._fabric.changed(ROUTER, [values["router_id"]])
        return self.get(floating_id, caller)

    def change(self, thing_id: str, changes: FloatingIpChanges, caller: Caller, now: float) -> FloatingIp:
        row = network_listing.get(self._db, SHELF, thing_id, caller)
        refuse_stranger(row.project_id, caller)
        values: dict[str, Any] = {}
        if changes.description is not UNSET:
            values["description"] = changes.description
        values.update(self._led(row, changes, caller))
        renewed = values | {"updated_at": now, "revision_number": row.revision_number + 1}
        self._db.execute(update(floating_ips).where(_c.id == thing_id).values(**renewed))
        if "router_id" in values:
            self._fabric.changed(ROUTER, [one for one in (row.router_id, values["router_id"]) if one])
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        row = network_listing.get(self._db, SHELF, thing_id, caller)
        refuse_stranger(row.project_id, caller)
        self._tags.forget([thing_id])
        self._db.execute(delete(floating_ips).where(_c.id == thing_id))
        self._ports.remove([row.floating_port_id])
        if row.router_id:
            self._fabric.changed(ROUTER, [row.router_id])

    def _led(self, row: Row[Any], changes: FloatingIpChanges, caller: Caller) -> dict[str, Any]:
        """The columns of where it leads now, empty when that stays."""
        fixed = None if changes.fixed_ip_address is UNSET else changes.fixed_ip_address
        if changes.port_id is UNSET:
            if fixed and not row.port_id:
                raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
            if fixed is None:
                return {}
            return self._towards(row, Target(port_id=row.port_id, fixed_ip=fixed), caller)
        if not changes.port_id:
            if fixed:
                raise bad("floatingip", "fixed_ip_address cannot be specified without a port_id")
            return dict(NOWHERE)
        values = self._towards(row, Target(port_id=changes.port_id, fixed_ip=fixed), caller)
        if (values["port_id"], values["fixed_ip_address"], values["router_id"]) == (
            row.port_id,
            row.fixed_ip_address,
            row.router_id,
        ):
            return {}
        return values

    def _towards(self, floating: Any, target: Target, caller: Caller) -> dict[str, Any]:
        return self._associations.columns(floating, target, foreign=caller.is_admin)

    def _own_port(self, floating_id: str, network_id: str, wish: NewFloatingIp, now: float) -> str:
        """The port that holds the address."""
        here = select(subnets.c.id).where(subnets.c.network_id == network_id, subnets.c.ip_version == 4)
        known = list(self._db.execute(here.order_by(subnets.c.created_at, subnets.c.id)).scalars())
        if not known:
            raise bad("floatingip", f"Network {network_id} does not contain any IPv4 subnet")
        asked = FixedIpWish(subnet_id=wish.subnet_id, ip_address=wish.floating_ip_address)
        if wish.subnet_id is None and wish.floating_ip_address is None:
            asked = FixedIpWish(subnet_id=self._roomy(known))
        return self._ports.make(
            NewOwnPort(
                network_id=network_id,
                project_id="",
                device_id=floating_id,
                device_owner=FLOATING_IP,
                fixed_ips=[asked],
                now=now,
            )
        )

    def _roomy(self, subnet_ids: Sequence[str]) -> str:
        """The first subnet that has an address left; the last when none has, so that it says so."""
        for subnet_id in subnet_ids[:-1]:
            if self._ports.has_room(subnet_id):
                return subnet_id
        return subnet_ids[-1]

    def _read(self, rows: Sequence[Row[Any]]) -> list[FloatingIp]:
        ids = [row.id for row in rows]
        details: dict[str, PortDetails] = {}
        for some in chunks([row.port_id for row in rows if row.port_id]):
            columns = [ports.c[name] for name in PortDetails.__struct_fields__]
            for row in self._db.execute(select(ports.c.id, *columns).where(ports.c.id.in_(some))):
                details[row.id] = PortDetails(**{name: row._mapping[name] for name in PortDetails.__struct_fields__})
        tags = self._tags.of_many(ids)
        return [_floating(row, details.get(row.port_id or ""), tags.get(row.id, ())) for row in rows]


def _floating(row: Row[Any], details: PortDetails | None, tags: tuple[str, ...]) -> FloatingIp:
    values = {name: value for name, value in row._mapping.items() if name not in ("name", "floating_port_id")}
    return FloatingIp(**values, port_details=details, tags=tags)
