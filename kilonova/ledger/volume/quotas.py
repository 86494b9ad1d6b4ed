"""How much storage a project may have, and has: counted from the volumes and snapshots there are. Nothing to drift."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, literal, select, union_all

from kilonova.ledger.volume.tables import volume_quota_classes, volume_quotas, volume_snapshots, volume_types, volumes
from kilonova.model.quota import UNLIMITED
from kilonova.model.volume_quota import DEFAULT_VOLUME_QUOTAS, PER_TYPE, refuse_over, refuse_too_big

DEFAULT_CLASS = "default"

_TYPES = select(volume_types.c.name).order_by(volume_types.c.name)
_OF_CLASS = select(literal(1).label("rank"), volume_quota_classes.c.resource, volume_quota_classes.c.most).where(
    volume_quota_classes.c.class_name == bindparam("of_class")
)
_OF_PROJECT = union_all(
    _OF_CLASS,
    select(literal(2).label("rank"), volume_quotas.c.resource, volume_quotas.c.most).where(
        volume_quotas.c.project_id == bindparam("project")
    ),
).order_by("rank")
"""What was said of the project comes last."""
_VOLUMES = (
    select(volume_types.c.name, func.count(), func.sum(func.coalesce(volumes.c.wanted_size_gb, volumes.c.size_gb)))
    .join(volumes, volumes.c.volume_type_id == volume_types.c.id)
    .where(volumes.c.project_id == bindparam("project"))
    .group_by(volume_types.c.name)
)
_SNAPSHOTS = (
    select(volume_types.c.name, func.count(), func.sum(volume_snapshots.c.size_gb))
    .join(volumes, volumes.c.volume_type_id == volume_types.c.id)
    .join(volume_snapshots, volume_snapshots.c.volume_id == volumes.c.id)
    .where(volume_snapshots.c.project_id == bindparam("project"))
    .group_by(volume_types.c.name)
)


class VolumeQuotas:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def resources(self) -> tuple[str, ...]:
        """Every resource there is a limit for, those of each volume type too."""
        names = self._db.execute(_TYPES).scalars().all()
        return (*DEFAULT_VOLUME_QUOTAS, *(f"{kind}_{name}" for name in names for kind in PER_TYPE))

    def defaults(self, class_name: str = DEFAULT_CLASS) -> dict[str, int]:
        """What a project may have of whom nobody said anything."""
        return _limits(self.resources(), self._db.execute(_OF_CLASS, {"of_class": class_name}))

    def limits(self, project_id: str) -> dict[str, int]:
        return self._limits_of(project_id, self.resources())

    def usage(self, project_id: str) -> dict[str, int]:
        """Of every resource there is a limit for."""
        used = self._count(project_id)
        return {name: used[name] for name in self.resources()}

    def make_room(self, project_id: str, type_name: str, *, volumes: int = 0, snapshots: int = 0, gigabytes: int = 0) -> None:
        """Raises TooLarge when so much more would be too much."""
        more = {"volumes": volumes, "snapshots": snapshots, "gigabytes": gigabytes}
        whole = {**more, **{f"{kind}_{type_name}": amount for kind, amount in more.items()}}
        refuse_over(self._limits_of(project_id, whole), self._count(project_id), whole)

    def make_room_in_type(self, project_id: str, type_name: str, gigabytes: int) -> None:
        """The same for one volume that is already counted, and changes its type."""
        more = {f"volumes_{type_name}": 1, f"gigabytes_{type_name}": gigabytes}
        refuse_over(self._limits_of(project_id, more), self._count(project_id), more)

    def refuse_too_big(self, project_id: str, size_gb: int) -> None:
        """Raises TooLarge when one volume may not have this size."""
        refuse_too_big(self._limits_of(project_id, DEFAULT_VOLUME_QUOTAS), size_gb)

    def change(self, project_id: str, changes: Mapping[str, int]) -> None:
        mine = (volume_quotas.c.project_id == project_id) & volume_quotas.c.resource.in_(list(changes))
        self._db.execute(delete(volume_quotas).where(mine))
        rows = [{"project_id": project_id, "resource": name, "most": most} for name, most in changes.items()]
        if rows:
            self._db.execute(insert(volume_quotas), rows)

    def change_class(self, class_name: str, changes: Mapping[str, int]) -> None:
        c = volume_quota_classes.c
        self._db.execute(delete(volume_quota_classes).where((c.class_name == class_name) & c.resource.in_(list(changes))))
        rows = [{"class_name": class_name, "resource": name, "most": most} for name, most in changes.items()]
        if rows:
            self._db.execute(insert(volume_quota_classes), rows)

    def forget(self, project_id: str) -> None:
        self._db.execute(delete(volume_quotas).where(volume_quotas.c.project_id == project_id))

    def _limits_of(self, project_id: str, resources: Iterable[str]) -> dict[str, int]:
        return _limits(resources, self._db.execute(_OF_PROJECT, {"of_class": DEFAULT_CLASS, "project": project_id}))

    def _count(self, project_id: str) -> Counter[str]:
        """Resource → how much of it is used; what is not in it: nothing."""
        used: Counter[str] = Counter()
        for kind, query in (("volumes", _VOLUMES), ("snapshots", _SNAPSHOTS)):
            for type_name, count, gigabytes in self._db.execute(query, {"project": project_id}):
                for name, amount in ((kind, count), ("gigabytes", gigabytes)):
                    used[name] += amount
                    used[f"{name}_{type_name}"] += amount
        return used


def _limits(resources: Iterable[str], rows: Iterable[Row[Any]]) -> dict[str, int]:
    """`rows` are the limits that somebody set; of two for the same the later holds."""
    changes = {row.resource: row.most for row in rows}
    return {name: changes.get(name, DEFAULT_VOLUME_QUOTAS.get(name, UNLIMITED)) for name in resources}
