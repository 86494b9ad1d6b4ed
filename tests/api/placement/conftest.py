"""`placed`: a cloud with two hosts, one server on one of them, and an aggregate with the other in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kilonova.api.placement.service import SERVICE
from kilonova.ledger.transaction import Transaction
from tests.api.cloud import CloudApi, present_services, running_cloud
from tests.ledger.small_cloud import furnish, ordered, wish

NEWEST = "placement 1.39"


@dataclass
class Placed:
    """`h` maps a host's name to its id; `busy` is the one with the server."""

    api: CloudApi
    h: dict[str, str]
    server: str
    busy: str
    idle: str
    aggregate: str

    async def get(self, path: str, version: str = NEWEST, **more: Any) -> httpx.Response:
        return await self.api.get(f"/placement{path}", headers={"openstack-api-version": version}, **more)

    async def json(self, path: str, version: str = NEWEST) -> Any:
        answer = await self.get(path, version)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def names(self, query: str, version: str = NEWEST) -> list[str]:
        return [one["name"] for one in (await self.json(f"/resource_providers?{query}", version))["resource_providers"]]


@pytest.fixture
async def placed(tmp_path: Path) -> AsyncIterator[Placed]:
    async with running_cloud(tmp_path, [*present_services(("identity",)), SERVICE]) as api:
        await furnish(api.ledger)
        server = (await ordered(api.ledger, wish())).server_ids[0]

        def group(tx: Transaction) -> tuple[dict[str, str], str, str]:
            ids = {host.name: host.id for host in tx.hosts.hosts()}
            busy = tx.hosts.claims()[server]
            made = tx.aggregates.create("racks", None, 0.0)
            tx.aggregates.add_host(made.id, next(name for name in ids if name != busy), 0.0)
            return {str(name): one for name, one in ids.items()}, busy, made.uuid

        hosts, busy, aggregate = await api.ledger.write(group)
        yield Placed(api, hosts, server, busy, next(name for name in hosts if name != busy), aggregate)
