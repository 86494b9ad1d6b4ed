"""Tokens: issued, looked at, revoked; and what ends them."""

from typing import Any

import pytest

from kilonova.api.identity.catalogue import BUILT_IN
from kilonova.api.identity.rights import RIGHTS
from kilonova.api.identity.routes import ROUTES
from tests.api.cloud import PASSWORD, CloudApi

TOKENS = "/identity/v3/auth/tokens"


def asked(identity: Any, scope: Any = None) -> dict[str, Any]:
    return {"auth": {"identity": identity} | ({} if scope is None else {"scope": scope})}


def by_token(token: str, scope: Any = None) -> dict[str, Any]:
    return asked({"methods": ["token"], "token": {"id": token}}, scope)


async def test_version_documents(cloud_api: CloudApi) -> None:
    answer = await cloud_api.get("/identity", None)
    assert answer.status_code == 300
    assert answer.json()["versions"]["values"][0]["links"] == [{"rel": "self", "href": "http://cloud.test/identity/v3/"}]
    assert (await cloud_api.get("/identity/", None)).status_code == 300
    answer = await cloud_api.get("/identity/v3", None)
    assert answer.json()["version"]["status"] == "stable"
    assert (await cloud_api.get("/identity/v2.0", None)).json()["error"]["code"] == 404


async def test_a_project_scoped_token_says_everything(cloud_api: CloudApi) -> None:
    scope = {"project": {"name": "admin", "domain": {"name": "Default"}}}
    answer = await cloud_api.sign_in("admin", scope=scope)
    assert answer.status_code == 201
    assert answer.headers["vary"] == "X-Auth-Token"
    assert 150 < len(answer.headers["x-subject-token"]) < 256
    token = answer.json()["token"]
    assert token["methods"] == ["password"]
    assert token["user"] == {
        "id": cloud_api.admin_id,
        "name": "admin",
        "domain": {"id": "default", "name": "Default"},
        "password_expires_at": None,
    }
    assert token["project"]["id"] == cloud_api.admin_project_id
    assert token["is_domain"] is False
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert len(token["audit_ids"]) == 1
    assert len(token["expires_at"]) == len("2015-11-05T22:00:11.000000Z")
    catalog = {entry["type"]: entry for entry in token["catalog"]}
    names = {kind: entry["name"] for kind, entry in catalog.items()}
    assert names == {built.type: built.name for built in BUILT_IN}
    assert names.items() >= {"identity": "keystone", "compute": "nova", "image": "glance", "network": "neutron"}.items()
    assert sorted(endpoint["interface"] for endpoint in catalog["compute"]["endpoints"]) == ["admin", "internal", "public"]
    assert {endpoint["url"] for endpoint in catalog["compute"]["endpoints"]} == {"http://cloud.test/compute/v2.1"}
    assert {endpoint["region_id"] for endpoint in catalog["image"]["endpoints"]} == {"RegionOne"}


async def test_other_scopes(cloud_api: CloudApi) -> None:
    domain = (await cloud_api.sign_in("admin", scope={"domain": {"id": "default"}})).json()["token"]
    assert domain["domain"] == {"id": "default", "name": "Default"}
    assert "project" not in domain
    system = (await cloud_api.sign_in("admin", scope={"system": {"all": True}})).json()["token"]
    assert system["system"] == {"all": True}
    nothing: list[Any] = ["unscoped", {"unscoped": {}}, None]
    for unscoped in nothing:
        token = (await cloud_api.sign_in("admin", scope=unscoped)).json()["token"]
        assert not {"project", "domain", "system", "roles", "catalog"} & set(token)


async def test_the_default_project_is_the_scope_where_none_is_named(cloud_api: CloudApi) -> None:
    await cloud_api.tenant("ann")
    project = (await cloud_api.get("/identity/v3/projects?name=ann")).json()["projects"][0]["id"]
    user = (await cloud_api.get("/identity/v3/users?name=ann")).json()["users"][0]["id"]
    await cloud_api.patch(f"/identity/v3/users/{user}", {"user": {"default_project_id": project}})
    assert (await cloud_api.sign_in("ann")).json()["token"]["project"]["id"] == project
    await cloud_api.patch(f"/identity/v3/users/{user}", {"user": {"default_project_id": cloud_api.admin_project_id}})
    assert "project" not in (await cloud_api.sign_in("ann")).json()["token"]


