"""For who changes a table: ``python -m kilonova.ledger.migrations.draft``. No part of a running cloud.

``first`` writes `first/` anew from the books' tables, as long as no version was released; ``next WORDS`` has Alembic draft the
step from the last one to the books' tables: read it, put it right, and add its number to `REVISIONS`.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint
from sqlalchemy.sql.elements import False_, True_

from kilonova.ledger import transaction as _every_table  # noqa: F401 - importing the books registers their tables
from kilonova.ledger.engine import open_engine
from kilonova.ledger.schema import Packed, metadata

HERE = Path(__file__).parent
ROOMS = {
    "identity": ("identity_",),
    "images": ("image",),
    "networks": ("network", "subnet", "port", "security_group", "freed_address"),
}
"""File → how its tables' names begin; all others are in `servers`."""
LAST = "servers"


def first() -> None:
    """`first/`, one file a room."""
    files: dict[str, list[Table]] = {name: [] for name in (*ROOMS, LAST)}
    for table in metadata.sorted_tables:
        room = next((room for room, starts in ROOMS.items() if table.name.startswith(starts)), LAST)
        files[room].append(table)
    for room, tables in files.items():
        body = "\n".join(f"{_table(table)}\n" for table in tables)
        kinds = [kind for kind in _KINDS if f"{kind}(" in body or f" {kind}" in body]
        (HERE / "first" / f"{room}.py").write_text(
            f'"""The tables of {room} as they were at first. Written by draft.py; nothing here changes any more."""\n\n'
            f"from sqlalchemy import {', '.join(sorted(kinds))}\n\n"
            f"from kilonova.ledger.migrations.first.metadata import metadata\n\n{body}"
        )


def next_step(words: str) -> None:
    """A draft of the step from the last one to the tables as the books have them now."""
    from alembic import command

    from kilonova.ledger.migrate import SCRIPTS, alembic_config

    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/empty.sqlite")
        with engine.connect() as connection:
            config = alembic_config(connection, SCRIPTS)
            command.upgrade(config, "head")
            number = f"{len(list((SCRIPTS / 'versions').glob('r*.py'))) + 1:04}"
            config.attributes["render_item"] = _said
            config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
            config.set_main_option("version_locations", str(SCRIPTS / "versions"))
            command.revision(config, words, autogenerate=True, rev_id=number)
        engine.dispose()


def _said(what: str, item: Any, context: Any) -> str | bool:
    """A step knows none of the books' kinds, and is the same on both databases; False leaves it to Alembic."""
    if what == "type" and isinstance(item, Packed):
        return "sa.LargeBinary()"
    if what == "server_default" and isinstance(getattr(item, "arg", None), False_ | True_):
        return "sa.false()" if isinstance(item.arg, False_) else "sa.true()"
    return False


_KINDS = ("BigInteger", "Boolean", "Column", "Float", "ForeignKey", "Index", "Integer", "LargeBinary", "String", "Table", "Text",
          "UniqueConstraint")  # fmt: skip


def _table(table: Table) -> str:
    parts = [_column(column) for column in table.columns]
    unique = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
    parts += [f"UniqueConstraint({_names(c.columns)})" for c in sorted(unique, key=lambda c: _names(c.columns))]
    parts += [_index(index) for index in sorted(table.indexes, key=lambda i: str(i.name))]
    return f'Table(\n    "{table.name}",\n    metadata,\n' + "".join(f"    {part},\n" for part in parts) + ")\n"


def _column(column: Column[Any]) -> str:
    if column.server_default is not None or column.computed is not None:
        raise NotImplementedError(f"{column}: a default in the database")
    said = [f'"{column.name}"']
    kinds = {key._colspec for key in column.foreign_keys}  # the type of a reference is that of what it refers to
    if not kinds:
        said.append(_kind(column.type))
    said += [_reference(key) for key in column.foreign_keys]
    if column.primary_key:
        said.append("primary_key=True")
    elif not column.nullable:
        said.append("nullable=False")
    if column.primary_key and isinstance(column.type, Integer) and column.autoincrement is not True and not kinds:
        said.append("autoincrement=False")
    return f"Column({', '.join(said)})"


def _kind(kind: Any) -> str:
    if isinstance(kind, Packed):
        return "LargeBinary"
    if isinstance(kind, BigInteger):
        variant = kind._variant_mapping.get("sqlite")
        return 'BigInteger().with_variant(Integer, "sqlite")' if variant is not None else "BigInteger"
    if isinstance(kind, String) and not isinstance(kind, Text):
        return f"String({kind.length})"
    name = type(kind).__name__
    if name not in _KINDS or (isinstance(kind, Text | LargeBinary) and kind.length is not None):
        raise NotImplementedError(f"a column of the kind {kind!r}")
    return name


def _reference(key: ForeignKey) -> str:
    when = f', ondelete="{key.ondelete}"' if key.ondelete else ""
    return f'ForeignKey("{key.target_fullname}"{when})'


def _index(index: Index) -> str:
    if index.dialect_kwargs:
        raise NotImplementedError(f"{index.name}: an index of one database only")
    unique = ", unique=True" if index.unique else ""
    return f'Index("{index.name}", {_names(index.columns)}{unique})'


def _names(columns: Any) -> str:
    return ", ".join(f'"{column.name}"' for column in columns)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["first"]:
            first()
        case ["next", words]:
            next_step(words)
        case _:
            sys.exit(__doc__)
