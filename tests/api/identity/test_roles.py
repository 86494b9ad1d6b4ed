"""Who has which role: given, taken, inherited, implied, through groups; and how it is listed."""

from typing import Any

import pytest

from tests.api.cloud import PASSWORD, CloudApi

V3 = "/identity/v3"
NOBODY = "0" * 32


@pytest.fixture
async def ann(cloud_api: CloudApi) -> dict[str, Any]:
    return await cloud_api.make("user", name="ann", password=PASSWORD)


@pytest.fixture
async def blue(cloud_api: CloudApi) -> dict[str, Any]:
    return await cloud_api.make("project", name="blue")


async def roles_in(cloud: CloudApi, name: str, scope: Any) -> list[str]:
    """The roles in a new token, or none when there is no token to be had."""
    answer = await cloud.sign_in(name, scope=scope)
    return [role["name"] for role in answer.json()["token"]["roles"]] if answer.status_code == 201 else []


async def assignments(cloud: CloudApi, query: str = "") -> list[dict[str, Any]]:
    answer = await cloud.get(f"{V3}/role_assignments?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["role_assignments"])


@pytest.mark.parametrize("actor", ["user", "group"])
@pytest.mark.parametrize("target", ["project", "domain", "system"])
async def test_given_and_taken(cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any], actor: str, target: str) -> None:
    crew = await cloud_api.make("group", name="crew")
    assert (await cloud_api.put(f"{V3}/groups/{crew['id']}/users/{ann['id']}")).status_code == 204
    where = {"project": f"projects/{blue['id']}", "domain": "domains/default", "system": "system"}[target]
    scope = {"project": {"project": {"id": blue["id"]}}, "domain": {"domain": {"id": "default"}}}.get(
        target, {"system": {"all": True}}
    )
    who = f"users/{ann['id']}" if actor == "user" else f"groups/{crew['id']}"
    member = await cloud_api.role_id("member")
    path = f"{V3}/{where}/{who}/roles"
    assert (await cloud_api.get(f"{path}/{member}")).status_code == 404
    assert (await cloud_api.delete(f"{path}/{member}")).status_code == 404
    assert await roles_in(cloud_api, "ann", scope) == []
    for _ in range(2):
        assert (await cloud_api.put(f"{path}/{member}")).status_code == 204
    assert (await cloud_api.send("HEAD", f"{path}/{member}")).status_code == 204
    assert [role["name"] for role in (await cloud_api.get(path)).json()["roles"]] == ["member"]
    assert await roles_in(cloud_api, "ann", scope) == ["member", "reader"]
    assert (await cloud_api.delete(f"{path}/{member}")).status_code == 204
    assert await roles_in(cloud_api, "ann", scope) == []


async def test_nothing_is_given_to_or_on_what_is_not_there(
    cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any]
) -> None:
    member = await cloud_api.role_id("member")
    for path, noun in (
        (f"projects/{blue['id']}/users/{ann['id']}/roles/{NOBODY}", "role"),
        (f"projects/{blue['id']}/users/{NOBODY}/roles/{member}", "user"),
        (f"projects/{NOBODY}/users/{ann['id']}/roles/{member}", "project"),
        (f"domains/{NOBODY}/users/{ann['id']}/roles/{member}", "domain"),
        (f"domains/default/groups/{NOBODY}/roles/{member}", "group"),
    ):
        answer = await cloud_api.put(f"{V3}/{path}")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find {noun}: {NOBODY}."
    assert (await cloud_api.get(f"{V3}/projects/{blue['id']}/users/{NOBODY}/roles")).status_code == 404


@pytest.mark.parametrize("above", ["domain", "project"])
async def test_inherited_roles_are_had_below_and_not_there(
    cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any], above: str
) -> None:
    leaf = await cloud_api.make("project", name="leaf", parent_id=blue["id"])
    member = await cloud_api.role_id("member")
    where = "domains/default" if above == "domain" else f"projects/{blue['id']}"
    path = f"{V3}/OS-INHERIT/{where}/users/{ann['id']}/roles"
    assert (await cloud_api.put(f"{path}/{member}/inherited_to_projects")).status_code == 204
    assert (await cloud_api.get(f"{path}/{member}/inherited_to_projects")).status_code == 204
    assert len((await cloud_api.get(f"{path}/inherited_to_projects")).json()["roles"]) == 1
    assert await roles_in(cloud_api, "ann", {"project": {"id": leaf["id"]}}) == ["member", "reader"]
    assert bool(await roles_in(cloud_api, "ann", {"project": {"id": blue["id"]}})) == (above == "domain")
    assert await roles_in(cloud_api, "ann", {"domain": {"id": "default"}}) == []
    projects = (await cloud_api.get(f"{V3}/users/{ann['id']}/projects")).json()["projects"]
    assert leaf["id"] in [project["id"] for project in projects]
    given = await assignments(cloud_api, f"user.id={ann['id']}&scope.OS-INHERIT:inherited_to=projects")
    assert given[0]["scope"]["OS-INHERIT:inherited_to"] == "projects"
    effective = await assignments(cloud_api, f"user.id={ann['id']}&effective&scope.project.id={leaf['id']}")
    assert len(effective) == 2
    assert (await cloud_api.delete(f"{path}/{member}/inherited_to_projects")).status_code == 204
    assert (await cloud_api.delete(f"{path}/{member}/inherited_to_projects")).status_code == 404
    assert await roles_in(cloud_api, "ann", {"project": {"id": leaf["id"]}}) == []


