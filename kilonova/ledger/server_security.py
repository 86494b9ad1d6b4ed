"""Which security groups the ports of servers are in, by name. Changes nothing."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from kilonova.ledger.network_listing import chunks
from kilonova.ledger.network_tables import port_groups, ports, security_groups

_NAMES = (
    select(ports.c.device_id, security_groups.c.name)
    .join(port_groups, port_groups.c.port_id == ports.c.id)
    .join(security_groups, security_groups.c.id == port_groups.c.security_group_id)
    .order_by(ports.c.position, security_groups.c.name)
)


def security_groups_of(db: Connection, server_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Server id → the names of its groups, each once, first those of its first port."""
    found: dict[str, dict[str, None]] = {}
    for some in chunks(list(server_ids)):
        for row in db.execute(_NAMES.where(ports.c.device_id.in_(some))):
            found.setdefault(row.device_id, {})[row.name] = None
    return {server_id: list(names) for server_id, names in found.items()}
