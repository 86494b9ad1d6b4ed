"""The networks themselves: own, shared, and leading out. Subnets and ports have files of their own."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from kilonova.errors import BadRequest, Conflict
from kilonova.ledger import network_listing
from kilonova.ledger.network_listing import Shelf, chunks
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_tables import networks, ports, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.ledger.routing.fabric import NETWORK, Fabric
from kilonova.ledger.routing.idle import IdleFloatingIps
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import DEFAULT_MTU, Listing, Network
from kilonova.model.network_rights import admin_only, owner, refuse_stranger
from kilonova.model.network_wish import NetworkChanges, NewNetwork
from kilonova.model.router import FLOATING_IP, ROUTER_GATEWAY


def _visible(caller: Caller) -> ColumnElement[bool]:
    return or_(networks.c.project_id == caller.project_id, networks.c.shared, networks.c.external)


_c = networks.c
SHELF = Shelf(
    noun="Network",
    table=networks,
    columns={
        "id": _c.id,
        "name": _c.name,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "admin_state_up": _c.admin_state_up,
        "status": _c.status,
        "shared": _c.shared,
        "router:external": _c.external,
        "is_default": _c.is_default,
        "mtu": _c.mtu,
        "port_security_enabled": _c.port_security_enabled,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
)


class NetworkRows:
    def __init__(self, connection: Connection, quotas: NetworkQuotas, tags: Tags, fabric: Fabric) -> None:
        self._connection = connection
        self._fabric = fabric
        self._loose = IdleFloatingIps(connection, tags)
        self._quotas = quotas
        self._tags = tags

    def get(self, thing_id: str, caller: Caller) -> Network:
        return self._read([self.row(thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[Network]:
        return self._read(network_listing.find(self._connection, SHELF, wanted, caller))

    def row(self, thing_id: str, caller: Caller) -> Row[Any]:
        """The bare row, for who only wants to know whether it is there and whose it is."""
        return network_listing.get(self._connection, SHELF, thing_id, caller)

    def row_of(self, network_id: str) -> Row[Any]:
        """The bare row of a network that something refers to, whoever asks."""
        return self._connection.execute(select(networks).where(networks.c.id == network_id)).one()

    def create(self, wish: NewNetwork, caller: Caller, now: float) -> Network:
        project_id = owner(wish.owner, caller)
        for attribute, said in (("shared", wish.shared), ("router:external", wish.external), ("is_default", wish.is_default)):
            if said:
                admin_only(caller, attribute)
        self._quotas.make_room("network", project_id)
        network_id = new_uuid()
        values = {
            "id": network_id,
            "project_id": project_id,
            "name": wish.name,
            "description": wish.description,
            "admin_state_up": wish.admin_state_up,
            "status": "ACTIVE",
            "shared": wish.shared,
            "external": wish.external,
            "is_default": wish.is_default,
            "mtu": _mtu(wish.mtu),
            "port_security_enabled": wish.port_security_enabled,
            "created_at": now,
            "updated_at": now,
            "revision_number": 1,
        }
        self._connection.execute(insert(networks), values)
        if wish.external:
            self._fabric.begun(NETWORK, network_id)
        if wish.tags is not UNSET:
            self._tags.replace(network_id, wish.tags)
        return self.get(network_id, caller)

    def change(self, thing_id: str, changes: NetworkChanges, caller: Caller, now: float) -> Network:
        row = self.row(thing_id, caller)
        refuse_stranger(row.project_id, caller)
        for attribute, said in (
            ("shared", changes.shared),
            ("router:external", changes.external),
            ("is_default", changes.is_default),
        ):
            if said is not UNSET:
                admin_only(caller, attribute)
        values = {name: value for name in changes.__struct_fields__ if (value := getattr(changes, name)) is not UNSET}
        if "mtu" in values:
            values["mtu"] = _mtu(values["mtu"])
        if values.get("shared") is False and row.shared:
            self._refuse_if_others_use(row)
        if values.get("external") is False and row.external:
            self._refuse_if_led_to(row)
        self._connection.execute(
            update(networks)
            .where(networks.c.id == thing_id)
            .values(**values, updated_at=now, revision_number=networks.c.revision_number + 1)
        )
        if values.get("external", row.external):
            self._fabric.changed(NETWORK, [thing_id])
        elif row.external:
            self._fabric.ended(NETWORK, [thing_id])
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        row = self.row(thing_id, caller)
        refuse_stranger(row.project_id, caller)
        if row.external:
            self._loose.end_idle(thing_id)
        if self._connection.execute(select(ports.c.id).where(ports.c.network_id == thing_id).limit(1)).first():
            message = (
                f"Unable to complete operation on network {thing_id}. There are one or more ports still in use on the network."
            )
            raise Conflict(message, kind="NetworkInUse")
        mine = list(self._connection.execute(select(subnets.c.id).where(subnets.c.network_id == thing_id)).scalars())
        self._tags.forget([*mine, thing_id])
        self._connection.execute(delete(subnets).where(subnets.c.network_id == thing_id))
        self._connection.execute(delete(networks).where(networks.c.id == thing_id))
        if row.external:
            self._fabric.ended(NETWORK, [thing_id])

    def _refuse_if_others_use(self, row: Row[Any]) -> None:
        foreign = select(ports.c.id).where(ports.c.network_id == row.id, ports.c.project_id != row.project_id).limit(1)
        if self._connection.execute(foreign).first():
            message = f"Unable to reconfigure sharing settings for network {row.id}. Multiple projects are using it."
            raise Conflict(message, kind="InvalidSharedSetting")

    def _refuse_if_led_to(self, row: Row[Any]) -> None:
        owned = ports.c.device_owner.in_((ROUTER_GATEWAY, FLOATING_IP))
        if self._connection.execute(select(ports.c.id).where(ports.c.network_id == row.id, owned).limit(1)).first():
            message = f"External network {row.id} cannot be updated to be made non-external, since it has existing gateway ports."
            raise Conflict(message, kind="ExternalNetworkInUse")

    def _read(self, rows: Sequence[Row[Any]]) -> list[Network]:
        ids = [row.id for row in rows]
        theirs: dict[str, list[str]] = {}
        for some in chunks(ids):
            query = (
                select(subnets.c.network_id, subnets.c.id).where(subnets.c.network_id.in_(some)).order_by(subnets.c.created_at)
            )
            for network_id, subnet_id in self._connection.execute(query):
                theirs.setdefault(network_id, []).append(subnet_id)
        tags = self._tags.of_many(ids)
        return [Network(**row._mapping, subnets=tuple(theirs.get(row.id, ())), tags=tags.get(row.id, ())) for row in rows]


def _mtu(wanted: int) -> int:
    """What the wire between two hosts carries is the most a network can have; IPv4 needs 68."""
    if wanted == 0:
        return DEFAULT_MTU
    if not 68 <= wanted <= DEFAULT_MTU:
        raise BadRequest(
            f"Invalid input for operation: Requested MTU {wanted} is not within 68 and {DEFAULT_MTU}.", kind="InvalidInput"
        )
    return wanted
