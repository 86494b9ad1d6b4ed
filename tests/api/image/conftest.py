"""An image service on a real SQLite file and a real store, in this process; nothing else of the cloud."""

import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import pytest
from sqlalchemy import Connection

from kilonova.api.image.service import SERVICE
from kilonova.api.server import application
from kilonova.api.world import ApiWorld
from kilonova.drivers.imagestore.files import FileStore
from kilonova.errors import NotAuthenticated
from kilonova.ledger.engine import open_engine
from kilonova.ledger.image_tables import image_members, image_properties, image_tags, images
from kilonova.ledger.image_tasks import image_tasks
from kilonova.ledger.images import Images
from kilonova.ledger.schema import metadata
from kilonova.model.caller import Caller

Result = TypeVar("Result")
LARGEST = 300 * 1024 * 1024
TABLES = [images, image_tags, image_properties, image_members, image_tasks]
ROLES = {"admin": ("admin", "manager", "member", "reader"), "member": ("member", "reader"), "reader": ("reader",)}


class OnlyImages:
    """A transaction in which only the book of images is open."""

    def __init__(self, connection: Connection) -> None:
        self.images = Images(connection)


class OneLedger:
    """One connection, one change at a time."""

    def __init__(self, path: Path) -> None:
        engine = open_engine(f"sqlite:///{path}")
        self.connection = engine.connect()
        metadata.create_all(engine, tables=TABLES)

    def close(self) -> None:
        self.connection.close()
        self.connection.engine.dispose()

    async def read(self, question: Callable[[Any], Result]) -> Result:
        return question(OnlyImages(self.connection))

    async def write(self, change: Callable[[Any], Result]) -> Result:
        self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            result = change(OnlyImages(self.connection))
        except BaseException:
            self.connection.exec_driver_sql("ROLLBACK")
            raise
        self.connection.exec_driver_sql("COMMIT")
        return result


class OpenTokens:
    """A token is `role:project`."""

    async def caller(self, token: str) -> Caller:
        role, _, project = token.partition(":")
        if role not in ROLES:
            raise NotAuthenticated()
        return Caller(user_id=f"user-{project}", user_name=project, project_id=project, roles=frozenset(ROLES[role]))

    def issue(self, caller: Caller) -> str:
        raise NotImplementedError

    def forget(self) -> None:
        raise NotImplementedError


@dataclass
class ImageCloud:
    app: Any
    world: ApiWorld
    ledger: OneLedger
    store: FileStore
    folder: Path

    def client(self, role: str = "member", project: str = "alice") -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://cloud.test/image",
            headers={"x-auth-token": f"{role}:{project}"},
        )

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())


def image_cloud(folder: Path) -> ImageCloud:
    """What is in `folder` comes back when this is called again, as after a restart."""
    ledger = OneLedger(folder / "ledger.db")
    store = FileStore(folder / "images", largest=LARGEST)
    nobody = cast(Any, None)
    world = ApiWorld(
        ledger=cast(Any, ledger),
        tokens=OpenTokens(),
        passwords=nobody,
        images=store,
        servers=nobody,
        readiness=nobody,
        public_url="http://cloud.test",
        region="test",
        now=time.time,
    )
    return ImageCloud(application(world, [SERVICE]), world, ledger, store, folder / "images")


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[ImageCloud]:
    cloud = image_cloud(tmp_path)
    yield cloud
    cloud.ledger.close()


@pytest.fixture
async def alice(cloud: ImageCloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.client() as client:
        yield client


@pytest.fixture
async def bob(cloud: ImageCloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.client(project="bob") as client:
        yield client


@pytest.fixture
async def admin(cloud: ImageCloud) -> AsyncIterator[httpx.AsyncClient]:
    async with cloud.client("admin", "ops") as client:
        yield client


OCTETS = {"content-type": "application/octet-stream"}
PATCH = {"content-type": "application/openstack-images-v2.1-json-patch"}


async def create(client: httpx.AsyncClient, **properties: Any) -> dict[str, Any]:
    body = {"name": "an image", "disk_format": "raw", "container_format": "bare", **properties}
    answer = await client.post("/v2/images", json=body)
    assert answer.status_code == 201, answer.text
    return cast(dict[str, Any], answer.json())


async def upload(client: httpx.AsyncClient, image_id: str, data: bytes | AsyncIterator[bytes]) -> httpx.Response:
    return await client.put(f"/v2/images/{image_id}/file", content=data, headers=OCTETS)


async def show(client: httpx.AsyncClient, image_id: str) -> dict[str, Any]:
    answer = await client.get(f"/v2/images/{image_id}")
    assert answer.status_code == 200, answer.text
    return cast(dict[str, Any], answer.json())


def some_id() -> str:
    return str(uuid.uuid4())
