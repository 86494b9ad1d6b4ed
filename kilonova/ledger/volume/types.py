"""Volume types, who may use the private ones, and QoS specs. Every cloud has the type `__DEFAULT__`."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, bindparam, delete, false, insert, or_, select, true, update

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.paging import select_page
from kilonova.ledger.volume.tables import volume_qos_specs, volume_type_access, volume_types, volumes
from kilonova.model.caller import Caller
from kilonova.model.ids import new_uuid
from kilonova.model.page import Condition, Page
from kilonova.model.volume import DEFAULT_TYPE, QosSpecs, VolumeType

_c = volume_types.c
_BY_ID = select(volume_types).where(_c.id == bindparam("type_id"))
_DEFAULT = select(volume_types).where(_c.name == DEFAULT_TYPE)


class VolumeTypes:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def ensure_default(self, now: float) -> VolumeType:
        """The type of volumes for which none was asked; made when it is not there."""
        found = self._db.execute(_DEFAULT).first()
        if found is not None:
            return VolumeType(**found._mapping)
        made = VolumeType(id=new_uuid(), name=DEFAULT_TYPE, description="Default Volume Type", created_at=now)
        self.add(made)
        return made

    def get(self, type_id: str, caller: Caller | None = None) -> VolumeType:
        """Raises NotFound, also when it is not for this caller. `caller` None: whoever's."""
        query = _BY_ID if caller is None else _BY_ID.where(_visible(caller))
        row = self._db.execute(query, {"type_id": type_id}).first()
        if row is None:
            raise NotFound(f"Volume type {type_id[:64]} could not be found.")
        return VolumeType(**row._mapping)

    def named(self, name_or_id: str, caller: Caller | None = None) -> VolumeType:
        """By id, else by name. Raises NotFound."""
        query = select(volume_types).where(or_(_c.id == name_or_id, _c.name == name_or_id))
        row = self._db.execute(query if caller is None else query.where(_visible(caller))).first()
        if row is None:
            raise NotFound(f"Volume type with name {name_or_id[:255]} could not be found.")
        return VolumeType(**row._mapping)

    def find(self, where: Sequence[Condition], page: Page, caller: Caller, public: bool | None) -> Sequence[VolumeType]:
        """`public` None: also private ones. Raises BadRequest for a marker that is not there."""
        query = select(volume_types).where(_visible(caller))
        if public is not None:
            query = query.where(_c.is_public == (true() if public else false()))
        if page.limit == 0:
            return []
        return [VolumeType(**row._mapping) for row in select_page(self._db, volume_types, where, page, query)]

    def names(self) -> Mapping[str, str]:
        """Id → name of every type."""
        return {row.id: row.name for row in self._db.execute(select(_c.id, _c.name))}

    def add(self, made: VolumeType) -> None:
        """Raises Conflict when the name is taken."""
        self._refuse_taken(made)
        self._db.execute(insert(volume_types), structs.asdict(made))

    def replace(self, changed: VolumeType) -> None:
        self._refuse_taken(changed)
        self._db.execute(update(volume_types).where(_c.id == changed.id).values(structs.asdict(changed)))

    def remove(self, type_id: str) -> None:
        """Raises BadRequest while there are volumes of it, and for the default type."""
        found = self.get(type_id)
        if found.name == DEFAULT_TYPE:
            raise BadRequest(f"Volume type {type_id} is the default type and cannot be deleted.")
        if self._db.execute(select(volumes.c.id).where(volumes.c.volume_type_id == type_id).limit(1)).first():
            raise BadRequest(
                f"Target volume type is still in use: Volume type {type_id} deletion is not allowed with volumes present."
            )
        self._db.execute(delete(volume_types).where(_c.id == type_id))

    def projects(self, type_id: str) -> Sequence[str]:
        """Who may use a private type."""
        query = select(volume_type_access.c.project_id).where(volume_type_access.c.volume_type_id == type_id)
        return self._db.execute(query.order_by(volume_type_access.c.project_id)).scalars().all()

    def allow(self, type_id: str, project_id: str) -> None:
        """Raises Conflict when it is so already."""
        if project_id in self.projects(type_id):
            raise Conflict(f"Volume type access for {type_id} / {project_id} combination already exists.")
        self._db.execute(insert(volume_type_access), {"volume_type_id": type_id, "project_id": project_id})

    def forbid(self, type_id: str, project_id: str) -> None:
        """Raises NotFound when it was not allowed."""
        one = (volume_type_access.c.volume_type_id == type_id) & (volume_type_access.c.project_id == project_id)
        if self._db.execute(delete(volume_type_access).where(one)).rowcount == 0:
            raise NotFound(f"Volume type access not found for {type_id} / {project_id} combination.")

    # QoS specs.

    def qos(self, qos_id: str) -> QosSpecs:
        row = self._db.execute(select(volume_qos_specs).where(volume_qos_specs.c.id == qos_id)).first()
        if row is None:
            raise NotFound(f"No such QoS spec {qos_id[:64]}.")
        return QosSpecs(**row._mapping)

    def all_qos(self, page: Page) -> Sequence[QosSpecs]:
        if page.limit == 0:
            return []
        return [QosSpecs(**row._mapping) for row in select_page(self._db, volume_qos_specs, (), page)]

    def add_qos(self, made: QosSpecs) -> None:
        """Raises Conflict when the name is taken."""
        taken = select(volume_qos_specs.c.id).where(volume_qos_specs.c.name == made.name)
        if self._db.execute(taken).first():
            raise Conflict(f"QoS Specs {made.name} already exists.")
        self._db.execute(insert(volume_qos_specs), structs.asdict(made))

    def replace_qos(self, changed: QosSpecs) -> None:
        one = volume_qos_specs.c.id == changed.id
        self._db.execute(update(volume_qos_specs).where(one).values(structs.asdict(changed)))

    def remove_qos(self, qos_id: str, force: bool) -> None:
        """Raises BadRequest while a type is associated, unless `force`."""
        self.qos(qos_id)
        if self.with_qos(qos_id) and not force:
            raise BadRequest(f"QoS Specs {qos_id} is still associated with entities.")
        self._db.execute(update(volume_types).where(_c.qos_specs_id == qos_id).values(qos_specs_id=None))
        self._db.execute(delete(volume_qos_specs).where(volume_qos_specs.c.id == qos_id))

    def with_qos(self, qos_id: str) -> Sequence[VolumeType]:
        rows = self._db.execute(select(volume_types).where(_c.qos_specs_id == qos_id).order_by(_c.name, _c.id))
        return [VolumeType(**row._mapping) for row in rows]

    def _refuse_taken(self, one: VolumeType) -> None:
        if self._db.execute(select(_c.id).where(_c.name == one.name, _c.id != one.id)).first():
            raise Conflict(f"Volume Type {one.name} already exists.")


def _visible(caller: Caller) -> ColumnElement[bool]:
    if caller.is_admin:
        return true()
    mine: Any = select(volume_type_access.c.volume_type_id).where(volume_type_access.c.project_id == caller.project_id)
    return or_(_c.is_public, _c.id.in_(mine))