@pytest.mark.parametrize(
    ("name", "password", "scope"),
    [
        ("admin", "wrong", None),
        ("nobody", PASSWORD, None),
        ("admin", PASSWORD, {"project": {"id": "0" * 32}}),
        ("admin", PASSWORD, {"project": {"name": "none", "domain": {"id": "default"}}}),
        ("admin", PASSWORD, {"domain": {"name": "none"}}),
        ("admin", "", None),
    ],
)
async def test_bad_credentials_get_keystones_words(cloud_api: CloudApi, name: str, password: str, scope: Any) -> None:
    answer = await cloud_api.sign_in(name, password, scope)
    assert answer.status_code == 401
    assert answer.json() == {
        "error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}
    }
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://cloud.test/identity"'


async def test_an_unknown_user_costs_a_hash_too(cloud_api: CloudApi) -> None:
    hashed: list[str] = []
    real = cloud_api.world.passwords.matches

    async def watched(password: str, known: str) -> bool:
        hashed.append(known)
        return await real(password, known)

    cloud_api.world.passwords.matches = watched  # type: ignore[method-assign, assignment]
    assert (await cloud_api.sign_in("nobody")).status_code == 401
    assert hashed == [""]


async def test_a_token_from_a_token(cloud_api: CloudApi) -> None:
    first = (await cloud_api.sign_in("admin")).headers["x-subject-token"]
    answer = await cloud_api.post(TOKENS, by_token(first, {"project": {"id": cloud_api.admin_project_id}}), None)
    assert answer.status_code == 201
    old = (await cloud_api.get(TOKENS, headers={"x-subject-token": first})).json()["token"]
    new = answer.json()["token"]
    assert new["expires_at"] == old["expires_at"]
    assert new["audit_ids"][1] == old["audit_ids"][0]
    assert sorted(new["methods"]) == ["password", "token"]
    answer = await cloud_api.post(TOKENS, by_token("forged"), None)
    assert answer.status_code == 404


async def test_validate_head_and_nocatalog(cloud_api: CloudApi) -> None:
    subject = {"x-subject-token": cloud_api.admin_token}
    answer = await cloud_api.get(TOKENS, headers=subject)
    assert answer.status_code == 200
    assert answer.headers["x-subject-token"] == cloud_api.admin_token
    assert "catalog" in answer.json()["token"]
    assert "catalog" not in (await cloud_api.get(f"{TOKENS}?nocatalog", headers=subject)).json()["token"]
    head = await cloud_api.send("HEAD", TOKENS, headers=subject)
    assert (head.status_code, head.content) == (200, b"")
    assert (await cloud_api.get(TOKENS)).status_code == 400
    answer = await cloud_api.get(TOKENS, headers={"x-subject-token": "nonsense"})
    assert answer.status_code == 404
    assert (await cloud_api.get(TOKENS, None, headers=subject)).status_code == 401


async def test_others_tokens_are_an_admins_business(cloud_api: CloudApi) -> None:
    ann, _ = await cloud_api.tenant("ann")
    subject = {"x-subject-token": cloud_api.admin_token}
    assert (await cloud_api.get(TOKENS, ann, headers=subject)).status_code == 403
    assert (await cloud_api.delete(TOKENS, ann, headers=subject)).status_code == 403
    assert (await cloud_api.get(TOKENS, ann, headers={"x-subject-token": ann})).status_code == 200
    assert (await cloud_api.get(TOKENS, headers={"x-subject-token": ann})).status_code == 200


async def test_a_revoked_token_is_dead_at_once_and_the_others_live(cloud_api: CloudApi) -> None:
    ann, _ = await cloud_api.tenant("ann")
    other = (await cloud_api.sign_in("ann")).headers["x-subject-token"]
    assert (await cloud_api.get("/identity/v3/auth/projects", ann)).status_code == 200
    assert (await cloud_api.delete(TOKENS, ann, headers={"x-subject-token": ann})).status_code == 204
    assert (await cloud_api.get("/identity/v3/auth/projects", ann)).status_code == 401
    assert (await cloud_api.get("/identity/v3/auth/projects", other)).status_code == 200
    assert (await cloud_api.delete(TOKENS, headers={"x-subject-token": ann})).status_code == 404


