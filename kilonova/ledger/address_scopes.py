"""Address scopes, as rows: a name under which subnet pools keep out of each other's way."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from kilonova.errors import Conflict
from kilonova.ledger import network_listing
from kilonova.ledger.network_listing import Shelf
from kilonova.ledger.network_tables import address_scopes, subnetpools
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import Listing
from kilonova.model.network_rights import admin_only, owner, refuse_stranger
from kilonova.model.subnet_rules import invalid
from kilonova.model.subnetpool import AddressScope, AddressScopeChanges, NewAddressScope

_c = address_scopes.c


def _visible(caller: Caller) -> ColumnElement[bool]:
    return or_(_c.project_id == caller.project_id, _c.shared)


SHELF = Shelf(
    noun="AddressScope",
    table=address_scopes,
    columns={
        "id": _c.id,
        "name": _c.name,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "ip_version": _c.ip_version,
        "shared": _c.shared,
    },
    visible=_visible,
)


class AddressScopes:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, thing_id: str, caller: Caller) -> AddressScope:
        return _scope(network_listing.get(self._db, SHELF, thing_id, caller))

    def find(self, wanted: Listing, caller: Caller) -> Sequence[AddressScope]:
        return [_scope(row) for row in network_listing.find(self._db, SHELF, wanted, caller)]

    def create(self, wish: NewAddressScope, caller: Caller, now: float) -> AddressScope:
        project_id = owner(wish.owner, caller)
        if wish.ip_version not in (4, 6):
            raise invalid("ip_version", wish.ip_version, "is not in [4, 6]")
        if wish.shared:
            admin_only(caller, "shared")
        scope_id = new_uuid()
        values = {"id": scope_id, "project_id": project_id, "name": wish.name, "description": "", "revision_number": 0}
        more = {"ip_version": wish.ip_version, "shared": wish.shared, "created_at": now, "updated_at": now}
        self._db.execute(insert(address_scopes), {**values, **more})
        return self.get(scope_id, caller)

    def change(self, thing_id: str, changes: AddressScopeChanges, caller: Caller, now: float) -> AddressScope:
        scope = self.get(thing_id, caller)
        refuse_stranger(scope.project_id, caller)
        values: dict[str, Any] = {"updated_at": now}
        if changes.name is not UNSET:
            values["name"] = changes.name
        if changes.shared is not UNSET and changes.shared != scope.shared:
            admin_only(caller, "shared")
            if not changes.shared:
                why = f"Unable to update address scope {thing_id} : Shared address scope can't be unshared."
                raise Conflict(why, kind="AddressScopeUpdateError")
            values["shared"] = True
        self._db.execute(update(address_scopes).where(_c.id == thing_id).values(**values))
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        scope = self.get(thing_id, caller)
        refuse_stranger(scope.project_id, caller)
        used = select(subnetpools.c.id).where(subnetpools.c.address_scope_id == thing_id).limit(1)
        if self._db.execute(used).first():
            message = (
                f"Unable to complete operation on address scope {thing_id}. "
                "There are one or more subnet pools in use on the address scope"
            )
            raise Conflict(message, kind="AddressScopeInUse")
        self._db.execute(delete(address_scopes).where(_c.id == thing_id))


def _scope(row: Row[Any]) -> AddressScope:
    return AddressScope(**{name: row._mapping[name] for name in AddressScope.__struct_fields__})
