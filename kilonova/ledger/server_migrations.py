"""The moves of servers between hosts and sizes, kept after their end. Moves nothing."""

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    insert,
    or_,
    select,
    update,
)

from kilonova.errors import BadRequest, NotFound
from kilonova.ledger.schema import metadata
from kilonova.model.ids import new_uuid
from kilonova.model.migration import RESIZE, Migration, MigrationFilter
from kilonova.model.server import Server

migrations = Table(
    "migrations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("server_id", Text, nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(32), nullable=False),
    Column("source_host", Text),
    Column("dest_host", Text),
    Column("old_flavor", String(255)),
    Column("new_flavor", String(255)),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
    Index("ix_migrations_server_id", "server_id"),
    Index("ix_migrations_created_at_id", "created_at", "id"),
    sqlite_autoincrement=True,
)
_c = migrations.c
_SET_STATUS = update(migrations).where(_c.id == bindparam("move")).values(status=bindparam("after"), updated_at=bindparam("now"))
_CUT_SHORT = (
    update(migrations)
    .where(_c.server_id == bindparam("server"), _c.status.in_(("pre-migrating", "finished")))
    .values(status=case((_c.status == "finished", "confirmed"), else_="error"), updated_at=bindparam("now"))
)
_UNDECIDED = select(_c.server_id).where(_c.kind == RESIZE, _c.status == "finished", _c.updated_at < bindparam("before"))


class Migrations:
    """One transaction's view of them."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def begin(self, server: Server, kind: str, dest_host: str | None, new_flavor: str | None, now: float) -> Migration:
        """A move of this server, from where and what it is now; its status is ``pre-migrating``."""
        values = {
            "uuid": new_uuid(),
            "server_id": server.id,
            "project_id": server.project_id,
            "user_id": server.user_id,
            "kind": kind,
            "status": "pre-migrating",
            "source_host": server.host,
            "dest_host": dest_host,
            "old_flavor": server.flavor.id,
            "new_flavor": new_flavor or server.flavor.id,
            "created_at": now,
        }
        row = self._db.execute(insert(migrations).values(values).returning(*_c)).one()
        return Migration(**row._mapping)

    def set_status(self, migration_id: int, status: str, now: float) -> None:
        self._db.execute(_SET_STATUS, {"move": migration_id, "after": status, "now": now})

    def cut_short(self, server_id: str, now: float) -> None:
        """The server goes: a move that is under way has failed, one that waits for its owner's word is confirmed."""
        self._db.execute(_CUT_SHORT, {"server": server_id, "now": now})

    def undecided(self, before: float) -> Sequence[str]:
        """Servers whose resize has waited for their owner's word since `before`."""
        return self._db.execute(_UNDECIDED, {"before": before}).scalars().all()

    def of_server(self, server_id: str, migration_id: int) -> Migration:
        """Raises NotFound."""
        row = self._db.execute(select(migrations).where(_c.id == migration_id, _c.server_id == server_id)).one_or_none()
        if row is None:
            raise NotFound(f"Migration {migration_id} not found for instance {server_id}")
        return Migration(**row._mapping)

    def find(self, wanted: MigrationFilter) -> Sequence[Migration]:
        """Newest first. Raises BadRequest for an unknown marker."""
        query = select(migrations).order_by(_c.created_at.desc(), _c.id.desc()).limit(wanted.limit)
        for column, value in (
            (_c.server_id, wanted.server_id),
            (_c.source_host, wanted.source_host),
            (_c.status, wanted.status),
            (_c.kind, wanted.kind),
            (_c.project_id, wanted.project_id),
            (_c.user_id, wanted.user_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.host is not None:
            query = query.where(or_(_c.source_host == wanted.host, _c.dest_host == wanted.host))
        if wanted.changed_since is not None:
            query = query.where(_c.updated_at >= wanted.changed_since)
        if wanted.changed_before is not None:
            query = query.where(_c.updated_at <= wanted.changed_before)
        if wanted.marker is not None:
            last = self._db.execute(select(_c.created_at, _c.id).where(_c.uuid == wanted.marker)).one_or_none()
            if last is None:
                raise BadRequest(f"Marker {wanted.marker} could not be found.")
            same = and_(_c.created_at == last.created_at, _c.id < last.id)
            query = query.where(or_(_c.created_at < last.created_at, same))
        return [Migration(**row._mapping) for row in self._db.execute(query)]
