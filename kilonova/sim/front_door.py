"""The API's front door in this process: an ASGI application called without a socket, and its answer.

It knows one request at a time and whole bodies; it is not a general client.
"""

import json as text_json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from kilonova.sim.process import Process

PATIENCE_S = 60.0


class Application(Protocol):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Refused(Exception):
    """An answer that was expected to be a good one."""


class Answer:
    """`headers` by their names in small letters."""

    def __init__(self) -> None:
        self.status_code = 0
        self.headers: dict[str, str] = {}
        self.content = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return text_json.loads(self.content)

    def raise_for_status(self) -> "Answer":
        """Itself. Raises Refused for 4xx and 5xx."""
        if self.status_code >= 400:
            raise Refused(f"{self.status_code} {self.text}")
        return self


class FrontDoor:
    """With a `process`, the work is done there: it dies and stands still with it. `on_the_way` is waited for before and after."""

    def __init__(
        self, application: Application, process: Process | None = None, on_the_way: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._application, self._process, self._on_the_way = application, process, on_the_way
        self._open = True

    async def request(
        self, method: str, url: str, *, json: Any = None, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises ConnectionError when nobody listens or the connection is lost, TimeoutError when no answer comes."""
        if not self._open:
            raise ConnectionRefusedError("Nobody listens.")
        head = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        body = content
        if json is not None:
            body = text_json.dumps(json).encode()
            head.append((b"content-type", b"application/json"))
        head.append((b"host", b"cloud.simulated"))
        head.append((b"content-length", str(len(body)).encode()))
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "http_version": "1.1",
            "method": method.upper(),
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": head,
            "client": ("127.0.0.1", 1),
            "server": ("cloud.simulated", 80),
        }
        if self._on_the_way is not None:
            await self._on_the_way()
        work = self._exchange(scope, body)
        answer: Answer = await (work if self._process is None else self._process.serve(work, PATIENCE_S))
        if self._on_the_way is not None:
            await self._on_the_way()
        return answer

    async def get(self, url: str, **known: Any) -> Answer:
        return await self.request("GET", url, **known)

    async def post(self, url: str, **known: Any) -> Answer:
        return await self.request("POST", url, **known)

    async def put(self, url: str, **known: Any) -> Answer:
        return await self.request("PUT", url, **known)

    def close(self) -> None:
        """Nobody listens any more."""
        self._open = False

    async def _exchange(self, scope: Any, body: bytes) -> Answer:
        answer, parts, asked = Answer(), [], False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: dict[str, Any]) -> None:
            if event["type"] == "http.response.start":
                answer.status_code = event["status"]
                answer.headers = {bytes(name).decode().lower(): bytes(value).decode() for name, value in event["headers"]}
            elif event["type"] == "http.response.body":
                parts.append(event.get("body", b""))

        await self._application(scope, receive, send)
        answer.content = b"".join(parts)
        return answer
