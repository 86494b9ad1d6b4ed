"""Scheduler hints of a POST /servers, their form checked. What they do is the scheduler's."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kilonova.api.compute.asking import ip_text, text, uuid_text
from kilonova.api.compute.schemas import NewServer
from kilonova.errors import BadRequest

MAX_HINTS = 64
_CIDR = re.compile(r"/[0-9a-f.:]+")


def scheduler_hints(asked: NewServer) -> dict[str, Any]:
    """As they were sent, under the newer name or the older. Raises BadRequest."""
    hints = asked.hints or asked.old_hints
    if len(hints) > MAX_HINTS:
        raise BadRequest(f"Invalid input for field/attribute os:scheduler_hints: there are more than {MAX_HINTS}.")
    for name, value in hints.items():
        check = CHECKS.get(name)
        if check is not None:
            check(name, value)
    return hints


def _one_uuid(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(name)
    uuid_text(value, name)


def _uuids(name: str, value: Any) -> None:
    for one in value if isinstance(value, list) else [value]:
        _one_uuid(name, one)


def _query(name: str, value: Any) -> None:
    if not isinstance(value, str | dict | list):
        raise _wrong(name)


def _name(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(name)
    text(value, name)


def _names(name: str, value: Any) -> None:
    if not isinstance(value, str) and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise _wrong(name)


def _ip(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise _wrong(name)
    ip_text(value, name, 6 if ":" in value else 4)


def _cidr(name: str, value: Any) -> None:
    if not isinstance(value, str) or _CIDR.fullmatch(value) is None:
        raise _wrong(name)


def _wrong(name: str) -> BadRequest:
    return BadRequest(f"Invalid input for field/attribute {name}: it is not of the form that this hint has.")


CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "group": _one_uuid,
    "different_host": _uuids,
    "same_host": _uuids,
    "query": _query,
    "target_cell": _name,
    "different_cell": _names,
    "build_near_host_ip": _ip,
    "cidr": _cidr,
}
