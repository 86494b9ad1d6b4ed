"""Subnet pools as rows, and the prefix a new subnet gets from one. The choice itself is in model/subnetpool.py."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from msgspec import UNSET
from sqlalchemy import ColumnElement, Connection, Row, delete, insert, or_, select, update

from kilonova.errors import BadRequest, Conflict
from kilonova.ledger import network_listing
from kilonova.ledger.address_scopes import AddressScopes
from kilonova.ledger.network_listing import Shelf
from kilonova.ledger.network_quotas import NetworkQuotas
from kilonova.ledger.network_tables import subnetpools, subnets
from kilonova.ledger.network_tags import Tags
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.network import Listing
from kilonova.model.network_rights import admin_only, owner, refuse_stranger
from kilonova.model.subnet_rules import Net, invalid_input
from kilonova.model.subnetpool import (
    NewSubnetPool,
    SubnetPool,
    SubnetPoolChanges,
    lengths,
    next_prefix,
    overlapping,
    pool_prefixes,
    refuse_length,
    refuse_outside,
    refuse_over_quota,
    refuse_shrinking,
)

_c = subnetpools.c


def _visible(caller: Caller) -> ColumnElement[bool]:
    return or_(_c.project_id == caller.project_id, _c.shared)


SHELF = Shelf(
    noun="SubnetPool",
    table=subnetpools,
    columns={
        "id": _c.id,
        "name": _c.name,
        "description": _c.description,
        "project_id": _c.project_id,
        "tenant_id": _c.project_id,
        "ip_version": _c.ip_version,
        "min_prefixlen": _c.min_prefixlen,
        "max_prefixlen": _c.max_prefixlen,
        "default_prefixlen": _c.default_prefixlen,
        "default_quota": _c.default_quota,
        "shared": _c.shared,
        "is_default": _c.is_default,
        "address_scope_id": _c.address_scope_id,
        "revision_number": _c.revision_number,
        "created_at": _c.created_at,
        "updated_at": _c.updated_at,
    },
    visible=_visible,
)


class SubnetPools:
    def __init__(self, connection: Connection, scopes: AddressScopes, quotas: NetworkQuotas, tags: Tags) -> None:
        self._db = connection
        self._scopes = scopes
        self._quotas = quotas
        self._tags = tags

    def get(self, thing_id: str, caller: Caller) -> SubnetPool:
        return self._read([network_listing.get(self._db, SHELF, thing_id, caller)])[0]

    def find(self, wanted: Listing, caller: Caller) -> Sequence[SubnetPool]:
        return self._read(network_listing.find(self._db, SHELF, wanted, caller))

    def create(self, wish: NewSubnetPool, caller: Caller, now: float) -> SubnetPool:
        project_id = owner(wish.owner, caller)
        for attribute, said in (("shared", wish.shared), ("is_default", wish.is_default)):
            if said:
                admin_only(caller, attribute)
        version, prefixes = pool_prefixes(wish.prefixes)
        bits = lengths(version, wish.min_prefixlen, wish.max_prefixlen, wish.default_prefixlen)
        if wish.is_default:
            self._refuse_second_default(version, "")
        self._refuse_in_scope("", wish.address_scope_id, version, prefixes, caller)
        self._quotas.make_room("subnetpool", project_id)
        pool_id = new_uuid()
        values = {
            "id": pool_id,
            "project_id": project_id,
            "name": wish.name,
            "description": wish.description,
            "ip_version": version,
            "prefixes": prefixes,
            "min_prefixlen": bits.least,
            "max_prefixlen": bits.most,
            "default_prefixlen": bits.usual,
            "default_quota": wish.default_quota,
            "shared": wish.shared,
            "is_default": wish.is_default,
            "address_scope_id": wish.address_scope_id,
            "created_at": now,
            "updated_at": now,
            "revision_number": 0,
        }
        self._db.execute(insert(subnetpools), values)
        if wish.tags is not UNSET:
            self._tags.replace(pool_id, wish.tags)
        return self.get(pool_id, caller)

    def change(self, thing_id: str, changes: SubnetPoolChanges, caller: Caller, now: float) -> SubnetPool:
        pool = self.get(thing_id, caller)
        refuse_stranger(pool.project_id, caller)
        names = changes.__struct_fields__
        values: dict[str, Any] = {name: said for name in names if (said := getattr(changes, name)) is not UNSET}
        if changes.is_default is not UNSET and changes.is_default != pool.is_default:
            admin_only(caller, "is_default")
            if changes.is_default:
                self._refuse_second_default(pool.ip_version, thing_id)
        if changes.prefixes is not UNSET:
            version, values["prefixes"] = pool_prefixes(changes.prefixes)
            if version != pool.ip_version:
                raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", kind="PrefixVersionMismatch")
            refuse_shrinking(pool.prefixes, values["prefixes"])
        three = ("min_prefixlen", "max_prefixlen", "default_prefixlen")
        lengths(pool.ip_version, *[values.get(name, getattr(pool, name)) for name in three])
        scope_id = values.get("address_scope_id", pool.address_scope_id)
        self._refuse_in_scope(thing_id, scope_id, pool.ip_version, values.get("prefixes", pool.prefixes), caller)
        renewed = values | {"updated_at": now, "revision_number": pool.revision_number + 1}
        self._db.execute(update(subnetpools).where(_c.id == thing_id).values(**renewed))
        return self.get(thing_id, caller)

    def remove(self, thing_id: str, caller: Caller) -> None:
        pool = self.get(thing_id, caller)
        refuse_stranger(pool.project_id, caller)
        if self._db.execute(select(subnets.c.id).where(subnets.c.subnetpool_id == thing_id).limit(1)).first():
            message = "Unable to delete subnet pool: Subnet pool has existing allocations."
            raise BadRequest(message, kind="SubnetPoolDeleteError")
        self._tags.forget([thing_id])
        self._db.execute(delete(subnetpools).where(_c.id == thing_id))

    def default_id(self, version: int, caller: Caller) -> str:
        """The default pool of this IP version. Raises BadRequest."""
        query = select(_c.id).where(_c.is_default, _c.ip_version == version)
        if not caller.is_admin:
            query = query.where(_visible(caller))
        known = self._db.execute(query.limit(1)).scalar()
        if known is None:
            message = f"Bad subnets request: No default subnetpool found for IPv{version}."
            raise BadRequest(message, kind="BadRequest")
        return str(known)

    def allot(self, pool: SubnetPool, project_id: str, bits: int | None, net: Net | None) -> str:
        """A free prefix: this one, or one of this length, or of the usual one. Raises BadRequest, Conflict."""
        here = select(subnets.c.cidr, subnets.c.project_id).where(subnets.c.subnetpool_id == pool.id)
        rows = self._db.execute(here).all()
        taken = [row.cidr for row in rows]
        length = net.prefixlen if net is not None else pool.default_prefixlen if bits is None else bits
        refuse_length(pool, length)
        if net is None:
            net = ip_network(next_prefix(pool, taken, length))
        else:
            refuse_outside(pool, taken, net)
        refuse_over_quota(pool, [row.cidr for row in rows if row.project_id == project_id], net)
        return str(net)

    def _refuse_second_default(self, version: int, but: str) -> None:
        query = select(_c.id).where(_c.is_default, _c.ip_version == version, _c.id != but).limit(1)
        if self._db.execute(query).first():
            raise invalid_input(
                "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
            )

    def _refuse_in_scope(self, pool_id: str, scope_id: str | None, version: int, prefixes: Sequence[str], caller: Caller) -> None:
        if scope_id is None:
            return
        if self._scopes.get(scope_id, caller).ip_version != version:
            message = (
                f"Illegal subnetpool association: subnetpool {pool_id} cannot associate with address scope {scope_id} "
                f"because subnetpool ip_version is not {10 - version}."
            )
            raise BadRequest(message, kind="IllegalSubnetPoolIpVersionAssociation")
        others = select(_c.prefixes).where(_c.address_scope_id == scope_id, _c.id != pool_id)
        if any(overlapping(prefixes, theirs) for theirs in self._db.execute(others).scalars()):
            message = "Failed to associate address scope: subnetpools within an address scope must have unique prefixes."
            raise Conflict(message, kind="AddressScopePrefixConflict")

    def _read(self, rows: Sequence[Row[Any]]) -> list[SubnetPool]:
        tags = self._tags.of_many([row.id for row in rows])
        return [_pool(row, tags.get(row.id, ())) for row in rows]


def _pool(row: Row[Any], tags: tuple[str, ...]) -> SubnetPool:
    values = {**row._mapping, "prefixes": tuple(row.prefixes)}
    return SubnetPool(**values, tags=tags)
