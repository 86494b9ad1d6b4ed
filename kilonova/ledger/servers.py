"""Servers in the ledger: a row each, kept (marked deleted) after their end so that their history can be told."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Boolean, Column, Connection, Float, Index, Integer, LargeBinary, Table, Text, bindparam, select, update

from kilonova.build.record import Placed, Requested, encode, grow
from kilonova.errors import NotFound
from kilonova.ledger.actions import Actions
from kilonova.ledger.networks import Networks
from kilonova.ledger.schema import Packed, metadata
from kilonova.ledger.server_search import active_in, find
from kilonova.ledger.server_security import security_groups_of
from kilonova.ledger.volume.links import links_of_server, volumes_of_servers
from kilonova.model import server as states
from kilonova.model.flavor import Flavor
from kilonova.model.ids import ServerId
from kilonova.model.server import Action, Fault, Server, ServerFilter
from kilonova.model.server_address import ServerAddress
from kilonova.model.usage import Period
from kilonova.model.volume_link import VolumeLink

servers = Table(
    "servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("hostname", Text, nullable=False),
    Column("description", Text),
    Column("vm_state", Text, nullable=False),
    Column("task_state", Text),
    Column("power_state", Integer, nullable=False, default=0),
    Column("host", Text),
    Column("node", Text),
    Column("attempt", Integer, nullable=False, default=0),
    Column("zone", Text),
    Column("requested_zone", Text),
    Column("flavor_id", Text, nullable=False),
    Column("flavor", Packed, nullable=False),
    Column("vcpus", Integer, nullable=False),
    Column("ram_mb", Integer, nullable=False),
    Column("image_id", Text),
    Column("key_name", Text),
    Column("config_drive", Boolean, nullable=False),
    Column("user_data", Text),
    Column("metadata", Packed, nullable=False),
    Column("tags", Packed, nullable=False),
    Column("fault", Packed),
    Column("locked", Boolean, nullable=False, default=False),
    Column("locked_reason", Text),
    Column("locked_by", Text),
    Column("hints", Packed),
    Column("image_properties", Packed),
    Column("disk_config", Text),
    Column("access_ipv4", Text, nullable=False),
    Column("access_ipv6", Text, nullable=False),
    Column("security_groups", Packed, nullable=False),
    Column("reservation_id", Text, nullable=False),
    Column("launch_index", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("created_at", Float, nullable=False),
    # The order it was built by, as msgpack: what later actions start from.
    Column("record", LargeBinary),
    # During a resize: the flavor it would go back to, and the state it was in.
    Column("old_flavor", Packed),
    Column("updated_at", Float),
    Column("launched_at", Float),
    Column("terminated_at", Float),
    Column("deleted_at", Float),
    # Quotas are counted with this one, and it alone: (project, alive) → how many, how large.
    Index("ix_servers_quota", "project_id", "deleted_at", "vcpus", "ram_mb"),
    Index("ix_servers_listing", "project_id", "deleted_at", "created_at", "id"),
    Index("ix_servers_host", "host", "deleted_at"),
    Index("ix_servers_idempotency", "project_id", "idempotency_key"),
)

_BY_ID = select(servers).where(servers.c.id == bindparam("server_id"))
_INSERT = servers.insert()
_CHANGE = update(servers).where(servers.c.id == bindparam("server_id"))
"""What else it is executed with are the columns it sets."""
_ATTEMPT = select(servers.c.attempt, servers.c.task_state).where(servers.c.id == bindparam("server_id"))
_SET_TASK = _CHANGE.values(task_state=bindparam("task"), updated_at=bindparam("now"))
_RUNS = _CHANGE.values(
    vm_state=states.ACTIVE,
    task_state=None,
    power_state=states.POWER_RUNNING,
    launched_at=bindparam("now"),
    updated_at=bindparam("now"),
)
_PLACE = _CHANGE.values(
    host=bindparam("on_host"),
    node=bindparam("on_node"),
    zone=bindparam("in_zone"),
    attempt=bindparam("number"),
    task_state="scheduling",
    record=bindparam("order"),
)
_RECORD = select(servers.c.record).where(servers.c.id == bindparam("server_id"))
_ON_HOST = select(servers).where(servers.c.host == bindparam("on_host"), servers.c.deleted_at.is_(None))
_BY_KEY = (
    select(servers.c.id)
    .where(servers.c.project_id == bindparam("project"), servers.c.idempotency_key == bindparam("key"))
    .order_by(servers.c.launch_index)
)


class Servers:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    # What the API asks.

    def get(self, server_id: str, project_id: str | None) -> Server:
        row = self._db.execute(_BY_ID, {"server_id": server_id}).one_or_none()
        if row is None or row.deleted_at is not None or (project_id is not None and row.project_id != project_id):
            raise NotFound(f"Instance {server_id} could not be found.")
        return server_from(row)

    def whatever(self, server_id: str) -> Server | None:
        """Also one that is gone: for traces and inventories."""
        row = self._db.execute(_BY_ID, {"server_id": server_id}).one_or_none()
        return None if row is None else server_from(row)

    def find(self, wanted: ServerFilter) -> Sequence[Server]:
        return [server_from(row) for row in find(self._db, servers, wanted)]

    def active_in(self, period: Period, project_id: str | None, marker: str | None, limit: int) -> Sequence[Server]:
        """Those that ran at any time within the period, also when they are gone; for usage."""
        return [server_from(row) for row in active_in(self._db, servers, period, project_id, marker, limit)]

    def security_groups_of(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Server id → the names of its ports' groups."""
        return security_groups_of(self._db, server_ids)

    def volumes_of(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[tuple[str, bool]]]:
        """Server id → (volume id, whether it goes with the server) of what is attached, the devices in order."""
        return volumes_of_servers(self._db, server_ids)

    def volume_links(self, server_id: str) -> Sequence[VolumeLink]:
        """What is attached to it, also what is on its way, the devices in order."""
        return links_of_server(self._db, server_id)

    def pin_zone(self, server_id: str, zone: str | None, now: float) -> None:
        """The zone it is bound to when it moves; None is any."""
        self._change(server_id, requested_zone=zone, updated_at=now)

    def rename(self, server_id: str, *, name: str | None, description: str | None, hostname: str | None, now: float) -> None:
        values: dict[str, Any] = {"updated_at": now}
        if name is not None:
            values["name"] = name
        if description is not None:
            values["description"] = description or None
        if hostname is not None:
            values["hostname"] = hostname
        self._change(server_id, **values)

    def set_access(self, server_id: str, *, ipv4: str | None, ipv6: str | None, now: float) -> None:
        values: dict[str, Any] = {"updated_at": now}
        if ipv4 is not None:
            values["access_ipv4"] = ipv4
        if ipv6 is not None:
            values["access_ipv6"] = ipv6
        self._change(server_id, **values)

    def set_locked(self, server_id: str, locked: bool, reason: str | None, now: float, by: str = "owner") -> None:
        """`by` is ``owner`` or ``admin``."""
        self._change(server_id, locked=locked, locked_by=by if locked else None, locked_reason=reason, updated_at=now)

    def set_disk_config(self, server_id: str, disk_config: str, now: float) -> None:
        self._change(server_id, disk_config=disk_config, updated_at=now)

    def set_metadata(self, server_id: str, metadata: dict[str, str], now: float) -> None:
        self._change(server_id, metadata=metadata, updated_at=now)

    def set_tags(self, server_id: str, tags: Sequence[str], now: float) -> None:
        self._change(server_id, tags=list(tags), updated_at=now)

    def addresses(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[ServerAddress]]:
        return Networks(self._db).ports_of_servers(server_ids)

    def actions(self, server_id: str) -> Sequence[Action]:
        return Actions(self._db).of_server(server_id)

    # What the story asks.

    def by_idempotency_key(self, project_id: str, key: str) -> Sequence[str]:
        return self._db.execute(_BY_KEY, {"project": project_id, "key": key}).scalars().all()

    def insert(self, request: Requested, extra: Mapping[str, Any], fault: Fault | None) -> None:
        flavor = request.flavor
        self._db.execute(
            _INSERT,
            {
                "id": request.server_id,
                "project_id": request.project_id,
                "user_id": request.user_id,
                "name": request.name,
                "hostname": request.hostname,
                "description": extra.get("description"),
                "vm_state": states.BUILDING if fault is None else states.ERROR,
                "task_state": "scheduling" if fault is None else None,
                "requested_zone": request.availability_zone,
                "flavor_id": flavor.id,
                "flavor": msgspec.to_builtins(flavor),
                "vcpus": flavor.vcpus,
                "ram_mb": flavor.ram_mb,
                "image_id": request.image.id if request.image else None,
                "key_name": request.key_name,
                "config_drive": request.config_drive,
                "user_data": request.user_data,
                "metadata": request.metadata,
                "tags": list(extra.get("tags", ())),
                "fault": msgspec.to_builtins(fault) if fault else None,
                "access_ipv4": extra.get("access_ipv4", ""),
                "access_ipv6": extra.get("access_ipv6", ""),
                "hints": request.hints or None,
                "disk_config": extra.get("disk_config"),
                "image_properties": request.image.shown_properties() if request.image else None,
                "security_groups": list(extra.get("security_groups", ("default",))),
                "reservation_id": request.reservation_id,
                "launch_index": request.launch_index,
                "idempotency_key": extra.get("idempotency_key"),
                "created_at": request.created_at,
                "updated_at": request.created_at,
            },
        )

    def place(self, placed: Placed) -> None:
        where = {"on_host": placed.host, "on_node": placed.node, "in_zone": placed.zone, "number": placed.attempt}
        self._db.execute(_PLACE, {"server_id": placed.server_id, "order": encode(placed), **where})

    def record(self, server_id: str) -> Placed | None:
        """The order it was built by, or what an action has put in its place; None when it never had a host."""
        body = self._db.execute(_RECORD, {"server_id": server_id}).scalar_one_or_none()
        return None if body is None else msgspec.msgpack.decode(body, type=Placed)

    def set_record(self, placed: Placed) -> None:
        """From now on actions start from this: after a rebuild or a resize."""
        self._change(placed.server_id, record=encode(grow(placed, Placed)))

    def becomes(self, placed: Placed, description: str | None, now: float) -> None:
        """What the server shows of itself from now on."""
        self._change(
            placed.server_id,
            name=placed.name,
            hostname=placed.hostname,
            description=description,
            metadata=placed.metadata,
            image_id=placed.image.id if placed.image else None,
            image_properties=placed.image.shown_properties() if placed.image else None,
            key_name=placed.key_name,
            user_data=placed.user_data,
            updated_at=now,
        )

    def set_flavor(self, server_id: str, flavor: Flavor, other: Flavor | None, now: float) -> None:
        """Its size, and the other one it may get or go back to; the larger of both counts against the quota."""
        self._change(
            server_id,
            flavor_id=flavor.id,
            flavor=msgspec.to_builtins(flavor),
            old_flavor=msgspec.to_builtins(other) if other else None,
            vcpus=max(flavor.vcpus, other.vcpus if other else 0),
            ram_mb=max(flavor.ram_mb, other.ram_mb if other else 0),
            updated_at=now,
        )

    def of_attempt(self, server_id: str, attempt: int) -> Server | None:
        row = self._db.execute(_BY_ID, {"server_id": server_id}).one_or_none()
        if row is None or row.deleted_at is not None or row.attempt != attempt:
            return None
        return server_from(row)

    def attempt(self, server_id: str) -> int:
        row = self._db.execute(_ATTEMPT, {"server_id": server_id}).one_or_none()
        return int(row.attempt) if row is not None else 0

    def is_deleting(self, server_id: str) -> bool:
        row = self._db.execute(_ATTEMPT, {"server_id": server_id}).one_or_none()
        return row is not None and row.task_state == "deleting"

    def set_task(self, server_id: str, task_state: str | None, now: float) -> None:
        self._db.execute(_SET_TASK, {"server_id": server_id, "task": task_state, "now": now})

    def runs(self, server_id: str, now: float) -> None:
        self._db.execute(_RUNS, {"server_id": server_id, "now": now})

    def fails(self, server_id: str, fault: Fault) -> None:
        self._change(
            server_id, vm_state=states.ERROR, task_state=None, fault=msgspec.to_builtins(fault), updated_at=fault.created_at
        )

    def deleting(self, server_id: str, now: float) -> None:
        self._change(server_id, task_state="deleting", updated_at=now)

    def gone(self, server_id: str, now: float) -> None:
        values = {"vm_state": states.DELETED, "task_state": None, "power_state": 0}
        self._change(server_id, **values, updated_at=now, terminated_at=now, deleted_at=now)

    def power_is(self, server_id: str, vm_state: str, power_state: int, now: float) -> None:
        """A guest ended, or came back, by itself."""
        self._change(server_id, vm_state=vm_state, power_state=power_state, task_state=None, updated_at=now)

    def on_host(self, host: str) -> Sequence[Server]:
        return [server_from(row) for row in self._db.execute(_ON_HOST, {"on_host": host})]

    def _change(self, server_id: str, **values: Any) -> None:
        self._db.execute(_CHANGE, {"server_id": server_id, **values})


