"""Roles that are a domain's own, and regions named by the client."""

from tests.api.cloud import CloudApi


async def test_a_domains_own_role(cloud_api: CloudApi) -> None:
    home, away = await cloud_api.make("domain", name="home"), await cloud_api.make("domain", name="away")
    role = await cloud_api.make("role", name="keeper", domain_id=home["id"])
    assert role["domain_id"] == home["id"]
    listed = (await cloud_api.get("/identity/v3/roles", params={"domain_id": home["id"]})).json()["roles"]
    assert listed == [role]
    assert role not in (await cloud_api.get("/identity/v3/roles")).json()["roles"]
    project = await cloud_api.make("project", name="p", domain_id=home["id"])
    other = await cloud_api.make("project", name="p", domain_id=away["id"])
    user = await cloud_api.make("user", name="ann", password="x")
    for target, status in ((project, 204), (other, 403)):
        path = f"/identity/v3/projects/{target['id']}/users/{user['id']}/roles/{role['id']}"
        assert (await cloud_api.put(path)).status_code == status
    where = {"user.id": user["id"], "effective": ""}
    assert (await cloud_api.get("/identity/v3/role_assignments", params=where)).json()["role_assignments"] == []
    scope = {"project": {"id": project["id"]}}
    assert (await cloud_api.sign_in("ann", "x", scope)).status_code == 401, "it is not in a token"
    reader = await cloud_api.role_id("reader")
    assert (await cloud_api.put(f"/identity/v3/roles/{role['id']}/implies/{reader}")).status_code == 201
    roles = (await cloud_api.sign_in("ann", "x", scope)).json()["token"]["roles"]
    assert [role["name"] for role in roles] == ["reader"], "but what it brings along is"
    assert (await cloud_api.put(f"/identity/v3/roles/{reader}/implies/{role['id']}")).status_code == 403
    assert (await cloud_api.post("/identity/v3/roles", {"role": {"name": "x", "domain_id": "f" * 32}})).status_code == 404
    await cloud_api.patch(f"/identity/v3/domains/{home['id']}", {"domain": {"enabled": False}})
    assert (await cloud_api.delete(f"/identity/v3/domains/{home['id']}")).status_code == 204
    assert (await cloud_api.get(f"/identity/v3/roles/{role['id']}")).status_code == 404


async def test_a_region_by_put(cloud_api: CloudApi) -> None:
    answer = await cloud_api.put("/identity/v3/regions/north", {"region": {"description": "up there"}})
    assert (answer.status_code, answer.json()["region"]["id"]) == (201, "north")
    assert (await cloud_api.put("/identity/v3/regions/north", {"region": {}})).status_code == 409
    assert (await cloud_api.put("/identity/v3/regions/south", {"region": {"id": "east"}})).status_code == 400


async def test_an_endpoint_brings_its_region(cloud_api: CloudApi) -> None:
    service = await cloud_api.make("service", type="weather", name="w")
    point = await cloud_api.make("endpoint", service_id=service["id"], interface="public", url="http://w", region="west")
    assert point["region_id"] == "west"
    path = f"/identity/v3/endpoints/{point['id']}"
    answer = await cloud_api.patch(path, {"endpoint": {"region": "east"}})
    assert (answer.status_code, answer.json()["endpoint"]["region_id"]) == (200, "east")
    assert (await cloud_api.get("/identity/v3/regions/east")).status_code == 200
    body = {"service_id": service["id"], "interface": "public", "url": "http://w", "region_id": "nowhere"}
    assert (await cloud_api.post("/identity/v3/endpoints", {"endpoint": body})).status_code == 400
