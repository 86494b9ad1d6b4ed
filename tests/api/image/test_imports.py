"""Imports and their tasks: staged bytes, bytes from the web, what goes wrong; and the one store."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest

from kilonova.api.image.recover import recover
from kilonova.api.image.service import SERVICE
from kilonova.api.server import application
from kilonova.errors import BadRequest, Unavailable
from tests.api.image.conftest import OCTETS, ImageCloud, create, show, some_id, upload

DATA = b"from far away" * 30_000


class Web:
    """Stands in for `kilonova.drivers.imagestore.web`, which has its own tests."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()

    def check(self, uri: str) -> None:
        if not uri.startswith("https://"):
            raise BadRequest("The import URI is refused.")

    async def fetch(self, uri: str) -> AsyncIterator[bytes]:
        yield DATA[:1000]
        await self.go.wait()
        if "broken" in uri:
            raise Unavailable("The image came incomplete.")
        yield DATA[1000:]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
async def user(cloud: ImageCloud, web: Web) -> AsyncIterator[httpx.AsyncClient]:
    """Alice, in a cloud where web-download is on."""
    app = cast(Any, application(replace(cloud.world, web=web), [SERVICE]))
    transport, head = httpx.ASGITransport(app=app), {"x-auth-token": "member:alice"}
    async with httpx.AsyncClient(transport=transport, base_url="http://cloud.test/image", headers=head) as client:
        yield client


async def _import(client: httpx.AsyncClient, image_id: str, name: str, **more: Any) -> httpx.Response:
    method = {"name": name, **({"uri": more.pop("uri")} if "uri" in more else {})}
    return await client.post(f"/v2/images/{image_id}/import", json={"method": method, **more})


