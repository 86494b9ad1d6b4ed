"""Images and their metadata as clients before 2.36 and 2.39 ask Compute for them."""

from typing import Any

import pytest

from tests.api.cloud import CloudApi

OLD = {"x-openstack-nova-api-version": "2.35"}
OLDER_META = {"x-openstack-nova-api-version": "2.38"}
IMAGES = "/compute/v2.1/images"
OCTETS = {"content-type": "application/octet-stream"}


async def _image(cloud: CloudApi, token: str = "", data: bytes = b"*" * 1024, **properties: Any) -> str:
    about = {"name": "an image", "disk_format": "raw", "container_format": "bare", "visibility": "private", **properties}
    answer = await cloud.post("/image/v2/images", about, token)
    assert answer.status_code == 201, answer.text
    image_id = str(answer.json()["id"])
    if data:
        sent = await cloud.send("PUT", f"/image/v2/images/{image_id}/file", token, content=data, headers=OCTETS)
        assert sent.status_code == 204
    return image_id


async def _names(cloud: CloudApi, query: str) -> list[str]:
    answer = await cloud.get(f"{IMAGES}?{query}", headers=OLD)
    assert answer.status_code == 200, answer.text
    return sorted(image["name"] for image in answer.json()["images"])


async def test_an_image_as_compute_shows_it(cloud_api: CloudApi) -> None:
    image_id = await _image(
        cloud_api, os_distro="debian", instance_uuid="5e1", auto_disk_config="True", min_ram=64, min_disk=1, tags=["t"]
    )
    image = (await cloud_api.get(f"{IMAGES}/{image_id}", headers=OLD)).json()["image"]
    assert image.pop("created")[-1] == image.pop("updated")[-1] == "Z"
    assert [link["rel"] for link in image.pop("links")] == ["self", "bookmark", "alternate"]
    assert image == {
        "id": image_id,
        "name": "an image",
        "status": "ACTIVE",
        "progress": 100,
        "minRam": 64,
        "minDisk": 1,
        "metadata": {"os_distro": "debian", "instance_uuid": "5e1", "auto_disk_config": "True"},
        "OS-EXT-IMG-SIZE:size": 1024,
        "OS-DCF:diskConfig": "AUTO",
        "server": {
            "id": "5e1",
            "links": [
                {"rel": "self", "href": "http://cloud.test/compute/v2.1/servers/5e1"},
                {"rel": "bookmark", "href": "http://cloud.test/compute/servers/5e1"},
            ],
        },
    }
    waiting = (await cloud_api.get(f"{IMAGES}/{await _image(cloud_api, data=b'')}", headers=OLD)).json()["image"]
    assert (waiting["status"], waiting["progress"], waiting["OS-EXT-IMG-SIZE:size"]) == ("SAVING", 25, None)
    assert "server" not in waiting and "OS-DCF:diskConfig" not in waiting


async def test_lists_filters_and_pages(cloud_api: CloudApi) -> None:
    await _image(cloud_api, name="a", min_ram=128)
    await _image(cloud_api, name="b", instance_uuid="5e1", image_type="snapshot", min_disk=2)
    await _image(cloud_api, name="c", data=b"", os_distro="debian")
    await _image(cloud_api, name="d", os_hidden=True)
    assert await _names(cloud_api, "") == ["a", "b", "c"]
    assert await _names(cloud_api, "name=a") == ["a"]
    assert await _names(cloud_api, "status=ACTIVE") == ["a", "b"]
    assert await _names(cloud_api, "status=saving") == []
    assert await _names(cloud_api, "server=5e1") == ["b"]
    assert await _names(cloud_api, "server=http%3A%2F%2Fcloud.test%2Fcompute%2Fservers%2F5e1") == ["b"]
    assert await _names(cloud_api, "type=snapshot") == ["b"]
    assert await _names(cloud_api, "property-os_distro=debian") == ["c"]
    assert await _names(cloud_api, "minRam=128") == ["a"]
    assert await _names(cloud_api, "minDisk=2") == ["b"]
    assert await _names(cloud_api, "changes-since=2001-01-01T00:00:00Z") == ["a", "b", "c"]
    assert await _names(cloud_api, "changes-since=2101-01-01T00:00:00Z") == []
    assert await _names(cloud_api, "unknown=1") == ["a", "b", "c"]
    assert await _names(cloud_api, "limit=0") == ["a", "b", "c"]
    seen: list[str] = []
    url = f"{IMAGES}/detail?limit=2"
    while url:
        page = (await cloud_api.get(url, headers=OLD)).json()
        seen += [image["name"] for image in page["images"]]
        url = next((link["href"].removeprefix("http://cloud.test") for link in page.get("images_links", [])), "")
    assert sorted(seen) == ["a", "b", "c"]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "marker=nowhere", "minRam=much", "changes-since=yesterday"])
