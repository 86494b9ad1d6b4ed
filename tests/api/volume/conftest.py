"""The volume service alone, over a real SQLite file, with tokens that say who is asking, and a volume node played by the test."""

from collections.abc import AsyncIterator, Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import httpx
import pytest

from kilonova.api.server import application
from kilonova.api.volume.service import SERVICE
from kilonova.api.world import ApiWorld
from kilonova.ledger.ledger import SqliteLedger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_ends import note_volume_work
from kilonova.lifecycle.volume_work import VolumeOrder, VolumeWorkDone
from kilonova.model.images import Content, Image, ImageStatus, Visibility
from kilonova.model.volume_wish import VolumeTerms
from tests.api.network.conftest import Clock, NamedTokens
from tests.fresh_ledger import fresh_ledger

FAR = 2_000_000_000.0
MISSING_ID = "11111111-1111-1111-1111-111111111111"
NODE = "cellar"
LATEST = {"OpenStack-API-Version": "volume latest"}


class Client:
    """Requests of one caller, in the newest version unless another is named."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http, self._token = http, token

    async def call(self, method: str, path: str, body: Any = None, version: str = "latest", **more: Any) -> httpx.Response:
        headers = {"X-Auth-Token": self._token, "OpenStack-API-Version": f"volume {version}"}
        if body is not None:
            more["json"] = body
        return await self._http.request(method, f"/volume{path}", headers=headers, **more)

    async def ok(self, method: str, path: str, body: Any = None, *, status: int = 0, **more: Any) -> Any:
        answer = await self.call(method, f"/v3{path}", body, **more)
        wanted = status or {"GET": 200, "POST": 202, "PUT": 200, "DELETE": 202}[method]
        assert answer.status_code == wanted, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None, *, status: int, **more: Any) -> str:
        """The error's message, out of Cinder's form."""
        answer = await self.call(method, f"/v3{path}", body, **more)
        assert answer.status_code == status, answer.text
        ((name, error),) = answer.json().items()
        names = {400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 406: "notAcceptable"}
        names |= {409: "conflictingRequest", 413: "overLimit", 501: "notImplemented"}
        assert (name, error["code"]) == (names[status], status)
        assert status != 413 or error["retryAfter"] == "0"
        return str(error["message"])

    async def volume(self, size: int | None = 1, **said: Any) -> dict[str, Any]:
        body = {"volume": {**({} if size is None else {"size": size}), **said}}
        made: dict[str, Any] = (await self.ok("POST", "/volumes", body))["volume"]
        return made

    async def snapshot(self, volume_id: str, **said: Any) -> dict[str, Any]:
        made: dict[str, Any] = (await self.ok("POST", "/snapshots", {"snapshot": {"volume_id": volume_id, **said}}))["snapshot"]
        return made

    async def shown(self, noun: str, thing_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ok("GET", f"/{noun}s/{thing_id}"))[noun]
        return found

    async def act(self, volume_id: str, action: str, said: Any = None, status: int = 202, **more: Any) -> Any:
        return await self.ok("POST", f"/volumes/{volume_id}/action", {action: said}, status=status, **more)


class Node:
    """A volume node that does what it is told when the test says so."""

    def __init__(self, world: ApiWorld, ledger: SqliteLedger) -> None:
        self._world, self.ledger = world, ledger

    async def is_up(self, name: str = NODE, until: float = FAR) -> None:
        await self.ledger.write(lambda tx: tx.hosts.heard_of(name, "volume", until))

    async def orders(self) -> list[VolumeOrder]:
        """What lies in its queue."""
        return list(await self.ledger.read(lambda tx: tx.orders.overdue_volumes(FAR)))

    async def work(self, failed: str = "") -> list[str]:
        """It says its last word on everything, until there is nothing more; the kinds of work it did."""
        done: list[str] = []
        while orders := await self.orders():
            for order in orders:
                await self.says(order, failed)
                done.append(order.work)
        return done

    async def says(self, order: VolumeOrder, failed: str = "") -> None:
        word = VolumeWorkDone(
            work_id=order.work_id, work=order.work, volume_id=order.volume_id, node=order.node, at=1.0, failed=failed
        )
        await self.ledger.write(lambda tx: note_volume_work(word, self.world(tx)))

    def world(self, tx: Transaction) -> VolumeWorld:
        return VolumeWorld(books=tx, terms=VolumeTerms(now=self._world.now(), ticket=lambda image, node, until: "t"))

    async def has_image(self, project: str = "p-alice", **more: Any) -> str:
        """An active image of 2 GiB, with its bytes."""
        content = Content(size=1 << 20, virtual_size=2 << 30, format="qcow2", md5="m5", sha256="s2", sha512="s5")
        said: dict[str, Any] = {"name": "img", "status": ImageStatus.ACTIVE, "disk_format": "qcow2", "container_format": "bare"}
        image = Image(
            id=more.pop("id", MISSING_ID), owner=project, content=content, visibility=Visibility.PRIVATE, **(said | more)
        )
        await self.ledger.write(lambda tx: tx.images.add(image))
        return image.id


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ApiWorld]:
    ledger = SqliteLedger(fresh_ledger(tmp_path / "ledger.db"))
    await ledger.write(lambda tx: tx.volumes.types.ensure_default(1.0))
    unused: dict[str, Any] = {part.name: None for part in fields(ApiWorld) if part.default is MISSING}
    unused = {name: None for name in unused if name != "ratios"}
    parts = {"ledger": ledger, "tokens": NamedTokens(), "public_url": "http://cloud", "region": "here", "now": Clock()}
    yield ApiWorld(**(unused | parts))
    await ledger.close()


@pytest.fixture
async def node(world: ApiWorld) -> Node:
    """One that is up."""
    ledger: Any = world.ledger
    made = Node(world, ledger)
    await made.is_up()
    return made


@pytest.fixture
async def as_(world: ApiWorld) -> AsyncIterator[Callable[[str], Client]]:
    app: Any = application(world, [SERVICE])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cloud") as http:
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
