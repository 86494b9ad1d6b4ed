"""Glance's own dialects of JSON patch, read from a request and applied to an image. Stores nothing."""

from typing import Any

from msgspec import Struct

from kilonova.api.call import Call
from kilonova.api.image.properties import has_property, with_property, without_property
from kilonova.errors import BadRequest, Conflict, UnsupportedMediaType
from kilonova.model.images import Image, Viewer

OLD_TYPE = "application/openstack-images-v2.0-json-patch"
NEW_TYPE = "application/openstack-images-v2.1-json-patch"
MOST_CHANGES = 512
_OPERATIONS = ("add", "replace", "remove")


class Change(Struct, frozen=True):
    """One operation on one top-level property."""

    operation: str
    name: str
    value: Any = None


def read_patch(call: Call) -> list[Change]:
    """The operations, in order. Raises UnsupportedMediaType, BadRequest."""
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (OLD_TYPE, NEW_TYPE):
        raise UnsupportedMediaType(f"Content type must be {NEW_TYPE} or {OLD_TYPE}.")
    body = call.json(object)
    if not isinstance(body, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    if len(body) > MOST_CHANGES:
        raise BadRequest(f"A patch has {MOST_CHANGES} operations at most.")
    return [_new_change(entry) if kind == NEW_TYPE else _old_change(entry) for entry in body]


def patched(image: Image, changes: list[Change], viewer: Viewer) -> Image:
    """Raises BadRequest, Forbidden, and Conflict for replacing or removing what is not there."""
    for change in changes:
        if change.operation == "remove":
            image = without_property(image, change.name)
            continue
        if change.operation == "replace" and not has_property(image, change.name):
            raise Conflict(f"Property {change.name} does not exist.")
        image = with_property(image, change.name, change.value, viewer)
    return image


def _new_change(entry: Any) -> Change:
    """``{"op": "replace", "path": "/name", "value": "x"}``"""
    if not isinstance(entry, dict):
        raise BadRequest("Operations must be JSON objects.")
    operation, path = entry.get("op"), entry.get("path")
    if operation not in _OPERATIONS:
        raise BadRequest("Unable to find a valid 'op' in a change: it must be add, replace or remove.")
    return _change(operation, path, entry)


def _old_change(entry: Any) -> Change:
    """``{"replace": "/name", "value": "x"}``"""
    if not isinstance(entry, dict):
        raise BadRequest("Operations must be JSON objects.")
    operations = [operation for operation in _OPERATIONS if operation in entry]
    if len(operations) != 1:
        raise BadRequest("Operation objects must contain exactly one member named add, replace or remove.")
    return _change(operations[0], entry[operations[0]], entry)


def _change(operation: str, path: Any, entry: dict[str, Any]) -> Change:
    if operation != "remove" and "value" not in entry:
        raise BadRequest(f"Operation '{operation}' requires a member named 'value'.")
    return Change(operation, _name_in(path), entry.get("value"))


def _name_in(path: Any) -> str:
    """The one property a JSON pointer names. Raises BadRequest for any other pointer."""
    if not isinstance(path, str):
        raise BadRequest("Unable to find 'path' in a change: it must be a string.")
    shown = path[:64]
    if not path.startswith("/") or path.endswith("/"):
        raise BadRequest(f"Pointer `{shown}` must start with a slash, and not end with one.")
    name = path[1:]
    if "/" in name:
        raise BadRequest(f"Invalid JSON pointer for this resource: '{shown}'")
    if "~" in name.replace("~0", "").replace("~1", ""):
        raise BadRequest(f"Pointer `{shown}` contains '~' that is not part of a recognized escape sequence.")
    return name.replace("~1", "/").replace("~0", "~")