async def test_assignments_are_listed(cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any]) -> None:
    crew = await cloud_api.make("group", name="crew")
    await cloud_api.put(f"{V3}/groups/{crew['id']}/users/{ann['id']}")
    member, reader = await cloud_api.role_id("member"), await cloud_api.role_id("reader")
    await cloud_api.put(f"{V3}/projects/{blue['id']}/groups/{crew['id']}/roles/{member}")
    await cloud_api.put(f"{V3}/domains/default/users/{ann['id']}/roles/{reader}")
    link = f"http://cloud.test{V3}/projects/{blue['id']}/groups/{crew['id']}/roles/{member}"
    assert await assignments(cloud_api, f"group.id={crew['id']}") == [
        {
            "role": {"id": member},
            "group": {"id": crew["id"]},
            "scope": {"project": {"id": blue["id"]}},
            "links": {"assignment": link},
        }
    ]
    named = await assignments(cloud_api, f"scope.project.id={blue['id']}&include_names=true")
    default = {"id": "default", "name": "Default"}
    assert named[0]["role"] == {"id": member, "name": "member"}
    assert named[0]["group"] == {"id": crew["id"], "name": "crew", "domain": default}
    assert named[0]["scope"] == {"project": {"id": blue["id"], "name": "blue", "domain": default}}
    effective = await assignments(cloud_api, f"user.id={ann['id']}&effective=true&include_names=true")
    assert {(entry["role"]["name"], next(iter(entry["scope"]))) for entry in effective} == {
        ("member", "project"),
        ("reader", "project"),
        ("reader", "domain"),
    }
    assert len(await assignments(cloud_api, f"scope.domain.id=default&user.id={ann['id']}")) == 1
    assert len(await assignments(cloud_api, "scope.system=all")) == 1
    assert await assignments(cloud_api, f"role.id={NOBODY}") == []
    assert await assignments(cloud_api, f"scope.project.id={NOBODY}") == []
    for wrong in (
        "user.id=1&group.id=2",
        "group.id=1&effective",
        "scope.project.id=1&scope.domain.id=2",
        "include_subtree=true",
        "effective=perhaps",
    ):
        assert (await cloud_api.get(f"{V3}/role_assignments?{wrong}")).status_code == 400, wrong


async def test_assignments_below_a_project(cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any]) -> None:
    leaf = await cloud_api.make("project", name="leaf", parent_id=blue["id"])
    member = await cloud_api.role_id("member")
    await cloud_api.put(f"{V3}/projects/{leaf['id']}/users/{ann['id']}/roles/{member}")
    assert await assignments(cloud_api, f"scope.project.id={blue['id']}") == []
    assert len(await assignments(cloud_api, f"scope.project.id={blue['id']}&include_subtree=true")) == 1


async def test_what_a_role_brings_along(cloud_api: CloudApi, ann: dict[str, Any], blue: dict[str, Any]) -> None:
    auditor, reader = await cloud_api.make("role", name="auditor"), await cloud_api.role_id("reader")
    await cloud_api.put(f"{V3}/projects/{blue['id']}/users/{ann['id']}/roles/{auditor['id']}")
    scope = {"project": {"id": blue["id"]}}
    assert await roles_in(cloud_api, "ann", scope) == ["auditor"]
    path = f"{V3}/roles/{auditor['id']}/implies"
    assert (await cloud_api.get(f"{path}/{reader}")).status_code == 404
    assert (await cloud_api.put(f"{path}/{reader}")).status_code == 201
    assert (await cloud_api.get(f"{path}/{reader}")).json()["role_inference"]["implies"]["name"] == "reader"
    assert (await cloud_api.send("HEAD", f"{path}/{reader}")).status_code == 204
    assert [r["name"] for r in (await cloud_api.get(path)).json()["role_inference"]["implies"]] == ["reader"]
    assert await roles_in(cloud_api, "ann", scope) == ["auditor", "reader"]
    inferences = (await cloud_api.get(f"{V3}/role_inferences")).json()["role_inferences"]
    assert {entry["prior_role"]["name"] for entry in inferences} == {"admin", "manager", "member", "auditor"}
    assert (await cloud_api.delete(f"{path}/{reader}")).status_code == 204
    assert (await cloud_api.delete(f"{path}/{reader}")).status_code == 404
    assert (await cloud_api.put(f"{path}/{NOBODY}")).status_code == 404
    assert (await cloud_api.get(f"{V3}/roles/{NOBODY}/implies")).status_code == 404
    assert await roles_in(cloud_api, "ann", scope) == ["auditor"]


async def test_group_members(cloud_api: CloudApi, ann: dict[str, Any]) -> None:
    crew = await cloud_api.make("group", name="crew")
    path = f"{V3}/groups/{crew['id']}/users"
    assert (await cloud_api.get(path)).json()["users"] == []
    assert (await cloud_api.send("HEAD", f"{path}/{ann['id']}")).status_code == 404
    assert (await cloud_api.put(f"{path}/{ann['id']}")).status_code == 204
    assert (await cloud_api.put(f"{path}/{ann['id']}")).status_code == 204
    assert (await cloud_api.send("HEAD", f"{path}/{ann['id']}")).status_code == 204
    assert [user["id"] for user in (await cloud_api.get(path)).json()["users"]] == [ann["id"]]
    groups = (await cloud_api.get(f"{V3}/users/{ann['id']}/groups")).json()["groups"]
    assert [group["id"] for group in groups] == [crew["id"]]
    assert (await cloud_api.delete(f"{path}/{ann['id']}")).status_code == 204
    assert (await cloud_api.delete(f"{path}/{ann['id']}")).status_code == 404
    assert (await cloud_api.put(f"{path}/{NOBODY}")).status_code == 404
    assert (await cloud_api.get(f"{V3}/groups/{NOBODY}/users")).status_code == 404
