"""A client of the compute API that costs as little as a client in Python can: one kept-alive connection, no retries."""

import http.client
import json
from collections.abc import Mapping
from typing import Any


class Refused(RuntimeError):
    """An answer of 400 and above."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Client:
    """One connection with a token. `send` raises Refused for an answer of 400 and above."""

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=120)
        self._headers = {"Content-Type": "application/json", "X-Auth-Token": token}
        self.headers: Mapping[str, str] = {}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The decoded answer, None where there is no body."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        self._connection.request(method, path, data, {**self._headers, **headers})
        answer = self._connection.getresponse()
        raw = answer.read()
        self.headers = answer.headers
        if answer.status >= 400:
            raise Refused(answer.status, f"{method} {path}: {answer.status} {raw[:300]!r}")
        return json.loads(raw) if raw else None

    def log_in(self, password: str) -> None:
        """As admin, in its project."""
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
        self.send("POST", "/identity/v3/auth/tokens", {"auth": auth})
        self._headers["X-Auth-Token"] = self.headers["X-Subject-Token"]

    def close(self) -> None:
        """Hang up; the next `send` makes a new connection."""
        self._connection.close()

    @property
    def token(self) -> str:
        return self._headers["X-Auth-Token"]
