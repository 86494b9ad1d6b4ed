"""Compute quotas: the limits somebody changed, and what is used, counted from the servers there are. Nothing to drift."""

from collections.abc import Mapping

from msgspec import to_builtins
from sqlalchemy import Column, Connection, Table, Text, bindparam, delete, func, select

from kilonova.errors import BadRequest
from kilonova.ledger.schema import Packed, metadata
from kilonova.ledger.servers import servers
from kilonova.model.quota import ComputeQuota, ComputeUsage

quotas = Table("quotas", metadata, Column("project_id", Text, primary_key=True), Column("changes", Packed, nullable=False))

_LIMITS = select(quotas.c.changes).where(quotas.c.project_id == bindparam("project"))
_USAGE = select(func.count(), func.sum(servers.c.vcpus), func.sum(servers.c.ram_mb)).where(
    servers.c.project_id == bindparam("project"), servers.c.deleted_at.is_(None)
)


class Quotas:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def limits(self, project_id: str) -> ComputeQuota:
        changes = self._db.execute(_LIMITS, {"project": project_id}).scalar_one_or_none()
        return ComputeQuota(**changes) if changes else ComputeQuota()

    def usage(self, project_id: str) -> ComputeUsage:
        count, cores, ram = self._db.execute(_USAGE, {"project": project_id}).one()
        return ComputeUsage(instances=count, cores=cores or 0, ram=ram or 0)

    def change(self, project_id: str, changes: Mapping[str, int]) -> ComputeQuota:
        """Raises BadRequest for a limit there is none of."""
        unknown = set(changes) - set(ComputeQuota.__struct_fields__)
        if unknown:
            raise BadRequest(f"Unknown quota: {', '.join(sorted(unknown))}")
        merged = {**to_builtins(self.limits(project_id)), **changes}
        self.forget(project_id)
        self._db.execute(quotas.insert().values(project_id=project_id, changes=merged))
        return ComputeQuota(**merged)

    def forget(self, project_id: str) -> None:
        self._db.execute(delete(quotas).where(quotas.c.project_id == project_id))
