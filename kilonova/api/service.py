"""One OpenStack service as this program mounts it: where, which routes, which rights, how its errors look."""

from collections.abc import Callable
from dataclasses import dataclass

from kilonova.api.call import Answer, Call, Routes
from kilonova.api.rights import Rights

ErrorBody = Callable[[int, str, str | None, str], object]
"""(status, message, kind, request id) → the JSON body this service's clients know."""


@dataclass(frozen=True)
class Service:
    """`mount` is the path prefix (``/compute``); `negotiate` sets `call.version`, or raises BadRequest or NotAcceptable."""

    name: str
    mount: str
    routes: Routes
    rights: Rights
    error_body: ErrorBody
    negotiate: Callable[[Call], None] | None = None
    finish: Callable[[Call, Answer], None] | None = None
    """Adds the headers that every answer of this service carries (microversion, Vary)."""
    exact: bool = False
    """A path with a slash at its end, below the versions, is no path of this service: an empty id is not the list."""
    types: tuple[str, ...] = ()
    """Its types in the catalogue, aliases included, as access rules name them; empty: its name alone."""
