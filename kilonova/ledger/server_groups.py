"""Server groups and who is in them. A server is in one group at most; deleted servers stay in the rows and are not shown."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from kilonova.errors import NotFound
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.schema import Packed, metadata
from kilonova.ledger.servers import servers
from kilonova.model.ids import ServerId
from kilonova.model.server_group import ServerGroup

server_groups = Table(
    "server_groups",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("policy", String(32), nullable=False),
    Column("rules", Packed, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_server_groups_project_id_created_at", "project_id", "created_at"),
)

server_group_members = Table(
    "server_group_members",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("group_id", ForeignKey("server_groups.id", ondelete="CASCADE"), nullable=False, index=True),
)

_ALIVE = servers.c.deleted_at.is_(None)
_MEMBERS = (
    select(server_group_members.c.group_id, servers.c.id, servers.c.host, servers.c.user_id)
    .join(servers, servers.c.id == server_group_members.c.server_id)
    .where(_ALIVE)
    .order_by(servers.c.created_at, servers.c.launch_index, servers.c.id)
)
_OF_SERVER = select(server_group_members.c.group_id).where(server_group_members.c.server_id == bindparam("server_id"))


class ServerGroups:
    """One transaction's view of them. `project_id` None looks in all projects; a group of another project is NotFound."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, group_id: str, project_id: str | None) -> ServerGroup:
        row = self._db.execute(select(server_groups).where(server_groups.c.id == group_id)).one_or_none()
        if row is None or (project_id is not None and row.project_id != project_id):
            raise NotFound(f"Instance group {group_id} could not be found.")
        return self._whole([row])[0]

    def find(self, project_id: str | None, offset: int = 0, limit: int | None = None) -> Sequence[ServerGroup]:
        """Oldest first."""
        query = select(server_groups).order_by(server_groups.c.created_at, server_groups.c.id).offset(offset).limit(limit)
        if project_id is not None:
            query = query.where(server_groups.c.project_id == project_id)
        return self._whole(self._db.execute(query).all())

    def count(self, project_id: str) -> int:
        query = select(func.count()).select_from(server_groups).where(server_groups.c.project_id == project_id)
        return self._db.execute(query).scalar_one()

    def create(self, new: ServerGroup) -> ServerGroup:
        """Without members."""
        values = {name: getattr(new, name) for name in new.__struct_fields__ if name != "members"}
        self._db.execute(insert(server_groups), values)
        return self.get(new.id, None)

    def delete(self, group_id: str, project_id: str | None) -> None:
        """Its servers stay, in no group. Raises NotFound."""
        self.get(group_id, project_id)
        self._db.execute(delete(server_groups).where(server_groups.c.id == group_id))

    def of_server(self, server_id: str) -> str | None:
        """The id of the group it is in."""
        return self._db.execute(_OF_SERVER, {"server_id": server_id}).scalar_one_or_none()

    def join(self, group_id: str, server_id: str) -> None:
        """A new server becomes a member, for good."""
        self._db.execute(insert(server_group_members), {"group_id": group_id, "server_id": server_id})

    def hosts(self, group_id: str, apart_from: str = "") -> Mapping[str, int]:
        """Host → how many of the group's servers are placed there; one server, which is to move, may be left out."""
        found: dict[str, int] = {}
        for row in self._db.execute(_MEMBERS.where(server_group_members.c.group_id == group_id)):
            if row.host is not None and row.id != apart_from:
                found[row.host] = found.get(row.host, 0) + 1
        return found

    def members_of_user(self, group_id: str, user_id: str) -> int:
        """What the quota ``server_group_members`` counts."""
        rows = self._db.execute(_MEMBERS.where(server_group_members.c.group_id == group_id))
        return sum(1 for row in rows if row.user_id == user_id)

    def hosts_of(self, server_ids: Sequence[str], project_id: str | None) -> frozenset[str]:
        """Where these servers are; what is no server of the project has no host."""
        found: set[str] = set()
        for some in chunks(list(server_ids)):
            query = select(servers.c.host).where(servers.c.id.in_(some), _ALIVE, servers.c.host.is_not(None))
            if project_id is not None:
                query = query.where(servers.c.project_id == project_id)
            found.update(self._db.execute(query).scalars())
        return frozenset(found)

    def _whole(self, rows: Sequence[Any]) -> list[ServerGroup]:
        members: dict[str, list[ServerId]] = {}
        for some in chunks([row.id for row in rows]):
            for row in self._db.execute(_MEMBERS.where(server_group_members.c.group_id.in_(some))):
                members.setdefault(row.group_id, []).append(ServerId(row.id))
        return [ServerGroup(**row._mapping, members=tuple(members.get(row.id, ()))) for row in rows]
