"""Requests as no client library would send them: any bytes, half a body, and what came back."""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANSWER_WITHIN_S = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def reason(self) -> str:
        """What an error body of any of the services says; fails where there is none."""
        body = self.body
        if "errors" in body:
            return str(body["errors"][0]["detail"])
        if "NeutronError" in body:
            return str(body["NeutronError"]["message"])
        if "message" in body:
            return str(body["message"])
        (inner,) = body.values()
        return str(inner["message"])


@dataclass(frozen=True)
class Wire:
    """A server at `listen` (HOST:PORT); every request has a connection of its own."""

    listen: str

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Names of headers with _ for -."""
        host, _, port = self.listen.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_WITHIN_S)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def pour(self, raw: bytes, *, close_writing: bool = False, pause_s: float = 0.0) -> bytes:
        """These very bytes, in two halves with a pause between them; everything that is answered until the other side closes."""
        host, _, port = self.listen.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN_S) as connection:
            connection.sendall(raw[: len(raw) // 2])
            time.sleep(pause_s)
            answer = b""
            try:
                connection.sendall(raw[len(raw) // 2 :])
                if close_writing:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    answer += part
            except OSError:
                pass  # it may hang up on nonsense
            return answer


def log_in(wire: Wire, name: str, password: str, project: str) -> str:
    """A token for this project of the default domain."""
    user = {"name": name, "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = wire.send("POST", "/identity/v3/auth/tokens", json.dumps(body).encode(), Content_Type="application/json")
    assert answer.status == 201, answer
    return answer.headers["x-subject-token"]
