"""`compute`: the compute API of a cloud with a flavor, a host and two projects, and a desk that builds nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from kilonova.api.compute.service import SERVICE
from kilonova.api.identity.service import SERVICE as IDENTITY
from kilonova.ledger.transaction import Transaction
from kilonova.model.flavor import Flavor
from kilonova.model.guest import HostFacts
from kilonova.model.ids import FlavorId, HostName
from tests.api.cloud import CloudApi, running_cloud
from tests.api.compute.desk import Desk

IMAGE = "11111111-2222-4333-8444-555555555555"
NETWORK = "99999999-2222-4333-8444-555555555555"
NEWEST = "2.104"


@dataclass
class Compute:
    """Sends as an ordinary member unless told otherwise, in the newest version unless told otherwise."""

    cloud: CloudApi
    desk: Desk
    member: str
    project: str
    stranger: str

    async def send(
        self, method: str, path: str, json: Any = None, *, version: str = NEWEST, who: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"openstack-api-version": f"compute {version}", **more.pop("headers", {})}
        if json is not None:
            more["json"] = json
        url = path if path.startswith("http") else "/compute/v2.1" + path
        return await self.cloud.send(method, url, self.member if who is None else who, headers=headers, **more)

    async def admin(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return await self.send(method, path, json, who=self.cloud.admin_token, **more)

    async def server(self, name: str = "one", **more: Any) -> str:
        """The id of a new server."""
        body = {"name": name, "flavorRef": "1", "imageRef": IMAGE, "networks": "none", **more}
        answer = await self.send("POST", "/servers", {"server": body})
        assert answer.status_code == 202, answer.text
        return cast(str, answer.json()["server"]["id"])

    async def change(self, change: Any) -> Any:
        return await self.cloud.ledger.write(change)


@pytest.fixture
async def compute(tmp_path: Path) -> AsyncIterator[Compute]:
    desk = Desk()
    async with running_cloud(tmp_path, [IDENTITY, SERVICE], servers=desk) as cloud:
        desk.ledger = cloud.ledger
        member, project = await cloud.tenant("alice")
        stranger, _ = await cloud.tenant("bob")
        await cloud.ledger.write(lambda books: furnish(books, cloud.world.now()))
        yield Compute(cloud, desk, member, project, stranger)


def furnish(books: Transaction, now: float) -> None:
    """Two flavors and one host."""
    books.flavors.create(Flavor(id=FlavorId("1"), name="m1.tiny", vcpus=1, ram_mb=512, disk_gb=1), now)
    small = Flavor(id=FlavorId("2"), name="m1.small", vcpus=2, ram_mb=2048, disk_gb=20, extra_specs={"hw:x": "1"})
    books.flavors.create(small, now)
    books.hosts.heard_of("node-1", "compute", now)
    facts = HostFacts(
        host=HostName("host-1"), hypervisor_type="QEMU", hypervisor_version=7002022, vcpus=8, ram_mb=16384, disk_gb=100
    )
    books.hosts.measured("node-1", facts, now)
