"""The one MetaData all tables belong to, and the column kinds they share. One schema for SQLite and PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData, types

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""For rows that come and go: 2³¹ of them are used up some day. SQLite numbers only a column that is exactly INTEGER."""


class Packed(types.TypeDecorator[Any]):
    """Plain data kept as msgpack: for what is read whole and never searched."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> bytes | None:
        return None if value is None else msgspec.msgpack.encode(value)

    def process_result_value(self, value: bytes | None, dialect: Any) -> Any:
        return None if value is None else msgspec.msgpack.decode(value)
