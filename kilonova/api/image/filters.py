"""The query of an image list as an ImageQuestion. What is malformed is a BadRequest that names the parameter."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, get_args

import msgspec

from kilonova.api.call import Call
from kilonova.api.image.access import viewer_of
from kilonova.api.image.properties import text_problem
from kilonova.api.paging import as_flag
from kilonova.errors import BadRequest
from kilonova.model.images import ImageQuestion, MemberStatus, Moment, Visibility
from kilonova.model.page import Condition, Order, Page

DEFAULT_LIMIT = 25
MOST = 1000
LARGEST_NUMBER = 2**63 - 1
_Comparison = Literal["gt", "gte", "lt", "lte", "eq", "neq"]
_PAGING = frozenset(("limit", "marker", "sort", "sort_key", "sort_dir"))
_IN = {"id": "id", "name": "name", "status": "status", "disk_format": "disk_format", "container_format": "container_format"}
"""Parameters that take ``in:a,b`` → fields."""
_EXACT = {"owner": "owner", "checksum": "md5", "os_hash_value": "sha512"}
_NUMBERS = ("min_disk", "min_ram", "size")
_FLAGS = ("protected",)
_SORT_KEYS = frozenset(
    ("id", "name", "status", "disk_format", "container_format", "size", "min_disk", "min_ram", "visibility")
) | {"protected", "owner", "created_at", "updated_at"}
_LINKS = frozenset(("self", "file", "schema", "first", "next", "direct_url"))


def read_question(call: Call) -> ImageQuestion:
    """Every parameter means something: what no filter knows is the name of an additional property."""
    question = ImageQuestion(viewer=viewer_of(call), page=_page(call))
    hidden = False
    for name, values in call.query.items():
        if any(text_problem(text) for text in (name, *values)):
            raise BadRequest(f"Invalid input for query parameter {name[:64]!r}.")
        if name in _PAGING or not values:
            continue
        if name == "os_hidden":
            hidden = as_flag(name, values[-1])
        else:
            question = _filtered(question, name, values)
    return msgspec.structs.replace(question, where=(*question.where, Condition("os_hidden", hidden)))


def _filtered(question: ImageQuestion, name: str, values: list[str]) -> ImageQuestion:
    replace = msgspec.structs.replace
    value = values[-1]
    if name in _SPECIAL:
        return _SPECIAL[name](question, values)
    if name in _IN:
        return replace(question, where=(*question.where, _in_condition(_IN[name], value)))
    if name in _EXACT:
        return replace(question, where=(*question.where, Condition(_EXACT[name], value)))
    if name in _NUMBERS:
        return replace(question, where=(*question.where, Condition(name, _number(name, value))))
    if name in _FLAGS:
        return replace(question, where=(*question.where, Condition(name, as_flag(name, value))))
    if name in ("created_at", "updated_at"):
        return replace(question, moments=(*question.moments, *(_moment(name, text) for text in values)))
    if name in _LINKS:
        raise BadRequest(f"Unable to filter by {name}.")
    return replace(question, properties={**question.properties, name: value})


def _by_visibility(question: ImageQuestion, values: list[str]) -> ImageQuestion:
    known = ("all", *(kind.value for kind in Visibility))
    if values[-1] not in known:
        raise BadRequest(f"Invalid visibility value: it must be one of {', '.join(known)}.")
    return msgspec.structs.replace(question, visibility=values[-1])


def _by_member_status(question: ImageQuestion, values: list[str]) -> ImageQuestion:
    known = ("all", *(status.value for status in MemberStatus))
    if values[-1] not in known:
        raise BadRequest(f"Invalid member_status value: it must be one of {', '.join(known)}.")
    return msgspec.structs.replace(question, member_status=values[-1])


def _by_size_min(question: ImageQuestion, values: list[str]) -> ImageQuestion:
    return msgspec.structs.replace(question, size_min=_number("size_min", values[-1]))


def _by_size_max(question: ImageQuestion, values: list[str]) -> ImageQuestion:
    return msgspec.structs.replace(question, size_max=_number("size_max", values[-1]))


def _by_tag(question: ImageQuestion, values: list[str]) -> ImageQuestion:
    return msgspec.structs.replace(question, tags=tuple(values))


_SPECIAL: dict[str, Callable[[ImageQuestion, list[str]], ImageQuestion]] = {
    "visibility": _by_visibility,
    "member_status": _by_member_status,
    "size_min": _by_size_min,
    "size_max": _by_size_max,
    "tag": _by_tag,
}


def _in_condition(field: str, text: str) -> Condition:
    """``in:a,"b, c"`` or just a value."""
    if not text.startswith("in:"):
        return Condition(field, text.removeprefix("eq:"))
    try:
        rows = list(csv.reader([text.removeprefix("in:")], strict=True))
    except csv.Error:
        raise BadRequest(f"Invalid filter value for {field}: the quotation marks do not match.") from None
    return Condition(field, tuple(rows[0]) if rows else (), "in")


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST_NUMBER):
        raise BadRequest(f"Invalid input for query parameter {name}: it must be a whole number of 0 or more.")
    return int(text)


def _moment(field: str, text: str) -> Moment:
    """``gt:2016-04-18T21:38:54Z``; without an operator it means the same second."""
    comparison, colon, rest = text.partition(":")
    known: tuple[_Comparison, ...] = get_args(_Comparison)
    for name in known:
        if colon and name == comparison:
            return Moment(field=field, comparison=name, at=_time(field, rest))
    return Moment(field=field, comparison="eq", at=_time(field, text))


def _time(field: str, text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise BadRequest(f"Invalid time for {field}: it must be in ISO 8601 format, with an operator before it if any.") from None


def _page(call: Call) -> Page:
    limit = call.param("limit")
    marker = call.param("marker")
    if marker is not None and text_problem(marker):
        raise BadRequest("Invalid marker.")
    size = DEFAULT_LIMIT if limit is None else min(_number("limit", limit), MOST)
    return Page(limit=size, marker=marker, order=_order(call))


def _order(call: Call) -> tuple[Order, ...]:
    """Glance sorts downwards unless told otherwise, newest first unless told otherwise."""
    keys, directions = call.query.get("sort_key", []), call.query.get("sort_dir", [])
    both = call.param("sort")
    if both is not None:
        if keys or directions:
            raise BadRequest("sort cannot be combined with sort_key or sort_dir.")
        parts = [part.strip().partition(":") for part in both.split(",")]
        return _finished([(key, direction or "desc") for key, _, direction in parts])
    if len(directions) > max(len(keys), 1):
        raise BadRequest("There are more sort directions than sort keys.")
    keys = keys or ["created_at"]
    given = (directions or ["desc"]) + [(directions or ["desc"])[-1]] * len(keys)
    return _finished(list(zip(keys, given, strict=False)))


def _finished(pairs: list[tuple[str, str]]) -> tuple[Order, ...]:
    """Ends with created_at and id, so that the order is the same each time."""
    for key, direction in pairs:
        if key not in _SORT_KEYS:
            raise BadRequest(f"Unable to sort by {key[:64]}: it must be one of {', '.join(sorted(_SORT_KEYS))}.")
        if direction not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort direction {direction[:64]}: it must be asc or desc.")
    chosen = dict(reversed(pairs))
    ordered = list(dict.fromkeys(key for key, _ in pairs)) + [key for key in ("created_at", "id") if key not in chosen]
    return tuple(Order(key, chosen.get(key, pairs[0][1]) == "desc") for key in ordered)
