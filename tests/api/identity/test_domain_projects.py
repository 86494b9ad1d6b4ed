"""Projects that act as a domain: one thing, two addresses."""

from tests.api.cloud import CloudApi

HOME = "/identity/v3/projects"


async def test_one_thing_with_two_addresses(cloud_api: CloudApi) -> None:
    made = await cloud_api.make("project", name="realm", is_domain=True, description="d")
    assert (made["is_domain"], made["domain_id"], made["parent_id"], made["description"]) == (True, None, None, "d")
    one, domain = f"{HOME}/{made['id']}", f"/identity/v3/domains/{made['id']}"
    assert (await cloud_api.get(domain)).json()["domain"]["name"] == "realm"
    assert (await cloud_api.get(one)).json()["project"] == made
    listed = (await cloud_api.get(HOME, params={"is_domain": "true"})).json()["projects"]
    assert [item["name"] for item in listed] == ["Default", "realm"]
    plain = (await cloud_api.get(HOME)).json()["projects"]
    assert [item["name"] for item in plain] == ["admin"]
    inside = {"is_domain": "true", "domain_id": "default"}
    assert (await cloud_api.get(HOME, params=inside)).json()["projects"] == []
    answer = await cloud_api.patch(one, {"project": {"name": "kingdom", "enabled": False}})
    assert answer.json()["project"] == made | {"name": "kingdom", "enabled": False}
    assert (await cloud_api.get(domain)).json()["domain"]["enabled"] is False
    assert (await cloud_api.delete(one)).status_code == 204
    assert (await cloud_api.get(domain)).status_code == 404


async def test_what_is_refused(cloud_api: CloudApi) -> None:
    for field in ("domain_id", "parent_id"):
        body = {"project": {"name": "x", "is_domain": True, field: "default"}}
        assert (await cloud_api.post(HOME, body)).status_code == 400
    made = await cloud_api.make("project", name="realm", is_domain=True)
    one = f"{HOME}/{made['id']}"
    assert (await cloud_api.delete(one)).status_code == 403, "disabled first"
    assert (await cloud_api.patch(one, {"project": {"is_domain": False}})).status_code == 400
    assert (await cloud_api.patch(one, {"project": {"parent_id": "default"}})).status_code == 400
    assert (await cloud_api.post(HOME, {"project": {"name": "realm", "is_domain": True}})).status_code == 409
    token, project_id = await cloud_api.tenant("ann")
    assert (await cloud_api.get(one, token)).status_code == 403
    assert (await cloud_api.patch(f"{HOME}/{project_id}", {"project": {"is_domain": True}})).status_code == 400
