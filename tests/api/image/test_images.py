"""Image records over HTTP: create, list, show, update, delete, tags, activation."""

from typing import Any

import httpx
import pytest

from tests.api.image.conftest import PATCH, ImageCloud, create, show, some_id, upload


async def test_versions_need_no_token(cloud: ImageCloud) -> None:
    async with cloud.client() as client:
        client.headers.pop("x-auth-token")
        for path, status in (("", 300), ("/", 300), ("/v2/", 300), ("/versions", 200)):
            answer = await client.get(path)
            assert answer.status_code == status, path
            versions = answer.json()["versions"]
            assert [v["id"] for v in versions if v["status"] == "CURRENT"] == ["v2.16"]
            assert versions[-1]["id"] == "v2.0"
            assert versions[0]["links"] == [{"rel": "self", "href": "http://cloud.test/image/v2/"}]
        assert (await client.get("/v2/images")).status_code == 401
        assert (await client.get("/nothing")).json()["code"] == 404


async def test_create_takes_every_documented_property(alice: httpx.AsyncClient) -> None:
    wanted = {
        "id": some_id(),
        "name": "ubuntu ✓",
        "visibility": "private",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_disk": 2,
        "min_ram": 128,
        "protected": True,
        "os_hidden": True,
        "tags": ["b", "a", "a"],
        "os_distro": "ubuntu",
        "hw_disk_bus": "virtio",
    }
    answer = await alice.post("/v2/images", json=wanted)
    assert answer.status_code == 201
    image = answer.json()
    assert {key: image[key] for key in wanted} == {**wanted, "tags": ["a", "b"]}
    assert image["status"] == "queued"
    assert image["owner"] == "alice"
    assert image["size"] is image["checksum"] is image["os_hash_algo"] is image["virtual_size"] is None
    assert image["self"] == f"/v2/images/{wanted['id']}"
    assert image["schema"] == "/v2/schemas/image"
    assert answer.headers["location"] == f"http://cloud.test/image/v2/images/{wanted['id']}"
    assert answer.headers["openstack-image-import-methods"] == "glance-direct"
    assert answer.headers["openstack-image-store-ids"] == "files"
    assert await show(alice, image["id"]) == image


