"""Users, groups, and who is in which. Knows no roles but takes those away that hang on a removed user or group."""

from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from kilonova.errors import NotFound
from kilonova.ledger import identity_tables as t
from kilonova.ledger.identity_epoch import count_up
from kilonova.ledger.identity_realms import Domains
from kilonova.ledger.identity_roles import drop_what_lost_its_roles
from kilonova.ledger.identity_shelf import Shelf
from kilonova.model.identity import Group, User


class Users(Shelf[User]):
    """Those who may ask for a token."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.users, User, "user")

    def named(self, name: str, domain_id: str) -> User | None:
        query = select(t.users).where(t.users.c.name == name, t.users.c.domain_id == domain_id)
        row = self._connection.execute(query).first()
        return None if row is None else self._as_record(row._mapping)

    def remove(self, record_id: str) -> None:
        a = t.assignments.c
        self._connection.execute(delete(t.assignments).where(a.actor == "user", a.actor_id == record_id))
        super().remove(record_id)

    def _check(self, record: User) -> None:
        Domains(self._connection).get(record.domain_id)

    def _twins(self, record: User) -> Mapping[str, object]:
        return {"name": record.name, "domain_id": record.domain_id}

    def _twin_message(self, record: User) -> str:
        return f"Duplicate entry found with name {record.name} at domain ID {record.domain_id}"


class Groups(Shelf[Group]):
    """Users who get roles together."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, t.groups, Group, "group")

    def members(self, group_id: str) -> list[User]:
        self.get(group_id)
        query = select(t.users).join(t.members, t.members.c.user_id == t.users.c.id)
        rows = self._connection.execute(query.where(t.members.c.group_id == group_id).order_by(t.users.c.name, t.users.c.id))
        return [User(**row._mapping) for row in rows]

    def of_user(self, user_id: str) -> list[Group]:
        query = select(t.groups).join(t.members, t.members.c.group_id == t.groups.c.id)
        rows = self._connection.execute(query.where(t.members.c.user_id == user_id).order_by(t.groups.c.name, t.groups.c.id))
        return [Group(**row._mapping) for row in rows]

    def has_member(self, group_id: str, user_id: str) -> bool:
        m = t.members.c
        return self._connection.execute(select(m.user_id).where(m.group_id == group_id, m.user_id == user_id)).first() is not None

    def add_member(self, group_id: str, user_id: str) -> None:
        """Once is enough. Raises NotFound."""
        self.get(group_id)
        Users(self._connection).get(user_id)
        if not self.has_member(group_id, user_id):
            self._connection.execute(insert(t.members).values(group_id=group_id, user_id=user_id))
            count_up(self._connection)

    def remove_member(self, group_id: str, user_id: str) -> None:
        self.get(group_id)
        m = t.members.c
        gone = self._connection.execute(delete(t.members).where(m.group_id == group_id, m.user_id == user_id))
        if gone.rowcount == 0:
            raise NotFound(f"User '{user_id[:64]}' not found in group '{group_id[:64]}'.")
        count_up(self._connection)
        drop_what_lost_its_roles(self._connection, [user_id])

    def remove(self, record_id: str) -> None:
        a = t.assignments.c
        members = [user.id for user in self.members(record_id)]
        self._connection.execute(delete(t.assignments).where(a.actor == "group", a.actor_id == record_id))
        super().remove(record_id)
        drop_what_lost_its_roles(self._connection, members)

    def _check(self, record: Group) -> None:
        Domains(self._connection).get(record.domain_id)

    def _twins(self, record: Group) -> Mapping[str, object]:
        return {"name": record.name, "domain_id": record.domain_id}

    def _twin_message(self, record: Group) -> str:
        return f"Duplicate entry found with name {record.name} at domain ID {record.domain_id}"
