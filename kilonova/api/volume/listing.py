"""Lists of the volume API: the query as a listing, and the answer with its links and count. Selects nothing itself."""

import json
import re
from ast import literal_eval
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct

from kilonova.api.call import Answer, Call
from kilonova.api.paging import MAX_LIMIT, as_flag, next_links, read_flag, read_number
from kilonova.errors import BadRequest
from kilonova.model.images import Moment
from kilonova.model.page import Condition, Order, Page
from kilonova.model.volume import VolumeListing

NEWEST_FIRST = (Order("created_at", True), Order("id", True))
_NOT_FILTERS = ("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count", "fields", "usage")
_COMPARISONS: Mapping[str, Literal["gt", "gte", "lt", "lte", "eq", "neq"]] = {
    "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "eq": "eq", "neq": "neq"
}  # fmt: skip


class Filters(Struct, frozen=True, kw_only=True):
    """What a noun can be filtered by: the client's names → fields. `for_admins`: only admins may."""

    texts: Mapping[str, str]
    flags: Mapping[str, str] = {}
    numbers: Mapping[str, str] = {}
    for_admins: Mapping[str, str] = {}


def read_offset(call: Call) -> int:
    return read_number(call, "offset") or 0


def read_pages(call: Call, sort_keys: Mapping[str, str], default: Sequence[Order] = NEWEST_FIRST) -> Page:
    """A limit of 0 means no item at all; a key without a direction means descending. Raises BadRequest."""
    if call.param("limit") == "":
        raise BadRequest("limit param must be an integer")
    limit = read_number(call, "limit")
    return Page(
        limit=MAX_LIMIT if limit is None else min(limit, MAX_LIMIT),
        marker=call.param("marker") or None,
        order=_order(call, sort_keys) or tuple(default),
    )


def everybodys(call: Call) -> bool:
    """An admin asks for the things of all projects."""
    return bool(call.who.is_admin and read_flag(call, "all_tenants"))


def read_listing(call: Call, filters: Filters, sort_keys: Mapping[str, str]) -> VolumeListing:
    """Raises BadRequest. A filter that is not known: ignored up to 3.30, refused since."""
    where: list[Condition] = []
    moments: list[Moment] = []
    metadata: dict[str, str] = {}
    known = {**filters.texts, **(filters.for_admins if call.who.is_admin else {})}
    for said, values in call.query.items():
        name, value = said.removesuffix("~"), values[-1]
        if name in _NOT_FILTERS:
            continue
        if name == "metadata":
            metadata |= _pairs(value)
        elif name in ("created_at", "updated_at"):
            moments += _moments(call, name, value)
        elif name in filters.flags:
            where.append(Condition(filters.flags[name], as_flag(name, value)))
        elif name in filters.numbers:
            where.append(Condition(filters.numbers[name], read_number(call, said)))
        elif name in known:
            where.append(_text(call, known[name], said, value))
        elif not call.who.is_admin and call.version[1] >= 31:
            raise BadRequest(f"Invalid filters {name[:64]} are found in query options.")
    project = None if everybodys(call) else call.who.project_id
    return VolumeListing(
        project_id=project,
        where=tuple(where),
        moments=tuple(moments),
        metadata=metadata,
        page=read_pages(call, sort_keys),
        offset=read_offset(call),
    )


def show_page(call: Call, nouns: str, views: Sequence[Mapping[str, Any]], page: Page, count: int | None = None) -> Answer:
    """A page, the link to the next one when this is full, and how many there are when that was asked for."""
    body: dict[str, Any] = {nouns: views}
    following = next_links(call, page, [str(view["id"]) for view in views])
    if following:
        body[f"{nouns}_links"] = following
    if count is not None:
        body["count"] = count
    return Answer(200, body)


def wants_count(call: Call) -> bool:
    return call.version[1] >= 45 and bool(read_flag(call, "with_count"))


def keys(*names: str, **others: str) -> Mapping[str, str]:
    """Names that are the field's own, and those that are not."""
    return {**{name: name for name in names}, **others}


def _order(call: Call, sort_keys: Mapping[str, str]) -> tuple[Order, ...]:
    """``sort=key:dir,key`` or ``sort_key`` with ``sort_dir``."""
    pairs = [part.strip().partition(":")[::2] for part in (call.param("sort") or "").split(",") if part.strip()]
    directions = [one for one in call.query.get("sort_dir", []) if one]
    for index, key in enumerate(one for one in call.query.get("sort_key", []) if one):
        pairs.append((key, directions[min(index, len(directions) - 1)] if directions else ""))
    for key, direction in pairs:
        if key not in sort_keys:
            raise BadRequest(f"Invalid input received: Sort key {key[:64]} is invalid.")
        if direction not in ("", "asc", "desc"):
            raise BadRequest(f"Invalid input received: Unknown sort direction {direction[:64]}, must be 'desc' or 'asc'.")
    return tuple(Order(sort_keys[key], direction != "asc") for key, direction in pairs)


def _text(call: Call, field: str, said: str, value: str) -> Condition:
    """``name~=part`` since 3.34."""
    if said.endswith("~") and call.version[1] >= 34:
        return Condition(field, value, "contains")
    return Condition(field, value)


def _pairs(text: str) -> dict[str, str]:
    """``{'key': 'value'}``, written as Python or as JSON."""
    try:
        found = json.loads(text)
    except ValueError:
        try:
            found = literal_eval(text) if len(text) < 4096 else None
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            found = None
    if not isinstance(found, dict):
        raise BadRequest(f"Invalid value for the filter metadata: {text[:80]}")
    return {str(name): str(value) for name, value in found.items()}


def _moments(call: Call, field: str, text: str) -> list[Moment]:
    """``gt:2026-01-01T00:00:00,lt:…`` since 3.60; before, a moment."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(gt|gte|lt|lte|eq|neq):(.+)", part) if call.version[1] >= 60 else None
        how, when = (match[1], match[2]) if match else ("eq", part)
        try:
            at = datetime.fromisoformat(when)
        except ValueError:
            raise BadRequest(f"Invalid time of {field}: {when[:64]}") from None
        found.append(
            Moment(field=field, comparison=_COMPARISONS[how], at=int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))
        )
    return found


def known_names(filters: Filters) -> Collection[str]:
    """What GET /resource_filters lists."""
    return sorted({*filters.texts, *filters.flags, *filters.numbers, "metadata", "created_at", "updated_at"})
