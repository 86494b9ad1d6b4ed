"""Sharing: who adds members, who accepts, who sees them."""

from typing import Any

import httpx
import pytest

from tests.api.image.conftest import ImageCloud, create, some_id


@pytest.fixture
async def path(alice: httpx.AsyncClient) -> str:
    return f"/v2/images/{(await create(alice))['id']}/members"


async def test_the_life_of_a_membership(alice: httpx.AsyncClient, bob: httpx.AsyncClient, path: str) -> None:
    assert (await alice.get(path)).json() == {"members": [], "schema": "/v2/schemas/members"}
    answer = await alice.post(path, json={"member": "bob"})
    assert answer.status_code == 200
    member = answer.json()
    assert (member["member_id"], member["status"], member["schema"]) == ("bob", "pending", "/v2/schemas/member")
    await alice.post(path, json={"member": "carol"})
    assert [m["member_id"] for m in (await alice.get(path)).json()["members"]] == ["bob", "carol"]
    assert [m["member_id"] for m in (await bob.get(path)).json()["members"]] == ["bob"]
    assert (await bob.get(f"{path}/bob")).json() == member
    assert (await bob.get(f"{path}/carol")).status_code == 404
    answer = await bob.put(f"{path}/bob", json={"status": "accepted"})
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert (await alice.get(f"{path}/bob")).json()["status"] == "accepted"
    assert (await alice.delete(f"{path}/bob")).status_code == 204
    assert (await bob.get(path)).status_code == 404
    assert (await alice.delete(f"{path}/bob")).status_code == 404


async def test_who_may_not(alice: httpx.AsyncClient, bob: httpx.AsyncClient, admin: httpx.AsyncClient, path: str) -> None:
    assert (await bob.get(path)).status_code == 404
    assert (await bob.post(path, json={"member": "bob"})).status_code == 404
    await alice.post(path, json={"member": "bob"})
    assert (await alice.post(path, json={"member": "bob"})).status_code == 409
    assert (await alice.put(f"{path}/bob", json={"status": "accepted"})).status_code == 403
    assert (await bob.post(path, json={"member": "carol"})).status_code == 403
    assert (await bob.delete(f"{path}/bob")).status_code == 403
    assert (await bob.put(f"{path}/carol", json={"status": "accepted"})).status_code == 404
    assert (await bob.put(f"{path}/bob", json={"status": "delighted"})).status_code == 400
    assert (await admin.put(f"{path}/bob", json={"status": "rejected"})).status_code == 200


async def test_only_shared_images_have_members(alice: httpx.AsyncClient) -> None:
    path = f"/v2/images/{(await create(alice, visibility='private'))['id']}/members"
    assert (await alice.post(path, json={"member": "bob"})).status_code == 403
    assert (await alice.get(path)).status_code == 403
    assert (await alice.get(f"/v2/images/{some_id()}/members")).status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"member": ""}, {"member": "x" * 65}, {"member": 5}, {"member": "a\0"}, {"member": "b", "x": 1}]
)
async def test_bad_members(alice: httpx.AsyncClient, path: str, body: dict[str, Any]) -> None:
    assert (await alice.post(path, json=body)).status_code == 400


async def test_there_is_a_limit(alice: httpx.AsyncClient, path: str, cloud: ImageCloud) -> None:
    for number in range(128):
        assert (await alice.post(path, json={"member": f"p{number}"})).status_code == 200
    assert (await alice.post(path, json={"member": "one-more"})).status_code == 413
