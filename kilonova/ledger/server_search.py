"""`GET /servers`: filters, sorting and markers as one query. What SQL cannot do alike on both databases runs on the rows."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, Text, and_, literal, not_, or_, select

from kilonova.errors import BadRequest
from kilonova.ledger.networks import Networks
from kilonova.ledger.patterns import matches
from kilonova.model.server import ACTIVE, BUILDING, DELETED, ERROR, STATUS_OF, STATUS_WHILE, ServerFilter
from kilonova.model.usage import Period

_SORTABLE = {
    "id": "id", "uuid": "id", "created_at": "created_at", "updated_at": "updated_at", "name": "name",
    "display_name": "name", "host": "host", "node": "node", "vm_state": "vm_state", "task_state": "task_state",
    "power_state": "power_state", "image_ref": "image_id", "image_id": "image_id", "instance_type_id": "flavor_id",
    "flavor_id": "flavor_id", "key_name": "key_name", "project_id": "project_id", "user_id": "user_id",
    "launched_at": "launched_at", "terminated_at": "terminated_at", "launch_index": "launch_index",
    "availability_zone": "zone", "config_drive": "config_drive", "hostname": "hostname", "uuids": "id",
    "display_description": "description", "root_device_name": "id", "reservation_id": "reservation_id",
    "progress": "vm_state", "locked": "locked", "locked_by": "locked_by", "status": "vm_state",
    "access_ipv4": "access_ipv4", "access_ipv6": "access_ipv6",
}  # fmt: skip
_PLAIN_NAME = re.compile(r"^[\w \-]+$")
_SEARCH_CHUNK = 500


def find(db: Connection, servers: Table, wanted: ServerFilter) -> list[Row[Any]]:
    """At most `wanted.limit` rows, in order."""
    if wanted.limit == 0:
        return []
    query = select(servers).where(*_conditions(servers, wanted))
    keys = _sort_keys(wanted)
    marker = _marker(db, servers, wanted)
    rest = _needs_rows(servers, wanted)
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
        (c.config_drive, wanted.config_drive),
        (c.locked, wanted.locked),
    ):
        if value is not None:
            conditions.append(column == literal(value, column.type))
    for column, values in ((c.id, wanted.ids), (c.vm_state, wanted.vm_states), (c.task_state, wanted.task_states)):
        if values:
            conditions.append(column.in_(values))
    conditions += [c[field].contains(text, autoescape=True) for field, text in wanted.patterns if _plain(servers, field, text)]
    conditions += [and_(c[name] >= int(when), c[name] < int(when) + 1) for name, when in wanted.moments]
    if wanted.changed_since is not None:
        conditions.append(c.updated_at >= wanted.changed_since)
    if wanted.changed_before is not None:
        conditions.append(c.updated_at <= wanted.changed_before)
    if wanted.progress is not None:
        conditions.append(_with_progress(servers, wanted.progress))
    if wanted.statuses:
        conditions.append(or_(*(_with_status(servers, status) for status in wanted.statuses)))
    if wanted.deleted is not None:
        conditions.append(c.deleted_at.is_not(None) if wanted.deleted else c.deleted_at.is_(None))
    return conditions


def _with_status(servers: Table, status: str) -> ColumnElement[bool]:
    """As `Server.status` derives it: what is under way is seen, but while a server is built, in ERROR or gone."""
    c = servers.c
    states = [state for state, shown in STATUS_OF.items() if shown == status]
    tasks = [task for task, shown in STATUS_WHILE.items() if shown == status]
    unseen = c.vm_state.in_((DELETED, ERROR, BUILDING))
    at_rest = or_(c.task_state.is_(None), c.task_state.not_in(list(STATUS_WHILE)), unseen)
    return or_(and_(c.vm_state.in_(states), at_rest), and_(c.task_state.in_(tasks), not_(unseen)))


def _with_progress(servers: Table, progress: int) -> ColumnElement[bool]:
    """It is 100 of what runs, and 0 of all else."""
    c = servers.c
    if progress == 100:
        return c.vm_state == ACTIVE
    return c.vm_state != ACTIVE if progress == 0 else c.id.is_(None)


def active_in(
    db: Connection, servers: Table, period: Period, project_id: str | None, marker: str | None, limit: int
) -> list[Row[Any]]:
    """Servers that were there at any time within the period, by project and id. Raises BadRequest for an unknown marker."""
    c = servers.c
    there = and_(c.launched_at < period.end, or_(c.terminated_at.is_(None), c.terminated_at > period.start))
    query = select(servers).where(there).order_by(c.project_id, c.id).limit(limit)
    if project_id is not None:
        query = query.where(c.project_id == project_id)
    if marker is not None:
        last = db.execute(select(c.project_id).where(c.id == marker)).one_or_none()
        if last is None:
            raise BadRequest(f"Marker {marker} could not be found.")
        query = query.where(or_(c.project_id > last.project_id, and_(c.project_id == last.project_id, c.id > marker)))
    return list(db.execute(query).all())


def _needs_rows(servers: Table, wanted: ServerFilter) -> bool:
    by_pattern = any(not _plain(servers, field, text) for field, text in wanted.patterns)
    tags = wanted.tags_all or wanted.tags_any or wanted.not_tags_all or wanted.not_tags_any
    return by_pattern or wanted.ip is not None or bool(tags)


def _plain(servers: Table, field: str, pattern: str) -> bool:
    """Words without a meaning of their own are found by SQL."""
    return isinstance(servers.c[field].type, Text) and _PLAIN_NAME.match(pattern) is not None


def _matches(db: Connection, row: Row[Any], wanted: ServerFilter) -> bool:
    tags = set(row.tags)
    if not (set(wanted.tags_all) <= tags and (not wanted.tags_any or tags & set(wanted.tags_any))):
        return False
    if (wanted.not_tags_all and set(wanted.not_tags_all) <= tags) or tags & set(wanted.not_tags_any):
        return False
    for field, pattern in wanted.patterns:
        value = row._mapping[field]
        if value is None or not matches(pattern, str(value)):
            return False
    if wanted.ip is not None:
        addresses = Networks(db).ports_of_servers([row.id]).get(row.id, ())
        return any(matches(wanted.ip, address.ip) for address in addresses)
    return True


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