async def _ended(client: httpx.AsyncClient, image_id: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while True:
            (task,) = (await client.get(f"/v2/images/{image_id}/tasks")).json()["tasks"]
            if task["status"] != "processing":
                return cast(dict[str, Any], task)
            await asyncio.sleep(0.01)


async def test_staged_bytes(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    image = await create(alice)
    assert (await alice.put(f"/v2/images/{image['id']}/stage", content=b"x", headers=OCTETS)).status_code == 204
    assert "stores" not in await show(alice, image["id"])
    answer = await _import(alice, image["id"], "glance-direct", all_stores=True)
    assert answer.status_code == 202
    assert (await show(alice, image["id"]))["stores"] == "files"
    (task,) = (await alice.get(f"/v2/images/{image['id']}/tasks")).json()["tasks"]
    assert (task["status"], task["type"], task["message"]) == ("success", "api_image_import", "")
    assert task["request_id"] == answer.headers["x-openstack-request-id"] and task["result"] == {"image_id": image["id"]}
    assert task["input"]["import_req"]["method"] == {"name": "glance-direct"}
    assert (await bob.get(f"/v2/images/{image['id']}/tasks")).status_code == 404


async def test_web_download(user: httpx.AsyncClient, web: Web) -> None:
    assert (await user.get("/v2/info/import")).json()["import-methods"]["value"] == ["glance-direct", "web-download"]
    web.go.clear()
    image = await create(user)
    assert (await _import(user, image["id"], "web-download", uri="https://a.example/i")).status_code == 202
    assert (await show(user, image["id"]))["status"] == "importing"
    assert (await _import(user, image["id"], "web-download", uri="https://a.example/i")).status_code == 409
    assert (await upload(user, image["id"], b"x")).status_code == 409
    web.go.set()
    assert (await _ended(user, image["id"]))["status"] == "success"
    there = await show(user, image["id"])
    assert (there["status"], there["size"], there["os_hash_value"]) == ("active", len(DATA), hashlib.sha512(DATA).hexdigest())


async def test_a_web_download_that_fails(user: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(user)
    assert (await _import(user, image["id"], "web-download", uri="https://broken.example/")).status_code == 202
    task = await _ended(user, image["id"])
    assert (task["status"], task["message"], task["result"]) == ("failure", "The image came incomplete.", None)
    assert (await show(user, image["id"]))["status"] == "queued" and cloud.files() == []


async def test_what_is_not_imported(user: httpx.AsyncClient, alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    image = await create(user)
    for client, image_id, name, more, status in (
        (user, image["id"], "web-download", {"uri": "file:///etc/passwd"}, 400),
        (user, image["id"], "web-download", {}, 400),
        (user, image["id"], "copy-image", {}, 400),
        (user, image["id"], "glance-direct", {"stores": ["files"], "all_stores": True}, 400),
        (user, image["id"], "glance-direct", {"stores": ["tape"]}, 409),
        (user, image["id"], "glance-direct", {}, 409),
        (alice, image["id"], "web-download", {"uri": "https://a.example/"}, 400),
        (bob, image["id"], "glance-direct", {}, 404),
        (user, some_id(), "web-download", {"uri": "https://a.example/"}, 404),
    ):
        answer = await _import(client, image_id, name, **cast(dict[str, Any], more))
        assert answer.status_code == status, (name, more, answer.text)
    bare = (await user.post("/v2/images", json={})).json()
    assert (await _import(user, bare["id"], "web-download", uri="https://a.example/")).status_code == 400


async def test_a_control_that_dies_leaves_a_failed_task(user: httpx.AsyncClient, cloud: ImageCloud, web: Web) -> None:
    web.go.clear()
    image = await create(user)
    await _import(user, image["id"], "web-download", uri="https://a.example/i")
    (work,) = [task for task in asyncio.all_tasks() if "_carry_out" in repr(task.get_coro())]
    while not cloud.files():
        await asyncio.sleep(0.01)
    for lock in (cloud.folder / "incoming").glob("*.lock"):
        lock.unlink()  # as after the death of the process that held it
    await recover(cast(Any, cloud.ledger), cloud.store)
    assert (await _ended(user, image["id"]))["message"] == "The import was interrupted."
    assert (await show(user, image["id"]))["status"] == "queued"
    work.cancel()
    await asyncio.wait([work])
    assert (await _ended(user, image["id"]))["status"] == "failure"


async def test_admins_see_all_tasks(alice: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    ids = []
    for _ in range(3):
        image = await create(alice)
        await alice.put(f"/v2/images/{image['id']}/stage", content=b"x", headers=OCTETS)
        await _import(alice, image["id"], "glance-direct")
        ids.append(image["id"])
    first = (await admin.get("/v2/tasks", params={"limit": 2, "status": "success"})).json()
    assert len(first["tasks"]) == 2 and "input" not in first["tasks"][0] and first["schema"] == "/v2/schemas/tasks"
    second = (await admin.get(first["next"])).json()
    assert {task["image_id"] for task in first["tasks"] + second["tasks"]} == set(ids)
    assert (await admin.get("/v2/tasks", params={"status": "failure"})).json()["tasks"] == []
    task = (await admin.get(first["tasks"][0]["self"])).json()
    assert task["result"] == {"image_id": task["image_id"]}
    assert (await admin.get(f"/v2/tasks/{some_id()}")).status_code == 404
    assert (await admin.get("/v2/tasks", params={"marker": some_id()})).status_code == 400
    assert (await admin.post("/v2/tasks", json={"type": "import", "input": {}})).status_code == 400
    for path in ("/v2/tasks", first["tasks"][0]["self"]):
        assert (await alice.get(path)).status_code == 403
    for name in ("task", "tasks"):
        assert (await alice.get(f"/v2/schemas/{name}")).json()["name"] == name


async def test_the_one_store(alice: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    assert [store["id"] for store in (await alice.get("/v2/info/stores")).json()["stores"]] == ["files"]
    assert (await admin.get("/v2/info/stores/detail")).json()["stores"][0]["type"] == "file"
    assert (await alice.get("/v2/info/stores/detail")).status_code == 403
    image = await create(alice)
    for where in ("file", "stage"):
        head = {**OCTETS, "x-image-meta-store": "tape"}
        assert (await alice.put(f"/v2/images/{image['id']}/{where}", content=b"x", headers=head)).status_code == 400
    assert (await alice.delete(f"/v2/stores/files/{image['id']}")).status_code == 404
    head = {**OCTETS, "x-image-meta-store": "files"}
    assert (await alice.put(f"/v2/images/{image['id']}/file", content=b"x", headers=head)).status_code == 204
    assert (await alice.delete(f"/v2/stores/files/{image['id']}")).status_code == 403
    assert (await alice.delete(f"/v2/stores/tape/{image['id']}")).status_code == 404


async def test_an_empty_id_is_no_image(alice: httpx.AsyncClient) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = await alice.request(method, "/v2/images/", json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, 404), method
    answer = await alice.delete("/v2/images")
    assert (answer.status_code, answer.json()["code"]) == (405, 405)
