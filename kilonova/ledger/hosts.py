"""Hosts, what is claimed on them, and the nodes that serve them. Does not choose: that is the scheduler's."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    not_,
    select,
    update,
)

from kilonova.errors import Conflict, NotFound
from kilonova.ledger.schema import metadata
from kilonova.model.flavor import Flavor
from kilonova.model.guest import HostFacts
from kilonova.model.host import Host, Role
from kilonova.model.ids import NodeName, new_uuid

SILENT_AFTER_S = 60.0
"""A node that was not heard of for so long, while control listened, counts as down."""
LISTENS_S = 25.0
"""Control is known to listen for so long after its last heartbeat: until the next, and what that may be late by."""

nodes = Table(
    "nodes",
    metadata,
    Column("name", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("id", Text, nullable=False, unique=True),
    Column("last_seen", Float, nullable=False),
    Column("created_at", Float, nullable=False),
)

_CONTROL = nodes.alias("control")
_LISTENED = select(func.max(_CONTROL.c.last_seen) + LISTENS_S).where(_CONTROL.c.role == "control").scalar_subquery()
_NOW = bindparam("now", type_=Float)
_HEARD_UNTIL = case((_LISTENED < _NOW, _LISTENED), else_=_NOW)
"""``now``, or when control, which was away itself, last listened."""
IS_UP = nodes.c.last_seen > _HEARD_UNTIL - SILENT_AFTER_S
"""Of a node, at ``now``. While no control listens the silence of all others does not count: it says nothing of them."""

hosts = Table(
    "hosts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("service_id", Text, nullable=False, unique=True),
    Column("node", Text, ForeignKey("nodes.name"), nullable=False, index=True),
    Column("hypervisor_type", Text, nullable=False),
    Column("hypervisor_version", Integer, nullable=False),
    Column("host_ip", Text, nullable=False),
    Column("cpu_info", Text, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Column("vcpus_used", Integer, nullable=False, default=0),
    Column("ram_mb_used", Integer, nullable=False, default=0),
    Column("disk_gb_used", Integer, nullable=False, default=0),
    Column("servers", Integer, nullable=False, default=0),
    Column("availability_zone", Text, nullable=False),
    # What an aggregate says of the zone goes before what the node says: see ledger/aggregates.py.
    Column("aggregate_zone", Text),
    Column("forced_down", Boolean, nullable=False, server_default=false()),
    Column("enabled", Boolean, nullable=False, default=True),
    Column("disabled_reason", Text),
    Column("created_at", Float, nullable=False),
)

claims = Table(
    "claims",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("host", Text, ForeignKey("hosts.name"), nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("disk_gb", Integer, nullable=False),
    Index("ix_claims_host", "host"),
)

_ZONE = func.coalesce(hosts.c.aggregate_zone, hosts.c.availability_zone)
_ELSEWHERE: dict[str, Any] = {"last_seen": nodes.c.last_seen, "availability_zone": _ZONE}
_SNAPSHOT = (
    select(
        *(_ELSEWHERE[name] if name in _ELSEWHERE else hosts.c[name] for name in Host.__struct_fields__[:-1]),
        and_(IS_UP, not_(hosts.c.forced_down)).label("up"),
    )
    .join(nodes, nodes.c.name == hosts.c.node)
    .order_by(hosts.c.name)
)
"""Columns in the order of Host's fields."""
_USE = (
    update(hosts)
    .where(hosts.c.name == bindparam("on_host"))
    .values(
        vcpus_used=hosts.c.vcpus_used + bindparam("v"),
        ram_mb_used=hosts.c.ram_mb_used + bindparam("r"),
        disk_gb_used=hosts.c.disk_gb_used + bindparam("d"),
        servers=hosts.c.servers + bindparam("n"),
    )
)
_CLAIM = claims.insert()
_CLAIM_OF = select(claims).where(claims.c.server_id == bindparam("sid"))
_FREE = delete(claims).where(claims.c.server_id == bindparam("sid")).returning(claims)
_CLAIMS = select(claims.c.server_id, claims.c.host)
_HOST_IS_UP = (
    select(IS_UP)
    .select_from(nodes)
    .join(hosts, hosts.c.node == nodes.c.name)
    .where(hosts.c.name == bindparam("host"), not_(hosts.c.forced_down))
)
_NODES_OF = select(nodes.c.name).where(nodes.c.role == bindparam("role")).order_by(nodes.c.name)
_NODES = select(nodes.c.name, nodes.c.role)
_HEARD_OF = update(nodes).where(nodes.c.name == bindparam("node")).values(last_seen=bindparam("now"), role=bindparam("its_role"))
_WHEN_LISTENED = select(_HEARD_UNTIL)
_MISSED = (
    update(nodes)
    .where(nodes.c.role != "control", nodes.c.last_seen < bindparam("until"))
    .values(last_seen=nodes.c.last_seen + bindparam("missed"))
)
_NODE_OF = select(hosts.c.node).where(hosts.c.name == bindparam("host"))
_OF_NODE = select(hosts.c.name).where(hosts.c.node == bindparam("on_node"))
_MEASURED = update(hosts).where(hosts.c.name == bindparam("host"))
"""What else it is executed with are the columns it sets."""