async def test_what_a_bearer_may_ask_for(cloud_api: CloudApi) -> None:
    ann, project_id = await cloud_api.tenant("ann")
    answer = await cloud_api.get("/identity/v3/auth/projects", ann)
    assert [project["id"] for project in answer.json()["projects"]] == [project_id]
    assert (await cloud_api.get("/identity/v3/auth/domains", ann)).json()["domains"] == []
    assert (await cloud_api.get("/identity/v3/auth/system", ann)).json()["system"] == []
    assert [d["id"] for d in (await cloud_api.get("/identity/v3/auth/domains")).json()["domains"]] == ["default"]
    assert (await cloud_api.get("/identity/v3/auth/system")).json()["system"] == [{"all": True}]
    assert len((await cloud_api.get("/identity/v3/auth/catalog", ann)).json()["catalog"]) == len(BUILT_IN)
    for path in ("projects", "domains", "system", "catalog"):
        assert (await cloud_api.get(f"/identity/v3/auth/{path}", None)).status_code == 401
    unscoped = (await cloud_api.sign_in("ann")).headers["x-subject-token"]
    assert (await cloud_api.get("/identity/v3/auth/catalog", unscoped)).status_code == 403


async def test_a_disabled_project_or_user_loses_its_tokens_for_good(cloud_api: CloudApi) -> None:
    _, project_id = await cloud_api.tenant("ann")
    user_id = (await cloud_api.get("/identity/v3/users?name=ann")).json()["users"][0]["id"]
    for path, key in ((f"projects/{project_id}", "project"), (f"users/{user_id}", "user")):
        answer = await cloud_api.sign_in("ann", scope={"project": {"id": project_id}})
        token = answer.headers["x-subject-token"]
        assert (await cloud_api.get("/identity/v3/regions", token)).status_code == 200
        await cloud_api.patch(f"/identity/v3/{path}", {key: {"enabled": False}})
        assert (await cloud_api.get("/identity/v3/regions", token)).status_code == 401
        assert (await cloud_api.sign_in("ann", scope={"project": {"id": project_id}})).status_code == 401
        await cloud_api.patch(f"/identity/v3/{path}", {key: {"enabled": True}})
        assert (await cloud_api.get("/identity/v3/regions", token)).status_code == 401
    assert (await cloud_api.sign_in("ann", scope={"project": {"id": project_id}})).status_code == 201


@pytest.mark.parametrize("gone", ["project", "user", "role"])
async def test_deleting_what_a_token_stands_on_ends_it(cloud_api: CloudApi, gone: str) -> None:
    ann, project_id = await cloud_api.tenant("ann")
    user_id = (await cloud_api.get("/identity/v3/users?name=ann")).json()["users"][0]["id"]
    role = f"projects/{project_id}/users/{user_id}/roles/{await cloud_api.role_id('member')}"
    path = {"project": f"projects/{project_id}", "user": f"users/{user_id}", "role": role}[gone]
    assert (await cloud_api.get("/identity/v3/regions", ann)).status_code == 200
    assert (await cloud_api.delete(f"/identity/v3/{path}")).status_code == 204
    assert (await cloud_api.get("/identity/v3/regions", ann)).status_code == 401


async def test_rights_are_the_roles_of_now(cloud_api: CloudApi) -> None:
    ann, project_id = await cloud_api.tenant("ann", "reader")
    user_id = (await cloud_api.get("/identity/v3/users?name=ann")).json()["users"][0]["id"]
    assert (await cloud_api.get("/identity/v3/users", ann)).status_code == 403
    await cloud_api.put(f"/identity/v3/projects/{project_id}/users/{user_id}/roles/{await cloud_api.role_id('admin')}")
    assert (await cloud_api.get("/identity/v3/users", ann)).status_code == 200


def test_every_function_has_its_right() -> None:
    handlers = {handler for methods in ROUTES.values() for handler in methods.values()}
    assert handlers == set(RIGHTS)
