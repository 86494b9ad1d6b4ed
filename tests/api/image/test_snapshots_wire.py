"""A node's own hands over real sockets: what `HttpSend` sends, `HttpFetch` gets back; and how refusals sound to a node."""

import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from kilonova.api.image.service import SERVICE
from kilonova.api.internal.service import service
from kilonova.api.internal.tickets import Tickets
from kilonova.api.server import application
from kilonova.drivers.disks.http_fetch import HttpFetch
from kilonova.drivers.disks.http_send import HttpSend
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.ids import ProjectId, ServerId, UserId
from kilonova.model.images import Viewer
from kilonova.model.snapshots import Snapshot
from tests.api.image.conftest import LARGEST, ImageCloud
from tests.api.image.test_wire import listening
from tests.drivers.builds import no_progress

pytestmark = pytest.mark.wire
TICKETS = Tickets(b"k" * 32)
ALICE = Viewer(project_id="alice")


def _app(cloud: ImageCloud) -> Any:
    return application(cloud.world, [SERVICE, service(TICKETS, cast(Any, None), cast(Any, None))])


async def _begin(cloud: ImageCloud) -> str:
    wanted = Snapshot(
        name="s",
        owner=ProjectId("alice"),
        user_id=UserId("u"),
        server_id=ServerId("5e1"),
        disk_format="raw",
        until=time.time() + 60,
    )
    return await cloud.ledger.write(lambda tx: str(tx.images.begin_snapshot(wanted, time.time())))


def _write(image_id: str) -> str:
    return TICKETS.issue_write(image_id, "host-1", time.time() + 60)


async def test_there_and_back(cloud: ImageCloud, tmp_path: Path) -> None:
    image_id, data, shares = await _begin(cloud), os.urandom(5_000_000), list[float]()
    (tmp_path / "disk").write_bytes(data)
    async with listening(_app(cloud)) as port:
        url = f"http://127.0.0.1:{port}"
        for _ in ("first", "again: the answer was lost"):
            await HttpSend(url).send(image_id, _write(image_id), tmp_path / "disk", lambda text, share: shares.append(share))
        image = await cloud.ledger.read(lambda tx: tx.images.for_boot(image_id, ALICE))
        read = TICKETS.issue(image_id, "host-2", time.time() + 60)
        await HttpFetch(url).fetch(image, read, tmp_path / "fetched", no_progress)
    assert (tmp_path / "fetched").read_bytes() == data
    assert all(0 < share <= 1 for share in shares)


async def test_refusals(cloud: ImageCloud, tmp_path: Path) -> None:
    image_id = await _begin(cloud)
    (tmp_path / "disk").write_bytes(b"x" * 3_000_000)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(LARGEST + 1)
    async with listening(_app(cloud)) as port:
        send = HttpSend(f"http://127.0.0.1:{port}", patience_s=0)
        with pytest.raises((BuildFailed, Unavailable)):
            await send.send(image_id, TICKETS.issue(image_id, "host-1", time.time() + 60), tmp_path / "disk", no_progress)
        with pytest.raises((BuildFailed, Unavailable)):
            await send.send(image_id, _write(image_id), tmp_path / "large", no_progress)
        await send.send(image_id, _write(image_id), tmp_path / "disk", no_progress)
    assert cloud.files() == [image_id]
