"""Lists of images: who sees which, filters, order, pages."""

from typing import Any

import httpx
import pytest

from tests.api.image.conftest import PATCH, ImageCloud, create, some_id, upload


async def _names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/v2/images?{query}")
    assert answer.status_code == 200, answer.text
    return [image["name"] for image in answer.json()["images"]]


@pytest.fixture
async def shelf(alice: httpx.AsyncClient, bob: httpx.AsyncClient, admin: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """One image of each visibility that belongs to bob, one of alice's."""
    images = {kind: await create(bob, name=kind, visibility=kind) for kind in ("private", "shared", "community")}
    images["public"] = await create(admin, name="public", visibility="public", owner="bob")
    images["own"] = await create(
        alice, name="own", visibility="private", disk_format="qcow2", tags=["x", "y"], os_distro="debian"
    )
    return images


async def test_who_sees_what(alice: httpx.AsyncClient, bob: httpx.AsyncClient, admin: httpx.AsyncClient, shelf: Any) -> None:
    assert set(await _names(alice)) == {"public", "own"}
    assert set(await _names(alice, "visibility=all")) == {"public", "own", "community"}
    assert set(await _names(alice, "visibility=community")) == {"community"}
    assert set(await _names(alice, "visibility=public")) == {"public"}
    assert set(await _names(alice, "visibility=private")) == {"own"}
    assert await _names(alice, "visibility=shared") == []
    assert set(await _names(bob)) == {"public", "private", "shared", "community"}
    assert set(await _names(admin)) == {"public", "own", "private", "shared"}
    assert set(await _names(admin, "visibility=all")) == {"public", "own", "private", "shared", "community"}
    assert set(await _names(alice, "owner=bob")) == {"public"}


async def test_shared_images_appear_when_accepted(alice: httpx.AsyncClient, bob: httpx.AsyncClient, shelf: Any) -> None:
    path = f"/v2/images/{shelf['shared']['id']}"
    assert (await alice.get(path)).status_code == 404
    await bob.post(f"{path}/members", json={"member": "alice"})
    assert (await alice.get(path)).status_code == 200
    assert "shared" not in await _names(alice)
    assert await _names(alice, "visibility=shared&member_status=pending") == ["shared"]
    assert await _names(alice, "visibility=shared&member_status=all") == ["shared"]
    await alice.put(f"{path}/members/alice", json={"status": "accepted"})
    assert "shared" in await _names(alice)
    assert await _names(alice, "visibility=shared") == ["shared"]
    await alice.put(f"{path}/members/alice", json={"status": "rejected"})
    assert "shared" not in await _names(alice)
    await bob.patch(path, json=[{"op": "replace", "path": "/visibility", "value": "private"}], headers=PATCH)
    assert (await alice.get(path)).status_code == 404


async def test_filters(alice: httpx.AsyncClient, shelf: Any) -> None:
    own = shelf["own"]
    assert await _names(alice, "name=own") == ["own"]
    assert await _names(alice, "name=ow") == []
    assert set(await _names(alice, 'name=in:own,"public"')) == {"own", "public"}
    assert await _names(alice, f"id=in:{own['id']},{some_id()}") == ["own"]
    assert await _names(alice, f"id={own['id']}") == ["own"]
    assert await _names(alice, "disk_format=qcow2") == ["own"]
    assert set(await _names(alice, "disk_format=in:qcow2,raw")) == {"own", "public"}
    assert set(await _names(alice, "container_format=bare")) == {"own", "public"}
    assert set(await _names(alice, "status=queued")) == {"own", "public"}
    assert await _names(alice, "status=active") == []
    assert await _names(alice, "tag=x&tag=y") == ["own"]
    assert await _names(alice, "tag=x&tag=z") == []
    assert await _names(alice, "os_distro=debian") == ["own"]
    assert await _names(alice, "os_distro=arch") == []
    assert set(await _names(alice, "protected=false")) == {"own", "public"}
    assert await _names(alice, "protected=true") == []
    assert set(await _names(alice, "min_disk=0")) == {"own", "public"}
    assert await _names(alice, "name=in:") == []


async def test_filters_on_data(alice: httpx.AsyncClient) -> None:
    small, large = await create(alice, name="small"), await create(alice, name="large")
    await upload(alice, small["id"], b"x" * 10)
    await upload(alice, large["id"], b"x" * 1000)
    assert await _names(alice, "size_min=11") == ["large"]
    assert await _names(alice, "size_max=10") == ["small"]
    assert await _names(alice, "size_min=10&size_max=1000&sort=size:asc") == ["small", "large"]
    checksum = (await alice.get(f"/v2/images/{small['id']}")).json()["checksum"]
    assert await _names(alice, f"checksum={checksum}") == ["small"]
    assert await _names(alice, "status=in:active,saving&sort=name:asc") == ["large", "small"]


async def test_times(alice: httpx.AsyncClient, cloud: ImageCloud) -> None:
    for second in (10.2, 20.9):
        object.__setattr__(cloud.world, "now", lambda at=1_700_000_000 + second: at)
        await create(alice, name=str(second))
    times = [image["created_at"] for image in (await alice.get("/v2/images")).json()["images"]]
    assert times == ["2023-11-14T22:13:40Z", "2023-11-14T22:13:30Z"]
    late = times[0]
    assert await _names(alice, f"created_at={late}") == ["20.9"]
    assert await _names(alice, f"created_at=eq:{late}") == ["20.9"]
    assert await _names(alice, f"created_at=neq:{late}") == ["10.2"]
    assert await _names(alice, f"created_at=gt:{late}") == []
    assert await _names(alice, f"created_at=gte:{late}") == ["20.9"]
    assert await _names(alice, f"updated_at=lt:{late}") == ["10.2"]
    assert await _names(alice, f"updated_at=lte:{late}&updated_at=gt:{times[1]}") == ["20.9"]


async def test_hidden_images_are_listed_when_asked_for(alice: httpx.AsyncClient) -> None:
    await create(alice, name="hidden", os_hidden=True)
    await create(alice, name="plain")
    assert await _names(alice) == ["plain"]
    assert await _names(alice, "os_hidden=true") == ["hidden"]


async def test_pages_show_each_image_once(alice: httpx.AsyncClient) -> None:
    made = [(await create(alice, name=f"n{number % 3}"))["id"] for number in range(7)]
    for order in (
        "",
        "sort=name:asc,size:desc",
        "sort_key=name&sort_dir=desc",
        "sort=disk_format",
        "sort_key=created_at&sort_key=id",
    ):
        seen: list[str] = []
        link: str | None = f"/v2/images?limit=3&name=in:n0,n1,n2&{order}"
        while link is not None:
            page = (await alice.get(link)).json()
            seen += [image["id"] for image in page["images"]]
            assert len(page["images"]) <= 3
            assert "marker" not in page["first"]
            assert page["schema"] == "/v2/schemas/images"
            link = page.get("next")
        assert sorted(seen) == sorted(made), order
    assert [image["id"] for image in (await alice.get("/v2/images")).json()["images"]] == made[::-1]
    assert await _names(alice, "limit=0") == []
    assert await _names(alice, "sort=name:asc") == sorted(await _names(alice))
    for _ in range(20):
        await create(alice)
    assert len(await _names(alice)) == 25
    assert len(await _names(alice, "limit=100000")) == 27


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        "limit=99999999999999999999",
        "marker=0e8b6a0e-5a3d-4b1c-9d5e-0d4d2b8a7f11",
        "marker=x",
        "marker=%00",
        "sort_key=colour",
        "sort_dir=sideways",
        "sort=name:up",
        "sort=",
        "sort=name&sort_key=id",
        "sort_key=name&sort_dir=asc&sort_dir=desc",
        "visibility=secret",
        "member_status=maybe",
        "size_min=x",
        "size_max=-1",
        "size_max=99999999999999999999",
        "size=x",
        "protected=perhaps",
        "os_hidden=perhaps",
        "created_at=yesterday",
        "created_at=xx:2020-01-01T00:00:00Z",
        'name=in:"open',
        "name=%00",
        "colour%00=red",
        "self=x",
    ],
)
async def test_a_bad_query_is_told(alice: httpx.AsyncClient, query: str) -> None:
    await create(alice)
    answer = await alice.get(f"/v2/images?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "query",
    [
        "name=",
        "tag=",
        "tag=%F0%9F%98%80",
        "name=%ff%fe",
        "limit=&x",
        "created_at=0001-01-01T00:00:00%2B23:00",
        "=",
        "&&",
        "name=in:%0a,b",
        "x" * 300 + "=1",
    ],
)
async def test_odd_queries_do_no_harm(alice: httpx.AsyncClient, query: str) -> None:
    assert (await alice.get(f"/v2/images?{query}")).status_code in (200, 400)


async def test_a_marker_must_be_visible(alice: httpx.AsyncClient, shelf: Any) -> None:
    assert (await alice.get(f"/v2/images?marker={shelf['private']['id']}")).status_code == 400
