"""Every noun of identity: made, listed, shown, changed, removed; and what each refuses."""

from typing import Any

import pytest

from kilonova.api.identity.catalogue import BUILT_IN
from tests.api.cloud import PASSWORD, CloudApi

V3 = "/identity/v3"
NOBODY = "0" * 32

NOUNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "domain": ({"name": "north"}, {"description": "cold"}),
    "project": ({"name": "blue", "description": "sky"}, {"name": "green"}),
    "user": ({"name": "ann", "email": "ann@example.org", "shoe": 38}, {"name": "anna", "shoe": None}),
    "group": ({"name": "crew"}, {"description": "all hands"}),
    "role": ({"name": "auditor"}, {"description": "looks"}),
    "region": ({"id": "west"}, {"description": "far"}),
    "service": ({"type": "dns", "name": "designate"}, {"enabled": False}),
}
"""Noun → (body of a new one, body of a change)."""


@pytest.mark.parametrize("noun", NOUNS)
async def test_a_life(cloud_api: CloudApi, noun: str) -> None:
    new, change = NOUNS[noun]
    made = await cloud_api.make(noun, **new)
    assert new.items() <= made.items()
    path = f"{V3}/{noun}s/{made['id']}"
    assert made["links"]["self"] == f"http://cloud.test{path}"
    assert "password_hash" not in made and "tokens_from" not in made
    assert (await cloud_api.get(path)).json() == {noun: made}
    listed = (await cloud_api.get(f"{V3}/{noun}s")).json()
    assert made in listed[f"{noun}s"]
    assert listed["links"] == {"self": f"http://cloud.test{V3}/{noun}s", "previous": None, "next": None}
    answer = await cloud_api.patch(path, {noun: change})
    assert answer.status_code == 200, answer.text
    changed = made | {name: value for name, value in change.items() if value is not None}
    changed = {name: value for name, value in changed.items() if name not in change or change[name] is not None}
    assert answer.json()[noun] == changed
    assert (await cloud_api.get(path)).json()[noun] == changed
    if noun == "domain":
        assert (await cloud_api.delete(path)).status_code == 403
        await cloud_api.patch(path, {noun: {"enabled": False}})
    assert (await cloud_api.delete(path)).status_code == 204
    for method in ("GET", "DELETE"):
        answer = await cloud_api.send(method, path)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find {noun}: {made['id']}."
    assert (await cloud_api.patch(path, {noun: change})).status_code == 404


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if noun != "service"])
async def test_a_name_is_taken_once(cloud_api: CloudApi, noun: str) -> None:
    new, _ = NOUNS[noun]
    await cloud_api.make(noun, **new)
    answer = await cloud_api.post(f"{V3}/{noun}s", {noun: new})
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].startswith(f"Conflict occurred attempting to store {noun} - ")
    if noun != "region":
        other = await cloud_api.make(noun, name="another")
        assert (await cloud_api.patch(f"{V3}/{noun}s/{other['id']}", {noun: {"name": new["name"]}})).status_code == 409
        assert (await cloud_api.patch(f"{V3}/{noun}s/{other['id']}", {noun: {"name": "another"}})).status_code == 200


@pytest.mark.parametrize("noun", NOUNS)
async def test_only_an_admin(cloud_api: CloudApi, noun: str) -> None:
    ann, _ = await cloud_api.tenant("ordinary")
    made = await cloud_api.make(noun, **NOUNS[noun][0])
    for method, path, body in (
        ("POST", f"{V3}/{noun}s", {noun: {"name": "x", "type": "x"}}),
        ("PATCH", f"{V3}/{noun}s/{made['id']}", {noun: {"description": "x"}}),
        ("DELETE", f"{V3}/{noun}s/{made['id']}", None),
    ):
        assert (await cloud_api.send(method, path, ann, json=body)).status_code == 403
        assert (await cloud_api.send(method, path, None, json=body)).status_code == 401
    assert (await cloud_api.get(f"{V3}/{noun}s", None)).status_code == 401


