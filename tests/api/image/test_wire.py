"""The image API over real sockets: openstacksdk as a client, clients that vanish, a server that is killed."""

import asyncio
import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from kilonova.api.image.recover import recover
from tests.api.image.conftest import ImageCloud, create, image_cloud, show

pytestmark = pytest.mark.wire
CHUNKED = "content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n"


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[int]:
    """A real server in this event loop; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait_for(serving, 20)


def _client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/image", headers={"x-auth-token": "member:alice"}, timeout=20)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_openstacksdk_creates_uploads_lists_downloads_and_deletes(cloud: ImageCloud, tmp_path: Path) -> None:
    async with listening(cloud.app) as port:
        await asyncio.wait_for(asyncio.to_thread(_with_the_sdk, port, tmp_path), 60)
    assert cloud.files() == []


def _with_the_sdk(port: int, folder: Path) -> None:
    import openstack  # it warns of itself, and leaves the file it uploads open

    data = os.urandom(3_000_000)
    (path := folder / "disk.raw").write_bytes(data)
    url = f"http://127.0.0.1:{port}/image"
    auth = {"endpoint": url, "token": "admin:ops"}
    sdk: Any = openstack.connection.Connection(auth_type="admin_token", auth=auth, image_endpoint_override=url)
    with contextlib.closing(sdk):
        image = sdk.image.create_image(
            "from the sdk",
            filename=str(path),
            disk_format="raw",
            container_format="bare",
            tags=["one"],
            validate_checksum=True,
            wait=True,
            min_disk=1,
            visibility="public",
        )
        assert (image.status, image.size, image.min_disk) == ("active", len(data), 1)
        assert image.hash_value == hashlib.sha512(data).hexdigest()
        assert [found.id for found in sdk.image.images(visibility="public", name="from the sdk")] == [image.id]
        assert sdk.image.find_image("from the sdk").id == image.id
        assert sdk.image.find_image("nobody") is None
        with (folder / "back").open("wb") as file:
            sdk.image.download_image(image, stream=True, output=file)
        assert (folder / "back").read_bytes() == data
        _changed(sdk, image)
        _staged_and_shared(sdk, openstack)
        for _ in range(3):
            sdk.image.create_image("many", disk_format="raw", container_format="bare", allow_duplicates=True)
        many = {found.id for found in sdk.image.images(limit=1, name="many")}
        assert len(many) == 3
        for found in [*many, image.id]:
            sdk.image.delete_image(found)
        with pytest.raises(openstack.exceptions.NotFoundException, match="No image found"):
            sdk.image.get_image(image.id)
        assert sdk.image.get_import_info().import_methods["value"] == ["glance-direct"]
        assert [store.id for store in sdk.image.stores()] == ["files"]


def _changed(sdk: Any, image: Any) -> None:
    changed = sdk.image.update_image(image, name="renamed", min_ram=64, os_distro="debian", is_hidden=True)
    assert (changed.name, changed.min_ram, changed.os_distro, changed.is_hidden) == ("renamed", 64, "debian", True)
    sdk.image.add_tag(image, "two")
    sdk.image.remove_tag(image, "one")
    assert sdk.image.get_image(image).tags == ["two"]
    sdk.image.deactivate_image(image)
    assert sdk.image.get_image(image).status == "deactivated"
    sdk.image.reactivate_image(image)


def _staged_and_shared(sdk: Any, openstack: Any) -> None:
    image = sdk.image.create_image(
        "staged", disk_format="raw", container_format="bare", data=b"some bytes", use_import=True, wait=True
    )
    assert sdk.image.get_image(image).status == "active"
    member = sdk.image.add_member(image, member_id="bob")
    assert member.status == "pending"
    assert [found.member_id for found in sdk.image.members(image)] == ["bob"]
    assert sdk.image.update_member("bob", image, status="accepted").status == "accepted"
    sdk.image.remove_member("bob", image)
    with pytest.raises(openstack.exceptions.HttpException, match="must be one of"):
        sdk.image.create_image("bad", disk_format="floppy", container_format="bare")
    sdk.image.delete_image(image)


async def test_a_chunked_upload_that_is_cut_off_is_no_image(cloud: ImageCloud) -> None:
    """Without a content length only the connection's end tells that bytes are missing."""
    async with listening(cloud.app) as port, _client(port) as client:
        image = await create(client)
        await _send_half(port, image["id"])
        async with asyncio.timeout(20):
            while (await show(client, image["id"]))["status"] != "queued" or cloud.files():
                await asyncio.sleep(0.02)


async def _send_half(port: int, image_id: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"PUT /image/v2/images/{image_id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: member:alice\r\n{CHUNKED}\r\n".encode()
    )
    writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    await writer.drain()
    async with _client(port) as client, asyncio.timeout(20):
        while (await show(client, image_id))["status"] != "saving":
            await asyncio.sleep(0.02)
    writer.close()
    await writer.wait_closed()


SERVE = """
import asyncio, sys
from pathlib import Path
import uvicorn
from tests.api.image.conftest import image_cloud

uvicorn.run(image_cloud(Path(sys.argv[1])).app, port=int(sys.argv[2]), log_level="warning", lifespan="off", ws="none")
"""


@contextlib.contextmanager
def _a_process(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SERVE, str(folder), str(port)]) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


async def test_a_server_killed_in_the_middle_leaves_an_image_that_can_be_uploaded_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with _a_process(tmp_path, port) as process:
        async with _client(port) as client:
            await _until_it_answers(client, process)
            image = await create(client)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"PUT /image/v2/images/{image['id']}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: member:alice\r\n{CHUNKED}\r\n"
            writer.write(head.encode() + b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
            await writer.drain()
            async with asyncio.timeout(20):
                while not list(tmp_path.glob("images/incoming/*.part")):
                    await asyncio.sleep(0.02)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait, 20)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    cloud = image_cloud(tmp_path)
    async with cloud.client() as client:
        assert (await show(client, image["id"]))["status"] == "saving"
        assert len(cloud.files()) == 2
        assert [lost.id for lost in await recover(cloud.world.ledger, cloud.store)] == [image["id"]]
        assert (await show(client, image["id"]))["status"] == "queued"
        assert cloud.files() == []
        headers = {"content-type": "application/octet-stream"}
        assert (await client.put(f"/v2/images/{image['id']}/file", content=b"again", headers=headers)).status_code == 204
    cloud.ledger.close()


async def _until_it_answers(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            await client.get("/versions")
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the server did not start")
