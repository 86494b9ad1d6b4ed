"""Compute quotas: the limits somebody changed, and what is used, counted from the servers there are. Nothing to drift."""

from collections.abc import Mapping

from msgspec import structs
from sqlalchemy import Column, Connection, String, Table, Text, bindparam, delete, func, literal, select, union_all

from kilonova.errors import BadRequest
from kilonova.ledger.schema import Packed, metadata
from kilonova.ledger.servers import servers
from kilonova.model.quota import ComputeQuota, ComputeUsage

quota_classes = Table(
    "quota_classes", metadata, Column("name", String(255), primary_key=True), Column("changes", Packed, nullable=False)
)
"""Of the class ``default`` come the limits of projects that have none of their own."""

quotas = Table("quotas", metadata, Column("project_id", Text, primary_key=True), Column("changes", Packed, nullable=False))

user_quotas = Table(
    "user_quotas",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("user_id", String(64), primary_key=True),
    Column("changes", Packed, nullable=False),
)
"""What one user of a project may have of what the project may have."""

DEFAULT = "default"

_CLASS = select(quota_classes.c.changes).where(quota_classes.c.name == bindparam("class_name"))
_LIMITS = union_all(
    select(literal(1).label("rank"), quota_classes.c.changes).where(quota_classes.c.name == DEFAULT),
    select(literal(2).label("rank"), quotas.c.changes).where(quotas.c.project_id == bindparam("project")),
).order_by("rank")
_OF_USER = select(user_quotas.c.changes).where(
    user_quotas.c.project_id == bindparam("project"), user_quotas.c.user_id == bindparam("user")
)
_OWN = select(quotas.c.changes).where(quotas.c.project_id == bindparam("project"))
_USAGE = select(func.count(), func.sum(servers.c.vcpus), func.sum(servers.c.ram_mb)).where(
    servers.c.project_id == bindparam("project"), servers.c.deleted_at.is_(None)
)


class Quotas:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def limits(self, project_id: str) -> ComputeQuota:
        known: dict[str, int] = {}
        for row in self._db.execute(_LIMITS, {"project": project_id}):
            known |= row.changes
        return ComputeQuota(**known)

    def limits_of_user(self, project_id: str, user_id: str) -> ComputeQuota | None:
        """None when the user has no limits of its own; what nobody set is the project's."""
        own = self._db.execute(_OF_USER, {"project": project_id, "user": user_id}).scalar_one_or_none()
        return None if own is None else structs.replace(self.limits(project_id), **own)

    def change_of_user(self, project_id: str, user_id: str, changes: Mapping[str, int]) -> ComputeQuota:
        """Raises BadRequest for a limit there is none of."""
        _refuse_unknown(changes)
        old = self._db.execute(_OF_USER, {"project": project_id, "user": user_id}).scalar_one_or_none() or {}
        self.forget_user(project_id, user_id)
        self._db.execute(user_quotas.insert().values(project_id=project_id, user_id=user_id, changes={**old, **changes}))
        return structs.replace(self.limits(project_id), **{**old, **changes})

    def forget_user(self, project_id: str, user_id: str) -> None:
        mine = (user_quotas.c.project_id == project_id) & (user_quotas.c.user_id == user_id)
        self._db.execute(delete(user_quotas).where(mine))

    def usage(self, project_id: str, user_id: str | None = None) -> ComputeUsage:
        """Of the whole project, or of one user in it."""
        query = _USAGE if user_id is None else _USAGE.where(servers.c.user_id == user_id)
        count, cores, ram = self._db.execute(query, {"project": project_id}).one()
        return ComputeUsage(instances=count, cores=cores or 0, ram=ram or 0)

    def change(self, project_id: str, changes: Mapping[str, int]) -> ComputeQuota:
        """Raises BadRequest for a limit there is none of."""
        _refuse_unknown(changes)
        own = self._db.execute(_OWN, {"project": project_id}).scalar_one_or_none() or {}
        self._db.execute(delete(quotas).where(quotas.c.project_id == project_id))
        self._db.execute(quotas.insert().values(project_id=project_id, changes={**own, **changes}))
        return self.limits(project_id)

    def of_class(self, name: str) -> ComputeQuota:
        """The limits of a class; those that nobody set are the program's own."""
        return ComputeQuota(**(self._db.execute(_CLASS, {"class_name": name}).scalar_one_or_none() or {}))

    def change_class(self, name: str, changes: Mapping[str, int]) -> ComputeQuota:
        """Raises BadRequest for a limit there is none of."""
        _refuse_unknown(changes)
        old = self._db.execute(_CLASS, {"class_name": name}).scalar_one_or_none() or {}
        self._db.execute(delete(quota_classes).where(quota_classes.c.name == name))
        self._db.execute(quota_classes.insert().values(name=name, changes={**old, **changes}))
        return self.of_class(name)

    def forget(self, project_id: str) -> None:
        """Back to the defaults; so do its users."""
        self._db.execute(delete(quotas).where(quotas.c.project_id == project_id))
        self._db.execute(delete(user_quotas).where(user_quotas.c.project_id == project_id))


def _refuse_unknown(changes: Mapping[str, int]) -> None:
    unknown = set(changes) - set(ComputeQuota.__struct_fields__)
    if unknown:
        raise BadRequest(f"Unknown quota: {', '.join(sorted(unknown))}")