class Hosts:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def snapshot(self, now: float) -> Sequence[Host]:
        rows: Sequence[Any] = self._db.execute(_SNAPSHOT, {"now": now}).all()
        return [Host(*row) for row in rows]

    def hosts(self) -> Sequence[Host]:
        return self.snapshot(time.time())

    def claim(self, host: str, server_id: str, flavor: Flavor) -> None:
        room = {"vcpus": flavor.vcpus, "ram_mb": flavor.ram_mb, "disk_gb": flavor.disk_gb + flavor.ephemeral_gb}
        self._db.execute(_CLAIM, {"server_id": server_id, "host": host, **room})
        self._db.execute(_USE, {"on_host": host, "v": room["vcpus"], "r": room["ram_mb"], "d": room["disk_gb"], "n": 1})

    def free(self, server_id: str) -> None:
        row = self._db.execute(_FREE, {"sid": server_id}).one_or_none()
        if row is None:
            return
        self._db.execute(_USE, {"on_host": row.host, "v": -row.vcpus, "r": -row.ram_mb, "d": -row.disk_gb, "n": -1})

    def has_claim(self, server_id: str) -> bool:
        return self._db.execute(_CLAIM_OF, {"sid": server_id}).one_or_none() is not None

    def claims(self) -> dict[str, str]:
        """Server id → host, for the audit."""
        return {row.server_id: row.host for row in self._db.execute(_CLAIMS)}

    def is_up(self, host: str, now: float) -> bool:
        return bool(self._db.execute(_HOST_IS_UP, {"host": host, "now": now}).scalar_one_or_none())

    def network_node(self, now: float) -> NodeName | None:
        return self._alive("network", now)

    def any_network_node(self) -> NodeName | None:
        row = self._db.execute(_NODES_OF, {"role": "network"}).first()
        return None if row is None else NodeName(row.name)

    def volume_node(self, now: float) -> NodeName | None:
        return self._alive("volume", now)

    def _alive(self, role: str, now: float) -> NodeName | None:
        """The first node of this role that was heard of lately."""
        name = self._db.execute(_NODES_OF.where(IS_UP), {"role": role, "now": now}).scalar()
        return None if name is None else NodeName(name)

    # What nodes tell.

    def heard_of(self, node: str, role: str, now: float) -> None:
        """A node said hello, or anything else."""
        if self._db.execute(_HEARD_OF, {"node": node, "its_role": role, "now": now}).rowcount == 0:
            self._db.execute(nodes.insert().values(name=node, role=role, id=new_uuid(), last_seen=now, created_at=now))

    def listens(self, control: str, now: float) -> None:
        """Control's heartbeat. If it comes late, control was away: how long the others were silent then does not count."""
        until = self._db.execute(_WHEN_LISTENED, {"now": now}).scalar_one()
        if until < now:
            self._db.execute(_MISSED, {"until": until, "missed": now - until})
        self.heard_of(control, "control", now)

    def node_of(self, host: str) -> str | None:
        return self._db.execute(_NODE_OF, {"host": host}).scalar_one_or_none()

    def of_node(self, node: str) -> Sequence[str]:
        return self._db.execute(_OF_NODE, {"on_node": node}).scalars().all()

    def nodes(self) -> Sequence[tuple[str, str]]:
        """(name, role) of every node there ever was."""
        return [(row.name, row.role) for row in self._db.execute(_NODES)]

    def measured(self, node: str, facts: HostFacts, now: float) -> None:
        """What a host can hold; a new host is enabled."""
        values: dict[str, Any] = {
            "node": node,
            "hypervisor_type": facts.hypervisor_type,
            "hypervisor_version": facts.hypervisor_version,
            "host_ip": facts.host_ip,
            "cpu_info": facts.cpu_info,
            "vcpus": facts.vcpus,
            "ram_mb": facts.ram_mb,
            "disk_gb": facts.disk_gb,
            "availability_zone": facts.availability_zone,
        }
        if self._db.execute(_MEASURED, {"host": facts.host, **values}).rowcount == 0:
            ids = {"id": new_uuid(), "service_id": new_uuid()}
            self._db.execute(hosts.insert().values(name=facts.host, created_at=now, **ids, **values))

    # What os-services shows.

    def roles(self) -> Sequence[Role]:
        """One line a host (nova-compute), one a network node, and control itself."""
        now = time.time()
        lines = [_role(row, "nova-compute", row.name) for row in self._db.execute(_compute_roles(), {"now": now})]
        of_role = select(nodes, IS_UP.label("up")).where(nodes.c.role.in_(("control", "network")))
        for row in self._db.execute(of_role, {"now": now}):
            up = now - row.last_seen < SILENT_AFTER_S if row.role == "control" else row.up
            binary = "nova-scheduler" if row.role == "control" else "kilonova-network"
            line = Role(id=row.id, binary=binary, host=row.name, zone="internal", enabled=True, up=up, updated_at=row.last_seen)
            lines.append(line)
        return lines

    def set_enabled(self, service_id: str, enabled: bool, reason: str | None) -> Role:
        changes = {"enabled": enabled, "disabled_reason": None if enabled else reason}
        if self._db.execute(update(hosts).where(hosts.c.service_id == service_id).values(changes)).rowcount == 0:
            raise NotFound(f"Service {service_id} could not be found.")
        return self._role_of(service_id)

    def set_forced_down(self, service_id: str, forced_down: bool) -> Role:
        """Whatever its node says, a host that was forced down counts as down."""
        changed = update(hosts).where(hosts.c.service_id == service_id).values(forced_down=forced_down)
        if self._db.execute(changed).rowcount == 0:
            raise NotFound(f"Service {service_id} could not be found.")
        return self._role_of(service_id)

    def forget(self, service_id: str, now: float) -> None:
        """A host that is gone for good. Raises NotFound; Conflict while it answers or has servers."""
        role = next((role for role in self.roles() if role.id == service_id and role.binary == "nova-compute"), None)
        if role is None:
            raise NotFound(f"Service {service_id} could not be found.")
        if self._db.execute(select(claims.c.server_id).where(claims.c.host == role.host).limit(1)).first() is not None:
            raise Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
        if self.is_up(role.host, now):
            raise Conflict("Unable to delete compute service that is up: its node would say hello again. Stop the node first.")
        self._db.execute(delete(hosts).where(hosts.c.service_id == service_id))

    def _role_of(self, service_id: str) -> Role:
        row = self._db.execute(_compute_roles().where(hosts.c.service_id == service_id), {"now": time.time()}).one()
        return _role(row, "nova-compute", row.name)


def _compute_roles() -> Any:
    columns = (hosts, nodes.c.last_seen, _ZONE.label("zone"), IS_UP.label("up"))
    return select(*columns).join(nodes, nodes.c.name == hosts.c.node).order_by(hosts.c.name)


def _role(row: Any, binary: str, host: str) -> Role:
    return Role(
        id=row.service_id,
        binary=binary,
        host=host,
        zone=row.zone,
        enabled=row.enabled,
        up=row.up and not row.forced_down,
        updated_at=row.last_seen,
        disabled_reason=row.disabled_reason,
        forced_down=row.forced_down,
    )
