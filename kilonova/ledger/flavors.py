"""The flavors and who may use the private ones. Knows nothing of servers: those carry their flavor as it was."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    Select,
    String,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    literal,
    or_,
    select,
    update,
)

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.patterns import matches
from kilonova.ledger.schema import Packed, metadata
from kilonova.model.caller import Caller
from kilonova.model.flavor import Flavor
from kilonova.model.flavor_filter import FlavorFilter
from kilonova.model.ids import FlavorId

flavors = Table(
    "flavors",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Column("ephemeral_gb", Integer, nullable=False),
    Column("swap_mb", Integer, nullable=False),
    Column("rxtx_factor", Float, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("description", String(65535)),
    Column("extra_specs", Packed, nullable=False),
    Column("created_at", Float, nullable=False),
)

flavor_access = Table(
    "flavor_access",
    metadata,
    Column("flavor_id", String(255), ForeignKey("flavors.id", ondelete="CASCADE"), primary_key=True),
    Column("project_id", String(64), primary_key=True),
)

_BY_ID = select(flavors).where(flavors.c.id == bindparam("flavor_id"))
_HAS_ACCESS = select(flavor_access.c.flavor_id).where(
    flavor_access.c.flavor_id == bindparam("flavor_id"), flavor_access.c.project_id == bindparam("project_id")
)


class Flavors:
    """The book of flavors in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, flavor_id: str, caller: Caller) -> Flavor:
        """By id. A private flavor that the caller's project has no access to is NotFound."""
        row = self._connection.execute(_BY_ID, {"flavor_id": flavor_id}).one_or_none()
        if row is None or not (row.is_public or caller.is_admin or self._has_access(flavor_id, caller.project_id)):
            raise NotFound(f"Flavor {flavor_id} could not be found.")
        return _flavor(row)

    def find(self, wanted: FlavorFilter) -> Sequence[Flavor]:
        """In the order asked for. Raises BadRequest for an unknown marker."""
        column = flavors.c[wanted.sort_key]
        query = _filtered(select(flavors), wanted)
        if wanted.marker is not None:
            mark = self._connection.execute(_BY_ID, {"flavor_id": wanted.marker}).one_or_none()
            if mark is None:
                raise BadRequest(f"marker [{wanted.marker}] not found")
            value = literal(mark._mapping[wanted.sort_key], column.type)  # a bare True or False cannot be compared
            beyond = column < value if wanted.descending else column > value
            after = flavors.c.id < mark.id if wanted.descending else flavors.c.id > mark.id
            query = query.where(or_(beyond, and_(column == value, after)))
        order = (column.desc(), flavors.c.id.desc()) if wanted.descending else (column.asc(), flavors.c.id.asc())
        if wanted.name is None:
            return [_flavor(row) for row in self._connection.execute(query.order_by(*order).limit(wanted.limit))]
        rows = (row for row in self._connection.execute(query.order_by(*order)) if matches(wanted.name, row.name))
        return [_flavor(row) for row in islice(rows, wanted.limit)]

    def empty(self) -> bool:
        """Whether there is no flavor at all."""
        return self._connection.execute(select(flavors.c.id).limit(1)).first() is None

    def create(self, flavor: Flavor, now: float) -> Flavor:
        """Raises Conflict when the id or the name is taken."""
        taken = self._connection.execute(
            select(flavors.c.id).where(or_(flavors.c.id == flavor.id, flavors.c.name == flavor.name)).limit(1)
        ).scalar_one_or_none()
        if taken is not None:
            what = f"ID {flavor.id}" if taken == flavor.id else f"name {flavor.name}"
            raise Conflict(f"Flavor with {what} already exists.")
        values = {name: getattr(flavor, name) for name in flavor.__struct_fields__}
        self._connection.execute(insert(flavors).values(**values, created_at=now))
        return flavor

    def describe(self, flavor_id: str, description: str | None) -> None:
        """Raises NotFound."""
        self._change(flavor_id, description=description)

    def set_extra_specs(self, flavor_id: str, extra_specs: Mapping[str, str]) -> None:
        """All of them at once: what is not in `extra_specs` goes. Raises NotFound."""
        self._change(flavor_id, extra_specs=dict(extra_specs))

    def delete(self, flavor_id: str) -> None:
        """Servers that were made with it are not touched. Raises NotFound."""
        self._connection.execute(delete(flavor_access).where(flavor_access.c.flavor_id == flavor_id))
        if self._connection.execute(delete(flavors).where(flavors.c.id == flavor_id)).rowcount == 0:
            raise NotFound(f"Flavor {flavor_id} could not be found.")

    def projects(self, flavor_id: str) -> Sequence[str]:
        """The projects that were given access to a private flavor."""
        query = (
            select(flavor_access.c.project_id).where(flavor_access.c.flavor_id == flavor_id).order_by(flavor_access.c.project_id)
        )
        return self._connection.execute(query).scalars().all()

    def give_access(self, flavor_id: str, project_id: str) -> None:
        """Raises Conflict when the project has it already."""
        if self._has_access(flavor_id, project_id):
            raise Conflict(f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination.")
        self._connection.execute(insert(flavor_access).values(flavor_id=flavor_id, project_id=project_id))

    def take_access(self, flavor_id: str, project_id: str) -> None:
        """Raises NotFound when the project has none."""
        gone = delete(flavor_access).where(flavor_access.c.flavor_id == flavor_id, flavor_access.c.project_id == project_id)
        if self._connection.execute(gone).rowcount == 0:
            raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")

    def _has_access(self, flavor_id: str, project_id: str) -> bool:
        found = self._connection.execute(_HAS_ACCESS, {"flavor_id": flavor_id, "project_id": project_id})
        return found.one_or_none() is not None

    def _change(self, flavor_id: str, **values: object) -> None:
        if self._connection.execute(update(flavors).where(flavors.c.id == flavor_id).values(**values)).rowcount == 0:
            raise NotFound(f"Flavor {flavor_id} could not be found.")


def _filtered(query: Select[Any], wanted: FlavorFilter) -> Select[Any]:
    if wanted.accessible_to is not None:
        mine = select(flavor_access.c.flavor_id).where(flavor_access.c.project_id == wanted.accessible_to)
        query = query.where(or_(flavors.c.is_public, flavors.c.id.in_(mine)))
    if wanted.is_public is not None:
        query = query.where(flavors.c.is_public == wanted.is_public)
    if wanted.min_disk_gb is not None:
        query = query.where(flavors.c.disk_gb >= wanted.min_disk_gb)
    if wanted.min_ram_mb is not None:
        query = query.where(flavors.c.ram_mb >= wanted.min_ram_mb)
    return query


def _flavor(row: Any) -> Flavor:
    return Flavor(
        id=FlavorId(row.id),
        name=row.name,
        vcpus=row.vcpus,
        ram_mb=row.ram_mb,
        disk_gb=row.disk_gb,
        ephemeral_gb=row.ephemeral_gb,
        swap_mb=row.swap_mb,
        rxtx_factor=row.rxtx_factor,
        is_public=row.is_public,
        description=row.description,
        extra_specs=row.extra_specs,
    )
