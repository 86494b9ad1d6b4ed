"""`GET /servers`: filters, sorting and markers as one query. What SQL cannot do alike on both databases runs on the rows."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, literal, or_, select

from kilonova.errors import BadRequest
from kilonova.ledger.networks import Networks
from kilonova.model.server import ACTIVE, BUILDING, DELETED, ERROR, STOPPED, ServerFilter

_STATUS = {
    "ACTIVE": ACTIVE,
    "BUILD": BUILDING,
    "ERROR": ERROR,
    "SHUTOFF": STOPPED,
    "STOPPED": STOPPED,
    "DELETED": DELETED,
}
_SORTABLE = {
    "id": "id", "uuid": "id", "created_at": "created_at", "updated_at": "updated_at", "name": "name",
    "display_name": "name", "host": "host", "node": "node", "vm_state": "vm_state", "task_state": "task_state",
    "power_state": "power_state", "image_ref": "image_id", "image_id": "image_id", "instance_type_id": "flavor_id",
    "flavor_id": "flavor_id", "key_name": "key_name", "project_id": "project_id", "user_id": "user_id",
    "launched_at": "launched_at", "terminated_at": "terminated_at", "launch_index": "launch_index",
    "availability_zone": "zone", "config_drive": "config_drive", "hostname": "hostname", "uuids": "id",
    "display_description": "description", "root_device_name": "id", "reservation_id": "reservation_id",
    "progress": "vm_state", "locked": "locked", "locked_by": "locked", "status": "vm_state",
}  # fmt: skip
_PLAIN_NAME = re.compile(r"^[\w \-]+$")
_SEARCH_CHUNK = 500
PATTERN_LIMIT_S = 0.02
"""For one row: an honest pattern takes microseconds."""


def find(db: Connection, servers: Table, wanted: ServerFilter) -> list[Row[Any]]:
    """At most `wanted.limit` rows, in order."""
    query = select(servers).where(*_conditions(servers, wanted))
    keys = _sort_keys(wanted)
    marker = _marker(db, servers, wanted)
    rest = _needs_rows(wanted)
    found: list[Row[Any]] = []
    for row in _in_order(db, servers, query, keys, marker, _SEARCH_CHUNK if rest else wanted.limit):
        if rest and not _matches(db, row, wanted):
            continue
        found.append(row)
        if len(found) >= wanted.limit:
            break
    return found


def _in_order(
    db: Connection, servers: Table, query: Select[Any], keys: list[tuple[str, str]], marker: Any, chunk: int
) -> Iterator[Row[Any]]:
    """Page by page, each starting after the last row of the one before."""
    ordered = query.order_by(
        *(servers.c[k].asc().nulls_first() if d == "asc" else servers.c[k].desc().nulls_last() for k, d in keys)
    ).limit(chunk)
    while True:
        page = ordered if marker is None else ordered.where(_after(servers, keys, marker))
        rows = db.execute(page).all()
        yield from rows
        if len(rows) < chunk:
            return
        marker = rows[-1]


def _conditions(servers: Table, wanted: ServerFilter) -> list[ColumnElement[bool]]:
    c = servers.c
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (c.project_id, wanted.project_id),
        (c.user_id, wanted.user_id),
        (c.host, wanted.host),
        (c.image_id, wanted.image_id),
        (c.flavor_id, wanted.flavor_id),
        (c.reservation_id, wanted.reservation_id),
        (c.zone, wanted.availability_zone),
        (c.key_name, wanted.key_name),
        (c.config_drive, wanted.config_drive),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.ids:
        conditions.append(c.id.in_(wanted.ids))
    if wanted.name is not None and _PLAIN_NAME.match(wanted.name):
        conditions.append(c.name.contains(wanted.name, autoescape=True))
    if wanted.changed_since is not None:
        conditions.append(c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        conditions.append(c.updated_at <= wanted.changed_before)
    vm_states = tuple(wanted.vm_states) + tuple(_STATUS.get(s.upper(), "?") for s in wanted.statuses)
    if vm_states:
        conditions.append(c.vm_state.in_(vm_states))
    if wanted.changed_since is None:
        conditions.append(c.deleted_at.is_not(None) if wanted.deleted else c.deleted_at.is_(None))
    return conditions


def _needs_rows(wanted: ServerFilter) -> bool:
    by_pattern = wanted.name is not None and not _PLAIN_NAME.match(wanted.name)
    return by_pattern or wanted.ip is not None or bool(wanted.tags_all) or bool(wanted.tags_any)


def _matches(db: Connection, row: Row[Any], wanted: ServerFilter) -> bool:
    if wanted.name is not None and not _search(wanted.name, row.name):
        return False
    if wanted.tags_all and not set(wanted.tags_all) <= set(row.tags):
        return False
    if wanted.tags_any and not set(wanted.tags_any) & set(row.tags):
        return False
    if wanted.ip is not None:
        addresses = Networks(db).ports_of_servers([row.id]).get(row.id, ())
        return any(_search(wanted.ip, address.ip) for address in addresses)
    return True


def _search(pattern: str, text: str) -> bool:
    """Nova's text filters are regular expressions; one that is none is looked for as it stands. A hostile one is cut short."""
    import regex  # takes as long to load as all of the compute API, and most clouds never need it

    try:
        return regex.search(pattern, text, timeout=PATTERN_LIMIT_S) is not None
    except regex.error:
        return pattern in text
    except TimeoutError:
        raise BadRequest("The pattern takes too long to search for.") from None


def _sort_keys(wanted: ServerFilter) -> list[tuple[str, str]]:
    keys = []
    for key, direction in wanted.sort:
        if key not in _SORTABLE:
            raise BadRequest(f"Invalid sort key: {key}")
        keys.append((_SORTABLE[key], direction))
    if "id" not in {key for key, _ in keys}:
        keys.append(("id", keys[-1][1] if keys else "desc"))
    return keys


def _marker(db: Connection, servers: Table, wanted: ServerFilter) -> Row[Any] | None:
    if wanted.marker is None:
        return None
    row = db.execute(select(servers).where(servers.c.id == wanted.marker)).one_or_none()
    if row is None or (wanted.project_id is not None and row.project_id != wanted.project_id):
        raise BadRequest(f"marker [{wanted.marker}] not found")
    return row


def _after(servers: Table, keys: list[tuple[str, str]], marker: Row[Any]) -> ColumnElement[bool]:
    """Rows behind the marker: the first key differs, or it is equal and the second differs, … NULL sorts lowest."""
    alternatives = []
    for position, (key, direction) in enumerate(keys):
        same = [_equal(servers.c[k], getattr(marker, k)) for k, _ in keys[:position]]
        alternatives.append(and_(*same, _beyond(servers.c[key], getattr(marker, key), direction)))
    return or_(*alternatives)


def _equal(column: Any, value: Any) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value  # type: ignore[no-any-return]


def _beyond(column: Any, value: Any, direction: str) -> ColumnElement[bool]:
    bound = literal(value, column.type)  # SQLAlchemy does not compare a column with a bare True or False
    if direction == "asc":
        return column.is_not(None) if value is None else column > bound  # type: ignore[no-any-return]
    if value is None:
        return column != column  # type: ignore[no-any-return]  # nothing sorts below NULL
    return or_(column < bound, column.is_(None))
