"""Each way of giving a role, to users and groups, in a place or below it: given, seen, listed, taken."""

import pytest

from tests.api.cloud import CloudApi

PLACES = ("projects/{project}", "domains/default", "system", "inherited projects/{project}", "inherited domains/default")


@pytest.mark.parametrize("place", PLACES)
async def test_given_seen_listed_taken(cloud_api: CloudApi, place: str) -> None:
    group = await cloud_api.make("group", name="some")
    user = await cloud_api.make("user", name="one")
    role = await cloud_api.role_id("reader")
    inherited, end = place.startswith("inherited "), ""
    where = place.removeprefix("inherited ").format(project=cloud_api.admin_project_id)
    if inherited:
        where, end = f"OS-INHERIT/{where}", "/inherited_to_projects"
    for who in (f"users/{user['id']}", f"groups/{group['id']}"):
        roles = f"/identity/v3/{where}/{who}/roles"
        one = f"{roles}/{role}{end}"
        assert (await cloud_api.get(one)).status_code == 404
        assert (await cloud_api.put(one)).status_code == 204
        assert [(await cloud_api.send(method, one)).status_code for method in ("GET", "HEAD")] == [204, 204]
        assert [found["id"] for found in (await cloud_api.get(roles + end)).json()["roles"]] == [role]
        assert (await cloud_api.delete(one)).status_code == 204
        assert [(await cloud_api.send(method, one)).status_code for method in ("HEAD", "DELETE")] == [404, 404]


async def test_who_is_in_a_group(cloud_api: CloudApi) -> None:
    group = await cloud_api.make("group", name="some")
    user = await cloud_api.make("user", name="one")
    path = f"/identity/v3/groups/{group['id']}/users/{user['id']}"
    assert (await cloud_api.get(path)).status_code == 404
    assert (await cloud_api.put(path)).status_code == 204
    assert (await cloud_api.get(path)).status_code == 204
