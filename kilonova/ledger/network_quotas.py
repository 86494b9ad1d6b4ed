"""How many networks, ports and so on a project may have, and has. Counted in the transaction that adds one, so it is exact."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select

from kilonova.errors import Conflict
from kilonova.ledger.network_tables import (
    network_quotas,
    networks,
    ports,
    security_group_rules,
    security_groups,
    subnetpools,
    subnets,
)
from kilonova.ledger.routing.tables import floating_ips, routers
from kilonova.model.network import DEFAULT_QUOTAS
from kilonova.model.quota import UNLIMITED

COUNTED: Mapping[str, Table] = {
    "network": networks,
    "subnet": subnets,
    "port": ports,
    "security_group": security_groups,
    "security_group_rule": security_group_rules,
    "router": routers,
    "floatingip": floating_ips,
    "subnetpool": subnetpools,
}

_LIMITS = select(network_quotas).where(network_quotas.c.project_id == bindparam("project"))
_COUNT = {
    resource: select(func.count()).select_from(table).where(table.c.project_id == bindparam("project"))
    for resource, table in COUNTED.items()
}
_USAGE = select(*(count.scalar_subquery().label(resource) for resource, count in _COUNT.items()))
_MOST = select(network_quotas.c.most).where(
    network_quotas.c.project_id == bindparam("project"), network_quotas.c.resource == bindparam("of")
)


class NetworkQuotas:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def limits(self, project_id: str) -> Mapping[str, int]:
        changed = self._connection.execute(_LIMITS, {"project": project_id})
        return {**DEFAULT_QUOTAS, **{row.resource: row.most for row in changed}}

    def usage(self, project_id: str) -> Mapping[str, int]:
        return dict(self._connection.execute(_USAGE, {"project": project_id}).one()._mapping)

    def change(self, project_id: str, changes: Mapping[str, int]) -> Mapping[str, int]:
        mine = (network_quotas.c.project_id == project_id) & network_quotas.c.resource.in_(list(changes))
        self._connection.execute(delete(network_quotas).where(mine))
        rows = [{"project_id": project_id, "resource": resource, "most": most} for resource, most in changes.items()]
        if rows:
            self._connection.execute(insert(network_quotas), rows)
        return self.limits(project_id)

    def forget(self, project_id: str) -> bool:
        gone = self._connection.execute(delete(network_quotas).where(network_quotas.c.project_id == project_id))
        return gone.rowcount > 0

    def projects(self) -> Sequence[str]:
        query = select(network_quotas.c.project_id).distinct().order_by(network_quotas.c.project_id)
        return list(self._connection.execute(query).scalars())

    def make_room(self, resource: str, project_id: str, more: int = 1) -> None:
        """Raises Conflict when `more` of it would be too many."""
        most = self._connection.execute(_MOST, {"project": project_id, "of": resource}).scalar()
        if most is None:
            most = DEFAULT_QUOTAS[resource]
        if most == UNLIMITED:
            return
        if self._connection.execute(_COUNT[resource], {"project": project_id}).scalar_one() + more > most:
            raise Conflict(f"Quota exceeded for resources: ['{resource}'].", kind="OverQuota")
