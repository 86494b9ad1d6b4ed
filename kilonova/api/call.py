"""One HTTP request as a handler sees it, and the answer it gives. Knows no framework and no service."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from kilonova.api.world import ApiWorld
from kilonova.errors import BadRequest, NotAuthenticated
from kilonova.model.caller import Caller

Body = TypeVar("Body")
MAX_BODY = 2 * 1024 * 1024
"""Bytes of a JSON body that are read at most; user-data, the largest honest part of one, is 64 KiB."""


@dataclass(slots=True)
class Call:
    """A request: everything a handler may look at.

    `path` holds the path's parameters; `query` every query parameter, each with all its values;
    `headers` has lower-case names; `version` is the microversion as (major, minor), (0, 0) where a service has none.
    """

    world: ApiWorld
    method: str
    url_path: str
    path: dict[str, str]
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    request_id: str
    read_body: Callable[[], Awaitable[bytes]]
    stream_body: Callable[[], AsyncIterator[bytes]]
    content_length: int | None = None
    slash: bool = False
    """The path ended with a slash, which `url_path` no longer has: some services tell ``/things/`` from ``/things``."""
    started: float = 0.0
    """Unix time at which the first byte of the request was seen."""
    caller: Caller | None = None
    version: tuple[int, int] = (0, 0)
    body: bytes = b""

    @property
    def who(self) -> Caller:
        """The authenticated caller; the right table says which routes do without one."""
        if self.caller is None:
            raise NotAuthenticated()
        return self.caller

    def param(self, name: str) -> str | None:
        """The last value of a query parameter, or None."""
        values = self.query.get(name)
        return values[-1] if values else None

    def json(self, shape: type[Body]) -> Body:
        """The body as `shape` (a msgspec Struct or any type msgspec knows). Raises BadRequest with what is wrong, and where."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.ValidationError as wrong:
            raise BadRequest(f"Invalid input: {wrong}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
            raise BadRequest(f"Malformed JSON in request body: {wrong}") from None


@dataclass(slots=True)
class Answer:
    """What goes back: `body` is encoded as JSON unless it is bytes (sent as they are) or None; `stream` wins over `body`."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    stream: AsyncIterator[bytes] | None = None


Handler = Callable[[Call], Awaitable[Answer]]
Routes = Mapping[str, Mapping[str, Handler]]
"""Path below the service's mount point (``/v2.1/servers/{server_id}``) → HTTP method → function."""
