"""Bodies of the network API: read into the model's wishes, or refused in Neutron's words. Knows no rule but types and names."""

import re
from typing import Any, TypeVar

import msgspec

from kilonova.api.call import Call
from kilonova.errors import BadRequest

Shape = TypeVar("Shape")

MOST_AT_ONCE = 200
"""Things of one bulk request; a transaction that makes more would keep everyone else waiting."""
_FIELD = re.compile(r"`([^`]*)`")


def read_one(call: Call, noun: str, shape: type[Shape]) -> Shape:
    """The body ``{noun: {…}}`` as `shape`. Raises BadRequest."""
    return _convert(_envelope(call, noun), shape)


def read_one_or_many(call: Call, noun: str, nouns: str, shape: type[Shape]) -> tuple[list[Shape], bool]:
    """The wishes, and whether they came in bulk (``{nouns: […]}``)."""
    whole = _object(call)
    if nouns not in whole:
        return [_convert(_envelope(call, noun), shape)], False
    items = whole[nouns]
    if not isinstance(items, list) or not items or len(whole) != 1:
        raise _bad(f"'{nouns}' must be a list that is not empty, and stand alone")
    if len(items) > MOST_AT_ONCE:
        raise _bad(f"At most {MOST_AT_ONCE} {nouns} can be made at once")
    return [_convert(item, shape) for item in items], True


def read_whole(call: Call, shape: type[Shape]) -> Shape:
    """A body that has no envelope, as the tags have."""
    return _convert(_object(call), shape)


def _object(call: Call) -> dict[str, Any]:
    whole = call.json(object)
    if not isinstance(whole, dict):
        raise _bad("The body must be an object")
    return whole


def _envelope(call: Call, noun: str) -> Any:
    whole = _object(call)
    if noun not in whole:
        raise _bad(f"Unable to find '{noun}' in request body")
    if len(whole) != 1:
        raise _bad(f"Nothing may stand beside '{noun}' in the request body")
    return whole[noun]


def _convert(value: Any, shape: type[Shape]) -> Shape:
    """Neutron takes "true" for true and "4" for 4, so this does."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as wrong:
        message = str(wrong)
        unknown = _FIELD.search(message) if "unknown field" in message else None
        if unknown:
            raise _bad(f"Unrecognized attribute(s) '{unknown[1]}'") from None
        missing = _FIELD.search(message) if "missing required field" in message else None
        if missing:
            raise _bad(f"Failed to parse request. Required attribute '{missing[1]}' not specified") from None
        raise _bad(f"Invalid input: {message}") from None


def _bad(message: str) -> BadRequest:
    return BadRequest(message, kind="HTTPBadRequest")