async def test_an_empty_wish_is_an_image_too(alice: httpx.AsyncClient) -> None:
    image = (await alice.post("/v2/images", json={})).json()
    assert image["name"] is image["disk_format"] is None
    assert image["visibility"] == "shared"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "no-uuid"}, 400),
        ({"id": 3}, 400),
        ({"name": 5}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": "nul\0"}, 400),
        ({"disk_format": "floppy"}, 400),
        ({"disk_format": ["raw"]}, 400),
        ({"container_format": {}}, 400),
        ({"min_disk": -1}, 400),
        ({"min_disk": 2**31}, 400),
        ({"min_ram": "5"}, 400),
        ({"min_ram": True}, 400),
        ({"protected": "yes"}, 400),
        ({"os_hidden": 1}, 400),
        ({"tags": "a"}, 400),
        ({"tags": [1]}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"tags": [str(n) for n in range(129)]}, 413),
        ({f"p{n}": "" for n in range(129)}, 413),
        ({"visibility": "secret"}, 400),
        ({"visibility": None}, 400),
        ({"visibility": "public"}, 403),
        ({"owner": "bob"}, 403),
        ({"owner": None}, 400),
        ({"status": "active"}, 403),
        ({"checksum": "0"}, 403),
        ({"locations": []}, 403),
        ({"os_glance_x": "y"}, 403),
        ({"custom": 1}, 400),
        ({"custom": None}, 400),
        ({"": "x"}, 400),
        ({"k" * 256: "x"}, 400),
    ],
)
async def test_create_refuses(alice: httpx.AsyncClient, body: dict[str, Any], status: int) -> None:
    answer = await alice.post("/v2/images", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert (await alice.get("/v2/images")).json()["images"] == []


async def test_an_id_is_given_once_and_never_again(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    image = await create(alice)
    assert (await bob.post("/v2/images", json={"id": image["id"]})).status_code == 409
    assert (await alice.delete(f"/v2/images/{image['id']}")).status_code == 204
    assert (await alice.post("/v2/images", json={"id": image["id"]})).status_code == 409


async def test_readers_only_read(cloud: ImageCloud, alice: httpx.AsyncClient) -> None:
    image = await create(alice)
    async with cloud.client("reader") as reader:
        assert (await reader.get(f"/v2/images/{image['id']}")).status_code == 200
        assert (await reader.post("/v2/images", json={})).status_code == 403
        assert (await reader.delete(f"/v2/images/{image['id']}")).status_code == 403


async def test_others_images_are_not_there(alice: httpx.AsyncClient, bob: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    image = await create(alice, visibility="private")
    path = f"/v2/images/{image['id']}"
    assert (await bob.get(path)).status_code == 404
    assert (await bob.patch(path, content=b"[]", headers=PATCH)).status_code == 404
    assert (await bob.delete(path)).status_code == 404
    assert (await admin.get(path)).status_code == 200
    await admin.patch(path, json=[{"op": "replace", "path": "/visibility", "value": "public"}], headers=PATCH)
    assert (await bob.get(path)).status_code == 200
    assert (await bob.patch(path, content=b"[]", headers=PATCH)).status_code == 403
    assert (await bob.delete(path)).status_code == 403


async def test_patch_changes_what_it_names(alice: httpx.AsyncClient) -> None:
    image = await create(alice, old="1", other="2")
    changes = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/tags", "value": ["t"]},
        {"op": "add", "path": "/a~1b~0", "value": "slash"},
        {"op": "replace", "path": "/other", "value": "3"},
        {"op": "remove", "path": "/old"},
        {"op": "add", "path": "/min_disk", "value": 4},
    ]
    answer = await alice.patch(f"/v2/images/{image['id']}", json=changes, headers=PATCH)
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["name"], changed["tags"], changed["a/b~"], changed["other"], changed["min_disk"]) == (
        "new",
        ["t"],
        "slash",
        "3",
        4,
    )
    assert "old" not in changed
    assert await show(alice, image["id"]) == changed
    old = {"content-type": "application/openstack-images-v2.0-json-patch"}
    answer = await alice.patch(f"/v2/images/{image['id']}", json=[{"replace": "/name", "value": "older"}], headers=old)
    assert answer.json()["name"] == "older"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "add", "path": "/os_glance_x", "value": "y"}, 403),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "remove", "path": "/size"}, 403),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403),
        ({"op": "replace", "path": "/owner", "value": "bob"}, 403),
        ({"op": "replace", "path": "/missing", "value": "x"}, 409),
        ({"op": "remove", "path": "/missing"}, 409),
        ({"op": "replace", "path": "name", "value": "x"}, 400),
        ({"op": "replace", "path": "/name/", "value": "x"}, 400),
        ({"op": "replace", "path": "//name", "value": "x"}, 400),
        ({"op": "replace", "path": "/tags/0", "value": "x"}, 400),
        ({"op": "replace", "path": "/na~2me", "value": "x"}, 400),
        ({"op": "replace", "path": "/", "value": "x"}, 400),
        ({"op": "replace", "path": 5, "value": "x"}, 400),
        ({"op": "replace", "value": "x"}, 400),
        ({"op": "replace", "path": "/name"}, 400),
        ({"op": "move", "path": "/name", "value": "x"}, 400),
        ({"path": "/name", "value": "x"}, 400),
        ({"op": ["add"], "path": "/name", "value": "x"}, 400),
        ("text", 400),
        ({"op": "add", "path": "/custom", "value": 5}, 400),
    ],
)
async def test_patch_refuses(alice: httpx.AsyncClient, change: Any, status: int) -> None:
    image = await create(alice)
    good = {"op": "replace", "path": "/name", "value": "all or nothing"}
    answer = await alice.patch(f"/v2/images/{image['id']}", json=[good, change], headers=PATCH)
    assert answer.status_code == status, answer.text
    assert (await show(alice, image["id"]))["name"] == "an image"


async def test_patch_needs_its_own_content_type(alice: httpx.AsyncClient) -> None:
    image = await create(alice)
    assert (await alice.patch(f"/v2/images/{image['id']}", json=[])).status_code == 415