async def test_endpoints(cloud_api: CloudApi) -> None:
    service = await cloud_api.make("service", type="dns", name="designate")
    url = "http://dns.example/$(project_id)s/v2"
    new = {"service_id": service["id"], "interface": "public", "url": url, "region_id": "RegionOne"}
    made = await cloud_api.make("endpoint", **new)
    path = f"{V3}/endpoints/{made['id']}"
    assert (await cloud_api.get(path)).json()["endpoint"] == made
    listed = (await cloud_api.get(f"{V3}/endpoints")).json()["endpoints"]
    assert len(listed) == 3 * len(BUILT_IN) + 1 and made in listed
    assert (await cloud_api.get(f"{V3}/endpoints?service_id={service['id']}")).json()["endpoints"] == [made]
    catalog = (await cloud_api.get(f"{V3}/auth/catalog")).json()["catalog"]
    dns = next(entry for entry in catalog if entry["type"] == "dns")
    assert dns["endpoints"][0]["url"] == f"http://dns.example/{cloud_api.admin_project_id}/v2"
    domain_token = (await cloud_api.sign_in("admin", scope={"domain": {"id": "default"}})).json()["token"]
    assert next(entry for entry in domain_token["catalog"] if entry["type"] == "dns")["endpoints"] == []
    assert (await cloud_api.patch(path, {"endpoint": {"enabled": False}})).json()["endpoint"]["enabled"] is False
    for wrong in ({"service_id": NOBODY}, {"region_id": "nowhere"}, {"interface": "secret"}, {"url": "no scheme"}):
        assert (await cloud_api.post(f"{V3}/endpoints", {"endpoint": new | wrong})).status_code == 400, wrong
    assert (await cloud_api.patch(path, {"endpoint": {"region_id": "nowhere"}})).status_code == 400
    assert (await cloud_api.delete(f"{V3}/regions/RegionOne")).status_code == 403
    assert (await cloud_api.delete(path)).status_code == 204
    assert (await cloud_api.get(path)).status_code == 404


async def test_what_is_built_in_is_listed_and_stays(cloud_api: CloudApi) -> None:
    services = (await cloud_api.get(f"{V3}/services?type=compute")).json()["services"]
    assert [service["name"] for service in services] == ["nova"]
    endpoints = (await cloud_api.get(f"{V3}/endpoints?interface=public&service_id={services[0]['id']}")).json()["endpoints"]
    assert [endpoint["url"] for endpoint in endpoints] == ["http://cloud.test/compute/v2.1"]
    for path, key in ((f"services/{services[0]['id']}", "service"), (f"endpoints/{endpoints[0]['id']}", "endpoint")):
        assert (await cloud_api.get(f"{V3}/{path}")).status_code == 200
        assert (await cloud_api.patch(f"{V3}/{path}", {key: {"enabled": False}})).status_code == 403
        assert (await cloud_api.delete(f"{V3}/{path}")).status_code == 403
    catalog = (await cloud_api.get(f"{V3}/auth/catalog")).json()["catalog"]
    nova = next(entry for entry in catalog if entry["type"] == "compute")
    assert nova["id"] == services[0]["id"]
    assert endpoints[0]["id"] in [endpoint["id"] for endpoint in nova["endpoints"]]


async def test_lists_are_filtered(cloud_api: CloudApi) -> None:
    for name in ("anna", "annie", "bert"):
        await cloud_api.make("user", name=name, enabled=name != "annie")

    async def names(query: str) -> list[str]:
        return [user["name"] for user in (await cloud_api.get(f"{V3}/users?{query}")).json()["users"]]

    assert await names("name=bert") == ["bert"]
    assert await names("name__startswith=ANN") == ["anna", "annie"]
    assert await names("name__contains=n%25") == []
    assert await names("enabled=false") == ["annie"]
    assert await names("domain_id=elsewhere") == []
    assert await names("sort_key=name&sort_dir=desc&limit=2") == ["bert", "annie"]
    assert (await cloud_api.get(f"{V3}/users?enabled=perhaps")).status_code == 400