def server_from(row: Any) -> Server:
    """A row of the table as the model's Server."""
    return Server(
        id=ServerId(row.id),
        project_id=row.project_id,
        user_id=row.user_id,
        name=row.name,
        hostname=row.hostname,
        description=row.description,
        vm_state=row.vm_state,
        task_state=row.task_state,
        power_state=row.power_state,
        host=row.host,
        node=row.node,
        availability_zone=row.zone,
        requested_zone=row.requested_zone,
        flavor=msgspec.convert(row.flavor, Flavor),
        other_flavor=msgspec.convert(row.old_flavor, Flavor) if row.old_flavor else None,
        image_id=row.image_id,
        key_name=row.key_name,
        config_drive=row.config_drive,
        user_data=row.user_data,
        metadata=row.metadata,
        tags=tuple(row.tags),
        fault=msgspec.convert(row.fault, Fault) if row.fault else None,
        progress=100 if row.vm_state == states.ACTIVE else 0,
        locked=row.locked,
        locked_reason=row.locked_reason,
        locked_by=row.locked_by,
        hints=row.hints or {},
        image_properties=row.image_properties or {},
        disk_config=row.disk_config or "MANUAL",
        access_ipv4=row.access_ipv4,
        access_ipv6=row.access_ipv6,
        security_groups=tuple(row.security_groups),
        reservation_id=row.reservation_id,
        launch_index=row.launch_index,
        **_moments(row),
    )


def _moments(row: Any) -> dict[str, Any]:
    return {
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "launched_at": row.launched_at,
        "terminated_at": row.terminated_at,
        "deleted_at": row.deleted_at,
    }
