"""The network service alone, over a real SQLite file, with tokens that say who is asking."""

from collections.abc import AsyncIterator, Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from kilonova.api.network.service import SERVICE
from kilonova.api.server import application
from kilonova.api.world import ApiWorld
from kilonova.errors import NotAuthenticated
from kilonova.ledger.ledger import SqliteLedger
from kilonova.model.caller import Caller
from tests.fresh_ledger import fresh_ledger

MEMBER = frozenset({"member", "reader"})
CALLERS = {
    "alice": Caller(user_id="u1", user_name="alice", project_id="p-alice", roles=MEMBER),
    "bob": Caller(user_id="u2", user_name="bob", project_id="p-bob", roles=MEMBER),
    "reader": Caller(user_id="u3", user_name="rita", project_id="p-alice", roles=frozenset({"reader"})),
    "admin": Caller(user_id="u4", user_name="admin", project_id="p-admin", roles=MEMBER | {"admin", "manager"}),
}


class NamedTokens:
    """A token is a name of the table above."""

    async def caller(self, token: str) -> Caller:
        if token not in CALLERS:
            raise NotAuthenticated()
        return CALLERS[token]

    def issue(self, caller: Caller) -> str:
        return caller.user_name


class Clock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        self.time += 1.0
        return self.time


class Client:
    """Requests of one caller; `ok` answers with the body and fails the test on any other status."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"X-Auth-Token": token}

    async def call(
        self, method: str, path: str, body: Any = None, extra: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """`extra` are more headers."""
        if body is not None:
            more["json"] = body
        return await self._http.request(method, f"/network{path}", headers=self._headers | (extra or {}), **more)

    async def ok(self, method: str, path: str, body: Any = None, *, status: int = 0, **more: Any) -> Any:
        answer = await self.call(method, path, body, **more)
        wanted = status or {"GET": 200, "POST": 201, "PUT": 200, "DELETE": 204}[method]
        assert answer.status_code == wanted, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None, *, status: int, kind: str = "", **more: Any) -> str:
        """The error's message."""
        answer = await self.call(method, path, body, **more)
        assert answer.status_code == status, answer.text
        error = answer.json()["NeutronError"]
        assert set(error) == {"type", "message", "detail"}
        assert not kind or error["type"] == kind, error
        return str(error["message"])

    async def network(self, **said: Any) -> dict[str, Any]:
        made: dict[str, Any] = (await self.ok("POST", "/v2.0/networks", {"network": said}))["network"]
        return made

    async def subnet(self, network_id: str, cidr: str = "10.1.0.0/24", **said: Any) -> dict[str, Any]:
        body = {"network_id": network_id, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4, **said}
        made: dict[str, Any] = (await self.ok("POST", "/v2.0/subnets", {"subnet": body}))["subnet"]
        return made

    async def port(self, network_id: str, **said: Any) -> dict[str, Any]:
        made: dict[str, Any] = (await self.ok("POST", "/v2.0/ports", {"port": {"network_id": network_id, **said}}))["port"]
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    ledger = SqliteLedger(fresh_ledger(tmp_path / "ledger.db"))
    unused: dict[str, Any] = {part.name: None for part in fields(ApiWorld) if part.default is MISSING}
    parts = {"ledger": ledger, "tokens": NamedTokens(), "public_url": "http://cloud", "region": "here", "now": Clock()}
    yield ApiWorld(**(unused | parts))
    await ledger.close()


@pytest.fixture
async def as_(world: ApiWorld) -> AsyncIterator[Callable[[str], Client]]:
    app: Any = application(world, [SERVICE])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud") as http:
        yield lambda token: Client(http, token)


@pytest.fixture
def alice(as_: Callable[[str], Client]) -> Client:
    return as_("alice")


@pytest.fixture
def bob(as_: Callable[[str], Client]) -> Client:
    return as_("bob")


@pytest.fixture
def admin(as_: Callable[[str], Client]) -> Client:
    return as_("admin")