async def test_a_list_in_pages_holds_each_once(cloud_api: CloudApi) -> None:
    for number in range(5):
        await cloud_api.make("group", name=f"group-{number}", description="same")
    seen: list[str] = []
    url: str | None = f"{V3}/groups?limit=2&name__contains=group"
    while url:
        answer = (await cloud_api.get(url)).json()
        assert len(answer["groups"]) <= 2
        seen += [group["name"] for group in answer["groups"]]
        url = answer["links"]["next"]
    assert seen == [f"group-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=9999999999999", "marker=nobody", "sort_key=x", "sort_key=id&sort_dir=up"]
)
async def test_bad_paging_is_told(cloud_api: CloudApi, query: str) -> None:
    answer = await cloud_api.get(f"{V3}/users?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


async def test_projects_stand_in_trees(cloud_api: CloudApi) -> None:
    top = await cloud_api.make("project", name="top")
    middle = await cloud_api.make("project", name="middle", parent_id=top["id"])
    leaf = await cloud_api.make("project", name="leaf", parent_id=middle["id"])
    assert top["parent_id"] == "default" and leaf["parent_id"] == middle["id"]
    answer = await cloud_api.delete(f"{V3}/projects/{top['id']}")
    assert answer.status_code == 403
    assert "not a leaf in the hierarchy" in answer.json()["error"]["message"]
    shown = (await cloud_api.get(f"{V3}/projects/{middle['id']}?parents_as_ids&subtree_as_ids")).json()["project"]
    assert shown["parents"] == {top["id"]: {"default": None}}
    assert shown["subtree"] == {leaf["id"]: None}
    shown = (await cloud_api.get(f"{V3}/projects/{leaf['id']}?parents_as_list&subtree_as_list")).json()["project"]
    assert [parent["project"]["id"] for parent in shown["parents"]] == [middle["id"], top["id"]]
    assert shown["subtree"] == []
    children = (await cloud_api.get(f"{V3}/projects?parent_id={top['id']}")).json()["projects"]
    assert [child["id"] for child in children] == [middle["id"]]
    elsewhere = await cloud_api.make("domain", name="elsewhere")
    for wrong in ({"parent_id": NOBODY}, {"domain_id": NOBODY}):
        assert (await cloud_api.post(f"{V3}/projects", {"project": {"name": "x"} | wrong})).status_code == 404
    body = {"project": {"name": "x", "parent_id": top["id"], "domain_id": elsewhere["id"]}}
    assert (await cloud_api.post(f"{V3}/projects", body)).status_code == 400
    move = {"project": {"parent_id": leaf["id"]}}
    assert (await cloud_api.patch(f"{V3}/projects/{top['id']}", move)).status_code == 403
    answers = [await cloud_api.post(f"{V3}/projects", {"project": {"name": "d0", "parent_id": leaf["id"]}})]
    while answers[-1].status_code == 201 and len(answers) < 20:
        body = {"project": {"name": f"d{len(answers)}", "parent_id": answers[-1].json()["project"]["id"]}}
        answers.append(await cloud_api.post(f"{V3}/projects", body))
    assert answers[-1].status_code == 403


async def test_project_tags(cloud_api: CloudApi) -> None:
    project = await cloud_api.make("project", name="blue", tags=["a", "b", "a"])
    await cloud_api.make("project", name="green", tags=["ab"])
    path = f"{V3}/projects/{project['id']}/tags"
    assert project["tags"] == ["a", "b"]
    assert [p["name"] for p in (await cloud_api.get(f"{V3}/projects?tags=a")).json()["projects"]] == ["blue"]
    assert (await cloud_api.put(f"{path}/c")).status_code == 201
    assert (await cloud_api.get(path)).json()["tags"] == ["a", "b", "c"]
    assert (await cloud_api.get(f"{path}/c")).status_code == 204
    assert (await cloud_api.delete(f"{path}/c")).status_code == 204
    assert (await cloud_api.delete(f"{path}/c")).status_code == 404
    assert (await cloud_api.get(f"{path}/c")).status_code == 404
    assert (await cloud_api.put(f"{path}/x%2Cy")).status_code == 400
    assert (await cloud_api.put(path, {"tags": ["z"]})).json()["tags"] == ["z"]
    assert (await cloud_api.put(path, {"tags": ["a/b"]})).status_code == 400
    assert (await cloud_api.delete(path)).status_code == 204
    assert (await cloud_api.get(path)).json()["tags"] == []


async def test_a_user_sees_itself_and_no_other(cloud_api: CloudApi) -> None:
    ann, project_id = await cloud_api.tenant("ann")
    ann_id = (await cloud_api.get(f"{V3}/users?name=ann")).json()["users"][0]["id"]
    for path in (f"users/{ann_id}", f"users/{ann_id}/projects", f"users/{ann_id}/groups", f"projects/{project_id}"):
        assert (await cloud_api.get(f"{V3}/{path}", ann)).status_code == 200
    assert (await cloud_api.get(f"{V3}/domains/default", ann)).status_code == 200
    other = await cloud_api.make("domain", name="other")
    for path in (
        f"users/{cloud_api.admin_id}",
        f"users/{cloud_api.admin_id}/projects",
        f"users/{NOBODY}/groups",
        f"projects/{cloud_api.admin_project_id}",
        f"domains/{other['id']}",
        "role_assignments",
    ):
        assert (await cloud_api.get(f"{V3}/{path}", ann)).status_code == 403, path
    assert (await cloud_api.get(f"{V3}/users/{NOBODY}/projects")).status_code == 404
    assert (await cloud_api.get(f"{V3}/users/{NOBODY}/groups")).status_code == 404


async def test_a_password_is_changed_by_who_knows_the_old_one(cloud_api: CloudApi) -> None:
    token, _ = await cloud_api.tenant("ann")
    user_id = (await cloud_api.get(f"{V3}/users?name=ann")).json()["users"][0]["id"]
    path = f"{V3}/users/{user_id}/password"
    wrong = {"user": {"original_password": "wrong", "password": "new"}}
    assert (await cloud_api.post(path, wrong, None)).status_code == 401
    right = {"user": {"original_password": PASSWORD, "password": "new"}}
    assert (await cloud_api.post(f"{V3}/users/{NOBODY}/password", right, None)).status_code == 401
    assert (await cloud_api.post(path, right, None)).status_code == 204
    assert (await cloud_api.get(f"{V3}/regions", token)).status_code == 401
    assert (await cloud_api.sign_in("ann")).status_code == 401
    assert (await cloud_api.sign_in("ann", "new")).status_code == 201
    assert (await cloud_api.patch(f"{V3}/users/{user_id}", {"user": {"password": "newer"}})).status_code == 200
    assert (await cloud_api.sign_in("ann", "newer")).status_code == 201
    await cloud_api.patch(f"{V3}/users/{user_id}", {"user": {"password": None}})
    assert (await cloud_api.sign_in("ann", "newer")).status_code == 401


async def test_a_domain_goes_with_all_in_it(cloud_api: CloudApi) -> None:
    domain = await cloud_api.make("domain", name="north")
    project = await cloud_api.make("project", name="blue", domain_id=domain["id"])
    user = await cloud_api.make("user", name="ann", domain_id=domain["id"], password="x")
    group = await cloud_api.make("group", name="crew", domain_id=domain["id"])
    member = await cloud_api.role_id("member")
    await cloud_api.put(f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{member}")
    await cloud_api.put(f"{V3}/domains/{domain['id']}/groups/{group['id']}/roles/{member}")
    before = (await cloud_api.get(f"{V3}/role_assignments")).json()["role_assignments"]
    assert (await cloud_api.patch(f"{V3}/domains/{domain['id']}", {"domain": {"enabled": False}})).status_code == 200
    assert (await cloud_api.delete(f"{V3}/domains/{domain['id']}")).status_code == 204
    for path in (f"projects/{project['id']}", f"users/{user['id']}", f"groups/{group['id']}"):
        assert (await cloud_api.get(f"{V3}/{path}")).status_code == 404
    after = (await cloud_api.get(f"{V3}/role_assignments")).json()["role_assignments"]
    assert len(after) == len(before) - 2
    assert (await cloud_api.delete(f"{V3}/domains/default")).status_code == 403
