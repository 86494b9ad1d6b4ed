"""The users' public keys. Makes no key and holds no private one."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
)

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.schema import metadata
from kilonova.model.keypair import Keypair

keypairs = Table(
    "keypairs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(16), nullable=False),
    Column("public_key", Text, nullable=False),
    Column("fingerprint", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("user_id", "name"),
)

_BY_NAME = select(keypairs).where(keypairs.c.user_id == bindparam("user_id"), keypairs.c.name == bindparam("name"))


class Keypairs:
    """The book of key pairs in one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, user_id: str, name: str) -> Keypair:
        """Raises NotFound."""
        row = self._connection.execute(_BY_NAME, {"user_id": user_id, "name": name}).one_or_none()
        if row is None:
            raise NotFound(f"Keypair {name} not found for user {user_id}")
        return _keypair(row)

    def find(self, user_id: str, marker: str | None = None, limit: int = 1000) -> Sequence[Keypair]:
        """A user's, by name. Raises BadRequest for an unknown marker."""
        query = select(keypairs).where(keypairs.c.user_id == user_id)
        if marker is not None:
            if self._connection.execute(_BY_NAME, {"user_id": user_id, "name": marker}).one_or_none() is None:
                raise BadRequest(f"marker [{marker}] not found")
            query = query.where(keypairs.c.name > marker)
        return [_keypair(row) for row in self._connection.execute(query.order_by(keypairs.c.name).limit(limit))]

    def count(self, user_id: str) -> int:
        """How many the user has: what the quota ``key_pairs`` is about."""
        return self._connection.execute(select(func.count()).where(keypairs.c.user_id == user_id)).scalar_one()

    def create(self, new: Keypair) -> Keypair:
        """`new.id` is ignored; the ledger gives one. Raises Conflict when the user has one of that name."""
        if self._connection.execute(_BY_NAME, {"user_id": new.user_id, "name": new.name}).one_or_none() is not None:
            raise Conflict(f"Key pair '{new.name}' already exists.")
        values = {name: getattr(new, name) for name in new.__struct_fields__ if name != "id"}
        self._connection.execute(insert(keypairs).values(**values))
        return self.get(new.user_id, new.name)

    def delete(self, user_id: str, name: str) -> None:
        """Guests that were given the key keep it. Raises NotFound."""
        gone = delete(keypairs).where(keypairs.c.user_id == user_id, keypairs.c.name == name)
        if self._connection.execute(gone).rowcount == 0:
            raise NotFound(f"Keypair {name} not found for user {user_id}")


def _keypair(row: Any) -> Keypair:
    return Keypair(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        type=row.type,
        public_key=row.public_key,
        fingerprint=row.fingerprint,
        created_at=row.created_at,
    )