async def test_a_query_that_makes_no_sense(cloud_api: CloudApi, query: str) -> None:
    answer = await cloud_api.get(f"{IMAGES}?{query}", headers=OLD)
    assert answer.status_code == 400 and "badRequest" in answer.json()


async def test_delete(cloud_api: CloudApi) -> None:
    stranger, _ = await cloud_api.tenant("stranger")
    image_id, public = await _image(cloud_api), await _image(cloud_api, visibility="public", protected=True)
    assert (await cloud_api.delete(f"{IMAGES}/{image_id}", stranger, headers=OLD)).status_code == 404
    assert (await cloud_api.delete(f"{IMAGES}/{public}", stranger, headers=OLD)).status_code == 403
    assert (await cloud_api.delete(f"{IMAGES}/{public}", headers=OLD)).status_code == 403, "it is protected"
    assert (await cloud_api.delete(f"{IMAGES}/{image_id}", headers=OLD)).status_code == 204
    assert await cloud_api.world.images.inventory() == {public}
    for gone in (image_id, "!@#$%^", "x" * 300, ""):
        answer = await cloud_api.delete(f"{IMAGES}/{gone}", headers=OLD)
        assert answer.status_code == 404, gone


async def test_metadata(cloud_api: CloudApi) -> None:
    path = f"{IMAGES}/{await _image(cloud_api)}/metadata"

    async def now() -> Any:
        return (await cloud_api.get(path, headers=OLDER_META)).json()["metadata"]

    answer = await cloud_api.put(path, {"metadata": {"a": "1", "b": "2"}}, headers=OLDER_META)
    assert (answer.status_code, answer.json()) == (200, {"metadata": {"a": "1", "b": "2"}})
    answer = await cloud_api.post(path, {"metadata": {"b": "3", "c": "4"}}, headers=OLDER_META)
    assert answer.json() == {"metadata": {"a": "1", "b": "3", "c": "4"}} == {"metadata": await now()}
    assert (await cloud_api.get(path + "/b", headers=OLDER_META)).json() == {"meta": {"b": "3"}}
    answer = await cloud_api.put(path + "/b", {"meta": {"b": "5"}}, headers=OLDER_META)
    assert (answer.status_code, answer.json()) == (200, {"meta": {"b": "5"}})
    assert (await cloud_api.delete(path + "/a", headers=OLDER_META)).status_code == 204
    assert await now() == {"b": "5", "c": "4"}


async def test_what_metadata_does_not_do(cloud_api: CloudApi) -> None:
    stranger, _ = await cloud_api.tenant("stranger")
    path = f"{IMAGES}/{await _image(cloud_api, visibility='public', a='1')}/metadata"
    for method, where, body, status in (
        ("GET", "/none", None, 404),
        ("DELETE", "/none", None, 404),
        ("PUT", "/a", {"meta": {"b": "1"}}, 400),
        ("PUT", "/a", {"meta": {"a": "1", "b": "1"}}, 400),
        ("POST", "", {"metadata": {"a": 1}}, 400),
        ("POST", "", {"metadata": {"name": "other"}}, 400),
        ("POST", "", {"metadata": {"a" * 256: "1"}}, 400),
        ("PUT", "", {"metadata": {f"k{number}": "v" for number in range(129)}}, 403),
    ):
        more: dict[str, Any] = {} if body is None else {"json": body}
        answer = await cloud_api.send(method, path + where, headers=OLDER_META, **more)
        assert answer.status_code == status, (method, where, body, answer.text)
    assert (await cloud_api.put(path, {"metadata": {}}, stranger, headers=OLDER_META)).status_code == 403
    assert (await cloud_api.get(path, stranger, headers=OLDER_META)).json() == {"metadata": {"a": "1"}}


async def test_newer_clients_ask_the_image_service(cloud_api: CloudApi) -> None:
    image_id = await _image(cloud_api)
    newer = {"x-openstack-nova-api-version": "2.36"}
    for path in (IMAGES, f"{IMAGES}/detail", f"{IMAGES}/{image_id}"):
        assert (await cloud_api.get(path, headers=newer)).status_code == 404, path
    assert (await cloud_api.delete(f"{IMAGES}/{image_id}", headers=newer)).status_code == 404
    assert (await cloud_api.get(f"{IMAGES}/{image_id}/metadata", headers=newer)).status_code == 200
    newest = {"x-openstack-nova-api-version": "2.39"}
    assert (await cloud_api.get(f"{IMAGES}/{image_id}/metadata", headers=newest)).status_code == 404