MALFORMED = [
    b"",
    b"{",
    b"[",
    b"null",
    b"5",
    b'"x"',
    b"[]",
    b"[[]]",
    b"{}x",
    b"\xff\xfe",
    b'{"a":"\\ud800"}',
    b'{"name":"\\u0000"}',
]
MALFORMED += [b"[" * 5000, b'{"a":' * 5000, b'{"a":1e999}', b'[{"op":null}]', b'{"tags":{}}', b'{"id":[]}', b'{"min_disk":1.5}']
MALFORMED += [
    b'{"min_ram":99999999999999999999999999}',
    b'{"method":5}',
    b'{"method":{"name":[]}}',
    b'{"member":{}}',
    b'{"status":""}',
]


@pytest.mark.parametrize("body", MALFORMED)
async def test_no_body_is_our_fault(alice: httpx.AsyncClient, body: bytes) -> None:
    image = await create(alice)
    path = f"/v2/images/{image['id']}"
    answers = [
        await alice.post("/v2/images", content=body),
        await alice.patch(path, content=body, headers=PATCH),
        await alice.post(f"{path}/members", content=body),
        await alice.put(f"{path}/members/bob", content=body),
        await alice.post(f"{path}/import", content=body),
    ]
    for answer in answers:
        assert 200 <= answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "title", "message"}


async def test_delete(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    image = await create(alice, protected=True)
    path = f"/v2/images/{image['id']}"
    await upload(alice, image["id"], b"data")
    assert (await alice.delete(path)).status_code == 403
    await alice.patch(path, json=[{"op": "replace", "path": "/protected", "value": False}], headers=PATCH)
    assert (await alice.delete(path)).status_code == 204
    assert (await alice.delete(path)).status_code == 404
    assert (await alice.delete("/v2/images/no-uuid")).status_code == 404
    assert cloud.files() == []


async def test_tags(alice: httpx.AsyncClient, bob: httpx.AsyncClient) -> None:
    image = await create(alice)
    path = f"/v2/images/{image['id']}"
    assert (await alice.put(f"{path}/tags/blue%20one")).status_code == 204
    assert (await alice.put(f"{path}/tags/blue%20one")).status_code == 204
    assert (await show(alice, image["id"]))["tags"] == ["blue one"]
    assert (await alice.put(f"{path}/tags/{'x' * 256}")).status_code == 400
    assert (await bob.put(f"{path}/tags/x")).status_code == 404
    assert (await alice.delete(f"{path}/tags/blue%20one")).status_code == 204
    assert (await alice.delete(f"{path}/tags/blue%20one")).status_code == 404


async def test_deactivated_images_are_for_admins(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    image, public = await create(alice), await create(admin, visibility="public")
    path = f"/v2/images/{image['id']}"
    assert (await admin.post(f"{path}/actions/deactivate")).status_code == 403
    assert (await alice.post(f"/v2/images/{public['id']}/actions/deactivate")).status_code == 403, "it is not hers"
    await upload(alice, image["id"], b"data")
    assert (await bob.post(f"{path}/actions/deactivate")).status_code == 404
    assert (await alice.post(f"{path}/actions/deactivate")).status_code == 204
    assert (await admin.post(f"{path}/actions/deactivate")).status_code == 204
    assert (await show(alice, image["id"]))["status"] == "deactivated"
    assert (await alice.get(f"{path}/file")).status_code == 403
    assert (await admin.get(f"{path}/file")).content == b"data"
    assert (await alice.post(f"{path}/actions/reactivate")).status_code == 204
    assert (await alice.get(f"{path}/file")).content == b"data"


async def test_what_the_service_says_of_itself(alice: httpx.AsyncClient) -> None:
    for name in ("image", "images", "member", "members"):
        assert (await alice.get(f"/v2/schemas/{name}")).json()["name"] == name
    image = await create(alice)
    assert set(image) <= set((await alice.get("/v2/schemas/image")).json()["properties"])
    assert (await alice.get("/v2/schemas/nothing")).status_code == 404
    assert (await alice.get("/v2/info/import")).json()["import-methods"]["value"] == ["glance-direct"]
    assert (await alice.get("/v2/info/stores")).json()["stores"][0]["default"] == "true"
    assert (await alice.get("/v2/info/usage")).json() == {"usage": {}}
    assert (await alice.get(f"/v2/images/{image['id']}/tasks")).json() == {"tasks": []}
    assert (await alice.get(f"/v2/images/{some_id()}/tasks")).status_code == 404
