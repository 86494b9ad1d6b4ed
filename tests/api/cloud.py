"""The whole API in this process: every service that is there, on a real SQLite ledger, with real tokens. No node, no socket."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import MISSING, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import httpx

from kilonova.api.identity.bootstrap import bootstrap
from kilonova.api.passwords import Argon2
from kilonova.api.server import application
from kilonova.api.service import Service
from kilonova.api.tokens import FernetTokens, open_keys
from kilonova.api.world import ApiWorld
from kilonova.drivers.imagestore.files import FileStore
from kilonova.ledger.ledger import SqliteLedger
from tests.fresh_ledger import fresh_ledger

URL = "http://cloud.test"
REGION = "RegionOne"
PASSWORD = "let-me-in"
SERVICES = ("identity", "compute", "image", "network", "placement", "volume")


@dataclass
class CloudApi:
    """`get`, `post`, … send with the admin's token unless another is named (None: without any); paths begin with the service."""

    app: Any
    world: ApiWorld
    ledger: SqliteLedger
    client: httpx.AsyncClient
    admin_id: str
    admin_project_id: str
    admin_token: str = ""
    known: dict[str, str] = field(default_factory=dict)

    async def send(self, method: str, path: str, token: str | None = "", **more: Any) -> httpx.Response:
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["x-auth-token"] = token or self.admin_token
        return await self.client.request(method, path, headers=headers, **more)

    async def get(self, path: str, token: str | None = "", **more: Any) -> httpx.Response:
        return await self.send("GET", path, token, **more)

    async def post(self, path: str, json: Any, token: str | None = "", **more: Any) -> httpx.Response:
        return await self.send("POST", path, token, json=json, **more)

    async def put(self, path: str, json: Any = None, token: str | None = "", **more: Any) -> httpx.Response:
        return await self.send("PUT", path, token, **(more if json is None else more | {"json": json}))

    async def patch(self, path: str, json: Any, token: str | None = "", **more: Any) -> httpx.Response:
        return await self.send("PATCH", path, token, json=json, **more)

    async def delete(self, path: str, token: str | None = "", **more: Any) -> httpx.Response:
        return await self.send("DELETE", path, token, **more)

    async def sign_in(self, name: str, password: str = PASSWORD, scope: Any = None) -> httpx.Response:
        """The answer to a request for a token by password, in the default domain."""
        user = {"name": name, "domain": {"id": "default"}, "password": password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if scope is not None:
            auth["scope"] = scope
        return await self.post("/identity/v3/auth/tokens", {"auth": auth}, None)

    async def make(self, noun: str, **fields: Any) -> dict[str, Any]:
        """A domain, project, user, group, role, … made by the admin."""
        answer = await self.post(f"/identity/v3/{noun}s", {noun: fields})
        assert answer.status_code == 201, answer.text
        return cast(dict[str, Any], answer.json()[noun])

    async def role_id(self, name: str) -> str:
        answer = await self.get("/identity/v3/roles", params={"name": name})
        return str(answer.json()["roles"][0]["id"])

    async def tenant(self, name: str, role: str = "member") -> tuple[str, str]:
        """A user and a project of this name, with the role: (token scoped to the project, project id)."""
        project = await self.make("project", name=name)
        user = await self.make("user", name=name, password=PASSWORD)
        path = f"/identity/v3/projects/{project['id']}/users/{user['id']}/roles/{await self.role_id(role)}"
        assert (await self.put(path)).status_code == 204
        answer = await self.sign_in(name, scope={"project": {"id": project["id"]}})
        assert answer.status_code == 201, answer.text
        return answer.headers["x-subject-token"], str(project["id"])


def present_services(names: Sequence[str] = SERVICES) -> list[Service]:
    """Those services whose room is furnished already."""
    found: list[Service] = []
    for name in names:
        module = f"kilonova.api.{name}.service"
        try:
            found.append(import_module(module).SERVICE)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
    return found


@asynccontextmanager
async def running_cloud(folder: Path, services: Sequence[Service] | None = None, **world: Any) -> AsyncIterator[CloudApi]:
    """`services` None: all there are. `world` sets fields of the ApiWorld (``servers=desk``); those not known here are None."""
    ledger = SqliteLedger(fresh_ledger(folder / "ledger.db"))
    clock = world.get("now", time.time)
    passwords = Argon2(memory_kib=64, rounds=1)
    hashed = await passwords.hash(PASSWORD)
    parts: dict[str, Any] = {part.name: None for part in fields(ApiWorld) if part.default is MISSING} | {
        "ledger": ledger,
        "tokens": FernetTokens(open_keys(folder / "token.keys"), cast(Any, ledger), clock),
        "passwords": passwords,
        "images": FileStore(folder / "images"),
        "public_url": URL,
        "region": REGION,
        "now": clock,
    }
    api_world = ApiWorld(**(parts | world))
    first = await ledger.write(
        lambda books: bootstrap(books, admin_password_hash=hashed, public_url=api_world.public_url, region=REGION)
    )
    app = application(api_world, present_services() if services is None else services)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=cast(Any, app)), base_url=URL)
    cloud = CloudApi(app, api_world, ledger, client, first.user_id, first.project_id)
    answer = await cloud.sign_in("admin", scope={"project": {"id": first.project_id}})
    assert answer.status_code == 201, answer.text
    cloud.admin_token = answer.headers["x-subject-token"]
    try:
        yield cloud
    finally:
        await client.aclose()
        await ledger.close()
