"""An image made by a host: the row first, then its bytes with a ticket; what fails leaves neither bytes nor a half image."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from kilonova.api.image import receive as receiving
from kilonova.api.image.service import SERVICE
from kilonova.api.internal.service import service
from kilonova.api.internal.tickets import Tickets
from kilonova.api.server import application
from kilonova.errors import TooLarge
from kilonova.model.ids import ProjectId, ServerId, UserId
from kilonova.model.snapshots import Snapshot
from tests.api.image.conftest import LARGEST, OCTETS, ImageCloud, create, some_id, upload

TICKETS = Tickets(b"k" * 32)


@pytest.fixture
async def host(cloud: ImageCloud) -> AsyncIterator[httpx.AsyncClient]:
    """As a compute node asks: no token at all."""
    app = application(cloud.world, [SERVICE, service(TICKETS, cast(Any, None), cast(Any, None))])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=cast(Any, app)), base_url="http://cloud.test/internal"
    ) as client:
        yield client


def _wanted(base: str = "", **values: Any) -> Snapshot:
    given: dict[str, Any] = {"min_disk": 3, "roles": ("reader", "member"), "until": time.time() + 60, **values}
    return Snapshot(
        name="a snapshot",
        owner=ProjectId("alice"),
        user_id=UserId("user-alice"),
        server_id=ServerId("5e1"),
        disk_format=given.pop("disk_format", "raw"),
        base_image_id=base,
        **given,
    )


async def _begin(cloud: ImageCloud, base: str = "", **values: Any) -> str:
    return await cloud.ledger.write(lambda tx: str(tx.images.begin_snapshot(_wanted(base, **values), time.time())))


def _with(image_id: str, until: float | None = None, host: str = "host-1") -> dict[str, str]:
    return {**OCTETS, "x-kilonova-ticket": TICKETS.issue_write(image_id, host, until or time.time() + 60)}


async def _show(client: httpx.AsyncClient, image_id: str) -> dict[str, Any]:
    return cast(dict[str, Any], (await client.get(f"/v2/images/{image_id}")).json())


async def test_a_snapshot_waits_inherits_and_becomes_active(
    cloud: ImageCloud, alice: httpx.AsyncClient, bob: httpx.AsyncClient, host: httpx.AsyncClient
) -> None:
    base = await create(alice, os_distro="debian", cache_in_nova="1", min_ram=128, min_disk=1)
    image_id = await _begin(cloud, base["id"], properties={"why": "before the upgrade", "user_id": "mine"})
    image = await _show(alice, image_id)
    assert (image["status"], image["visibility"], image["owner"], image["name"]) == ("queued", "private", "alice", "a snapshot")
    assert (image["disk_format"], image["container_format"], image["min_disk"], image["min_ram"]) == ("raw", "bare", 3, 128)
    assert (image["image_type"], image["base_image_ref"], image["instance_uuid"]) == ("snapshot", base["id"], "5e1")
    assert (image["user_id"], image["boot_roles"], image["os_distro"]) == ("mine", "member,reader", "debian")
    assert image["why"] == "before the upgrade" and "cache_in_nova" not in image and "wanted_until" not in image
    assert (await bob.get(f"/v2/images/{image_id}")).status_code == 404
    data = os.urandom(600_000)
    assert (await host.put(f"/images/{image_id}", content=data, headers=_with(image_id))).status_code == 204
    image = await _show(alice, image_id)
    assert (image["status"], image["size"], image["os_hash_value"]) == ("active", len(data), hashlib.sha512(data).hexdigest())
    assert (await alice.get(f"/v2/images/{image_id}/file")).content == data


async def test_only_this_image_this_right_and_this_time(
    cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient
) -> None:
    image_id, other = await _begin(cloud), await _begin(cloud)
    read = {**OCTETS, "x-kilonova-ticket": TICKETS.issue(image_id, "host-1", time.time() + 60)}
    forged = {**OCTETS, "x-kilonova-ticket": Tickets(b"x" * 32).issue_write(image_id, "host-1", time.time() + 60)}
    for headers in (
        OCTETS,
        read,
        forged,
        _with(other),
        _with(image_id, time.time() - 5),
        {**OCTETS, "x-kilonova-ticket": "é.é.é"},
    ):
        answer = await host.put(f"/images/{image_id}", content=b"x", headers=httpx.Headers(headers, encoding="utf-8"))
        assert answer.status_code == 401, headers
    write = _with(image_id)
    assert (await host.get(f"/images/{image_id}", headers=write)).status_code == 401, "a ticket to send is none to fetch"
    assert (
        await host.put(f"/images/{image_id}", content=b"x", headers={**write, "content-type": "text/plain"})
    ).status_code == 415
    assert (await _show(alice, image_id))["status"] == "queued" and cloud.files() == []


async def test_no_other_image_takes_a_hosts_bytes(cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient) -> None:
    image = await create(alice)
    assert (await host.put(f"/images/{image['id']}", content=b"x", headers=_with(image["id"]))).status_code == 409
    gone = some_id()
    assert (await host.put(f"/images/{gone}", content=b"x", headers=_with(gone))).status_code == 404


async def test_sending_again_changes_nothing(cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient) -> None:
    image_id = await _begin(cloud)
    for data in (b"first" * 100_000, b"second" * 100_000):
        assert (await host.put(f"/images/{image_id}", content=data, headers=_with(image_id))).status_code == 204
    assert (await alice.get(f"/v2/images/{image_id}/file")).content == b"first" * 100_000


async def test_broken_off_and_sent_again(cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient) -> None:
    image_id = await _begin(cloud)
    headers = {**_with(image_id), "content-length": "900000"}
    assert (await host.put(f"/images/{image_id}", content=b"x" * 300_000, headers=headers)).status_code == 400
    assert (await _show(alice, image_id))["status"] == "queued" and cloud.files() == []
    assert (await host.put(f"/images/{image_id}", content=b"whole", headers=_with(image_id))).status_code == 204
    assert (await _show(alice, image_id))["status"] == "active"


async def test_while_one_is_coming_another_waits(cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient) -> None:
    image_id, go = await _begin(cloud), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        await go.wait()

    first = asyncio.create_task(host.put(f"/images/{image_id}", content=slowly(), headers=_with(image_id)))
    while (await _show(alice, image_id))["status"] != "saving":
        await asyncio.sleep(0.01)
    assert (await host.put(f"/images/{image_id}", content=b"y", headers=_with(image_id))).status_code == 503
    go.set()
    assert (await first).status_code == 204
    assert len((await alice.get(f"/v2/images/{image_id}/file")).content) == 300_000


async def test_too_large_or_hostile_bytes_are_refused(
    cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient
) -> None:
    image_id = await _begin(cloud, disk_format="qcow2")
    headers = {**_with(image_id), "content-length": str(LARGEST + 1)}
    assert (await host.put(f"/images/{image_id}", content=b"x", headers=headers)).status_code == 413
    backed = b"QFI\xfb" + (2).to_bytes(4, "big") + (112).to_bytes(8, "big") + (7).to_bytes(4, "big")
    hostile = backed + (20).to_bytes(4, "big") + (1 << 30).to_bytes(8, "big") + b"\0" * 80 + b"/etc/passwd" + b"\0" * 70_000
    assert (await host.put(f"/images/{image_id}", content=hostile, headers=_with(image_id))).status_code == 400
    assert (await _show(alice, image_id))["status"] == "queued" and cloud.files() == []


async def test_a_failed_snapshot_is_gone(
    cloud: ImageCloud, alice: httpx.AsyncClient, host: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving, "CHECK_EVERY", 100_000)
    image_id = await _begin(cloud)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"x" * 300_000
        assert await cloud.ledger.write(lambda tx: tx.images.fail_snapshot(image_id, time.time()))
        yield b"x" * 300_000

    assert (await host.put(f"/images/{image_id}", content=slowly(), headers=_with(image_id))).status_code == 410
    assert (await alice.get(f"/v2/images/{image_id}")).status_code == 404
    assert cloud.files() == []
    assert not await cloud.ledger.write(lambda tx: tx.images.fail_snapshot(image_id, time.time())), "it is gone already"


async def test_one_that_has_its_bytes_does_not_fail_any_more(cloud: ImageCloud, alice: httpx.AsyncClient) -> None:
    image_id = await _begin(cloud, until=time.time() - 1)
    assert await cloud.ledger.read(lambda tx: list(tx.images.overdue_snapshots(time.time()))) == [image_id]
    assert (await upload(alice, image_id, b"x")).status_code == 204
    assert not await cloud.ledger.read(lambda tx: tx.images.overdue_snapshots(time.time()))
    assert not await cloud.ledger.write(lambda tx: tx.images.fail_snapshot(image_id, time.time()))
    assert (await _show(alice, image_id))["status"] == "active"


async def test_more_properties_than_an_image_may_have(cloud: ImageCloud) -> None:
    with pytest.raises(TooLarge):
        await _begin(cloud, properties={f"p{number}": "x" for number in range(129)})
