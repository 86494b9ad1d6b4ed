"""Unified limits: registered ones, and those of a project or a domain that stand on them."""

from typing import Any

import pytest

from tests.api.cloud import CloudApi

REGISTERED, LIMITS = "/identity/v3/registered_limits", "/identity/v3/limits"


async def compute_id(cloud: CloudApi) -> str:
    return str((await cloud.get("/identity/v3/services", params={"type": "compute"})).json()["services"][0]["id"])


async def registered(cloud: CloudApi, name: str = "cores", amount: int = 20) -> dict[str, Any]:
    wanted = {"service_id": await compute_id(cloud), "resource_name": name, "default_limit": amount}
    answer = await cloud.post(REGISTERED, {"registered_limits": [wanted]})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["registered_limits"][0])


async def test_a_registered_limit_lives(cloud_api: CloudApi) -> None:
    made = await registered(cloud_api)
    assert (made["region_id"], made["default_limit"], made["description"]) == (None, 20, None)
    one = f"{REGISTERED}/{made['id']}"
    token, _ = await cloud_api.tenant("ann")
    assert (await cloud_api.get(one, token)).json()["registered_limit"] == made
    assert (await cloud_api.get(REGISTERED, token, params={"resource_name": "cores"})).json()["registered_limits"] == [made]
    assert (await cloud_api.get(REGISTERED, token, params={"resource_name": "ram"})).json()["registered_limits"] == []
    answer = await cloud_api.patch(one, {"registered_limit": {"default_limit": -1, "description": "none"}})
    assert answer.json()["registered_limit"] == made | {"default_limit": -1, "description": "none"}
    assert (await cloud_api.patch(one, {"registered_limit": {"default_limit": 1}}, token)).status_code == 403
    assert (await cloud_api.delete(one)).status_code == 204
    assert (await cloud_api.get(one)).status_code == 404


async def test_all_or_none(cloud_api: CloudApi) -> None:
    wanted = {"service_id": await compute_id(cloud_api), "resource_name": "cores", "default_limit": 1}
    assert (await cloud_api.post(REGISTERED, {"registered_limits": [wanted, wanted]})).status_code == 409
    for wrong in ({"service_id": "f" * 32}, {"region_id": "nowhere"}, {"default_limit": -2}, {"resource_name": ""}):
        body = {"registered_limits": [wanted, wanted | {"resource_name": "ram"} | wrong]}
        assert (await cloud_api.post(REGISTERED, body)).status_code == 400
    assert (await cloud_api.get(REGISTERED)).json()["registered_limits"] == []


async def test_a_projects_limit(cloud_api: CloudApi) -> None:
    base = await registered(cloud_api)
    token, project_id = await cloud_api.tenant("ann")
    bob, _ = await cloud_api.tenant("bob")
    wanted = {"service_id": base["service_id"], "resource_name": "cores", "resource_limit": 5, "project_id": project_id}
    answer = await cloud_api.post(LIMITS, {"limits": [wanted]})
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()["limits"]
    assert {name: made[name] for name in wanted} == wanted
    one = f"{LIMITS}/{made['id']}"
    assert (await cloud_api.get(one, token)).json()["limit"] == made
    assert (await cloud_api.get(LIMITS, token)).json()["limits"] == [made]
    assert (await cloud_api.get(one, bob)).status_code == 403
    assert (await cloud_api.get(LIMITS, bob)).json()["limits"] == []
    assert (await cloud_api.post(LIMITS, {"limits": [wanted]})).status_code == 409
    assert (await cloud_api.patch(one, {"limit": {"resource_limit": 6}})).json()["limit"] == made | {"resource_limit": 6}
    assert (await cloud_api.delete(f"{REGISTERED}/{base['id']}")).status_code == 403, "a limit stands on it"
    renamed = {"registered_limit": {"resource_name": "ram"}}
    assert (await cloud_api.patch(f"{REGISTERED}/{base['id']}", renamed)).status_code == 403
    assert (await cloud_api.delete(one, token)).status_code == 403
    assert (await cloud_api.delete(one)).status_code == 204
    assert (await cloud_api.get(one)).status_code == 404
    assert (await cloud_api.patch(f"{REGISTERED}/{base['id']}", renamed)).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"resource_name": "ram"}, 403),
        ({"project_id": None}, 400),
        ({"domain_id": "default"}, 400),
        ({"project_id": "f" * 32}, 400),
        ({"project_id": None, "domain_id": "nowhere"}, 400),
    ],
)
async def test_no_limit_without_its_grounds(cloud_api: CloudApi, wrong: dict[str, Any], status: int) -> None:
    base = await registered(cloud_api)
    wanted = {"service_id": base["service_id"], "resource_name": "cores", "resource_limit": 5}
    body = {"limits": [wanted | {"project_id": cloud_api.admin_project_id} | wrong]}
    assert (await cloud_api.post(LIMITS, body)).status_code == status


async def test_they_go_with_their_project_and_the_model_is_flat(cloud_api: CloudApi) -> None:
    base = await registered(cloud_api)
    project = await cloud_api.make("project", name="p")
    wanted = {"service_id": base["service_id"], "resource_name": "cores", "resource_limit": 5, "project_id": project["id"]}
    assert (await cloud_api.post(LIMITS, {"limits": [wanted]})).status_code == 201
    await cloud_api.delete(f"/identity/v3/projects/{project['id']}")
    assert (await cloud_api.get(LIMITS)).json()["limits"] == []
    assert (await cloud_api.get(f"{LIMITS}/model")).json()["model"]["name"] == "flat"
    assert (await cloud_api.get(f"{LIMITS}/model", None)).status_code == 401
