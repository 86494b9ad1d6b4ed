"""Host aggregates. The zone of an aggregate is written on its hosts, where a build finds it without asking here."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.hosts import hosts
from kilonova.ledger.schema import Packed, metadata
from kilonova.ledger.servers import servers
from kilonova.model.aggregate import Aggregate
from kilonova.model.ids import new_uuid

aggregates = Table(
    "aggregates",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("zone", String(255)),
    Column("metadata", Packed, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
    sqlite_autoincrement=True,
)

aggregate_hosts = Table(
    "aggregate_hosts",
    metadata,
    Column("aggregate_id", ForeignKey("aggregates.id", ondelete="CASCADE"), primary_key=True),
    Column("host", Text, ForeignKey("hosts.name", ondelete="CASCADE"), primary_key=True, index=True),
)


class Aggregates:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, aggregate_id: int) -> Aggregate:
        row = self._db.execute(select(aggregates).where(aggregates.c.id == aggregate_id)).one_or_none()
        if row is None:
            raise NotFound(f"Aggregate {aggregate_id} could not be found.")
        return self._whole([row])[0]

    def all(self) -> Sequence[Aggregate]:
        return self._whole(self._db.execute(select(aggregates).order_by(aggregates.c.id)).all())

    def create(self, name: str, zone: str | None, now: float) -> Aggregate:
        """Raises Conflict when the name is taken."""
        self._refuse_taken(name, None)
        values: dict[str, Any] = {"uuid": new_uuid(), "name": name, "zone": zone, "metadata": {}, "created_at": now}
        new = self._db.execute(insert(aggregates).values(values).returning(aggregates.c.id)).scalar_one()
        return self.get(new)

    def change(self, aggregate_id: int, changes: Mapping[str, Any], now: float) -> Aggregate:
        """`changes` of name and zone. Raises NotFound, Conflict for the name, BadRequest while servers are there."""
        old = self.get(aggregate_id)
        if "name" in changes:
            self._refuse_taken(changes["name"], aggregate_id)
        if "zone" in changes and changes["zone"] != old.zone:
            self._refuse_other_zone(old.hosts, changes["zone"], aggregate_id, "Cannot update aggregate")
        query = update(aggregates).where(aggregates.c.id == aggregate_id)
        self._db.execute(query.values(**changes, updated_at=now))
        self._tell_hosts(old.hosts)
        return self.get(aggregate_id)

    def set_metadata(self, aggregate_id: int, items: Mapping[str, str | None], now: float) -> Aggregate:
        """What is given as None goes; the rest stays. ``availability_zone`` is the zone."""
        old = self.get(aggregate_id)
        zone = {"zone": items["availability_zone"]} if "availability_zone" in items else {}
        kept = {**old.metadata, **{name: value for name, value in items.items() if name != "availability_zone"}}
        values = {"metadata": {name: value for name, value in kept.items() if value is not None}, **zone}
        return self.change(aggregate_id, values, now)

    def delete(self, aggregate_id: int) -> None:
        """Raises NotFound, and BadRequest while it has hosts."""
        if self.get(aggregate_id).hosts:
            raise BadRequest(f"Cannot perform action 'delete' on aggregate {aggregate_id}. Reason: Host aggregate is not empty.")
        self._db.execute(delete(aggregates).where(aggregates.c.id == aggregate_id))

    def add_host(self, aggregate_id: int, host: str, now: float) -> Aggregate:
        """Raises NotFound; Conflict when it is in already, or in another zone by another aggregate."""
        old = self.get(aggregate_id)
        self._refuse_unknown(host)
        if host in old.hosts:
            raise Conflict(f"Aggregate {aggregate_id} already has host {host}.")
        if old.zone is not None:
            other = self._zone_of(host)
            if other not in (None, old.zone):
                message = f"Cannot perform action 'add_host_to_aggregate' on aggregate {aggregate_id}."
                raise Conflict(f"{message} Reason: Host {host} is already in zone {other}.")
            self._refuse_busy(host, old.zone, f"Cannot add host to aggregate {aggregate_id}")
        self._db.execute(insert(aggregate_hosts), {"aggregate_id": aggregate_id, "host": host})
        return self._touched(aggregate_id, [host], now)

    def remove_host(self, aggregate_id: int, host: str, now: float) -> Aggregate:
        """Raises NotFound, and Conflict while the host's servers would change their zone."""
        old = self.get(aggregate_id)
        if host not in old.hosts:
            raise NotFound(f"Cannot remove host {host} in aggregate {aggregate_id}")
        if old.zone is not None and not self._in_zone_without(host, old.zone, aggregate_id):
            self._refuse_busy(host, self._own_zone(host), f"Cannot remove host from aggregate {aggregate_id}")
        here = (aggregate_hosts.c.aggregate_id == aggregate_id) & (aggregate_hosts.c.host == host)
        self._db.execute(delete(aggregate_hosts).where(here))
        return self._touched(aggregate_id, [host], now)

    def _touched(self, aggregate_id: int, changed: Sequence[str], now: float) -> Aggregate:
        self._db.execute(update(aggregates).where(aggregates.c.id == aggregate_id).values(updated_at=now))
        self._tell_hosts(changed)
        return self.get(aggregate_id)

    def _tell_hosts(self, names: Sequence[str]) -> None:
        """Each host has the zone of its aggregates, or its own where none of them has one."""
        for name in names:
            self._db.execute(update(hosts).where(hosts.c.name == name).values(aggregate_zone=self._zone_of(name)))

    def _zone_of(self, host: str) -> str | None:
        return self._db.execute(_zones(host).order_by(aggregates.c.id).limit(1)).scalar_one_or_none()

    def _in_zone_without(self, host: str, zone: str, aggregate_id: int) -> bool:
        others = _zones(host).where(aggregates.c.zone == zone, aggregates.c.id != aggregate_id)
        return self._db.execute(others.limit(1)).scalar_one_or_none() is not None

    def _own_zone(self, host: str) -> str:
        zone: str = self._db.execute(select(hosts.c.availability_zone).where(hosts.c.name == host)).scalar_one()
        return zone

    def _refuse_other_zone(self, names: Sequence[str], zone: str | None, aggregate_id: int, what: str) -> None:
        """Hosts that would be in two zones, or whose servers would move with them."""
        for name in names:
            others = _zones(name).where(aggregates.c.id != aggregate_id)
            elsewhere = set(self._db.execute(others).scalars())
            if zone is not None and elsewhere - {zone}:
                raise BadRequest(f"{what} {aggregate_id}. Reason: One or more hosts already in another availability zone.")
            try:
                self._refuse_busy(name, zone or self._own_zone(name), f"{what} {aggregate_id}")
            except Conflict as busy:
                raise BadRequest(str(busy)) from None

    def _refuse_busy(self, host: str, zone: str, what: str) -> None:
        here = self._db.execute(
            select(func.coalesce(hosts.c.aggregate_zone, hosts.c.availability_zone)).where(hosts.c.name == host)
        ).scalar_one()
        used = select(servers.c.id).where(servers.c.host == host, servers.c.deleted_at.is_(None)).limit(1)
        if here != zone and self._db.execute(used).first() is not None:
            raise Conflict(f"{what}. Reason: One or more hosts contain instances in this zone.")

    def _refuse_unknown(self, host: str) -> None:
        if self._db.execute(select(hosts.c.name).where(hosts.c.name == host)).first() is None:
            raise NotFound(f"Compute host {host} could not be found.")

    def _refuse_taken(self, name: str, by: int | None) -> None:
        taken = self._db.execute(select(aggregates.c.id).where(aggregates.c.name == name)).scalar_one_or_none()
        if taken is not None and taken != by:
            raise Conflict(f"Aggregate {name} already exists.")

    def _whole(self, rows: Sequence[Any]) -> list[Aggregate]:
        members: dict[int, list[str]] = {}
        for row in self._db.execute(select(aggregate_hosts).order_by(aggregate_hosts.c.host)):
            members.setdefault(row.aggregate_id, []).append(row.host)
        return [Aggregate(**row._mapping, hosts=tuple(members.get(row.id, ()))) for row in rows]


def _zones(host: str) -> Any:
    """The zones that aggregates give a host."""
    joined = select(aggregates.c.zone).join(aggregate_hosts, aggregate_hosts.c.aggregate_id == aggregates.c.id)
    return joined.where(aggregate_hosts.c.host == host, aggregates.c.zone.is_not(None))
