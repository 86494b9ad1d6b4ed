"""Reads Keystone's request bodies: the object under its key, its known fields checked, the rest kept as it is. Knows no noun."""

from typing import Any, TypeVar

import msgspec

from kilonova.api.call import Call
from kilonova.errors import BadRequest

Shape = TypeVar("Shape", bound=msgspec.Struct)
MAX_EXTRA = 64 * 1024
"""Bytes of what is kept without being understood."""
MAX_DEPTH = 16


def read_object(call: Call, key: str, shape: type[Shape]) -> tuple[Shape, dict[str, Any]]:
    """``{key: {…}}`` as `shape`, and the fields `shape` does not know. Raises BadRequest in Keystone's words."""
    inner = call.json(dict[str, Any]).get(key)
    if not isinstance(inner, dict):
        raise BadRequest(
            f"Expecting to find {key} in request body. The server could not comply with the request since it is either "
            "malformed or otherwise incorrect. The client is assumed to be in error."
        )
    try:
        known = msgspec.convert(inner, shape)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None
    return known, _storable({name: value for name, value in inner.items() if name not in shape.__struct_fields__})


def given(shape: msgspec.Struct) -> dict[str, Any]:
    """The fields of a body that were in it; those whose value is null become empty text."""
    fields = msgspec.structs.asdict(shape)
    return {name: "" if value is None else value for name, value in fields.items() if value is not msgspec.UNSET}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with `new` put over it; null takes a field away."""
    return {name: value for name, value in (old | new).items() if value is not None}


def _storable(extra: dict[str, Any]) -> dict[str, Any]:
    if not extra:
        return extra
    if _depth(extra) > MAX_DEPTH:
        raise BadRequest("The request body is nested too deeply.")
    try:
        size = len(msgspec.msgpack.encode(extra))
    except OverflowError:
        raise BadRequest("A number in the request body is too large.") from None
    if size > MAX_EXTRA:
        raise BadRequest("The request body has too much data that is not part of the resource.")
    return extra


def _depth(value: Any) -> int:
    """Levels of nesting, counted without recursion."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return depth
