"""Application credentials and access rules: their life, the tokens got with them, and what those may do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.cloud import PASSWORD, CloudApi, running_cloud

TOKENS = "/identity/v3/auth/tokens"


@dataclass
class Ann:
    """A member of a project, with a token for it."""

    cloud: CloudApi
    id: str
    token: str
    project_id: str

    @property
    def home(self) -> str:
        return f"/identity/v3/users/{self.id}/application_credentials"

    @property
    def rules(self) -> str:
        return f"/identity/v3/users/{self.id}/access_rules"

    async def make(self, token: str = "", **fields: Any) -> httpx.Response:
        return await self.cloud.post(self.home, {"application_credential": {"name": "robot"} | fields}, token or self.token)

    async def made(self, **fields: Any) -> dict[str, Any]:
        answer = await self.make(**fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["application_credential"])

    async def sign_in(self, scope: Any = None, **method: Any) -> httpx.Response:
        auth: dict[str, Any] = {"identity": {"methods": ["application_credential"], "application_credential": method}}
        if scope is not None:
            auth["scope"] = scope
        return await self.cloud.post(TOKENS, {"auth": auth}, None)

    async def robot(self, **fields: Any) -> str:
        """A token got by a new credential."""
        made = await self.made(**fields)
        answer = await self.sign_in(id=made["id"], secret=made["secret"])
        assert answer.status_code == 201, answer.text
        return str(answer.headers["x-subject-token"])


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ann(tmp_path: Path, clock: Clock) -> AsyncIterator[Ann]:
    async with running_cloud(tmp_path, now=clock) as cloud:
        token, project_id = await cloud.tenant("ann")
        shown = (await cloud.get(TOKENS, token, headers={"x-subject-token": token})).json()["token"]
        yield Ann(cloud, shown["user"]["id"], token, project_id)


async def test_the_secret_is_told_once(ann: Ann) -> None:
    made = await ann.made(description="for CI")
    assert len(made["secret"]) >= 80
    assert (made["project_id"], made["unrestricted"], made["expires_at"]) == (ann.project_id, False, None)
    assert sorted(role["name"] for role in made["roles"]) == ["member", "reader"]
    assert made["links"]["self"].endswith(f"{ann.home}/{made['id']}")
    for path, key in ((f"{ann.home}/{made['id']}", "application_credential"), (ann.home, "application_credentials")):
        answer = await ann.cloud.get(path, ann.token)
        assert answer.status_code == 200
        assert "secret" not in answer.text
        found = answer.json()[key]
        assert (found[0] if isinstance(found, list) else found) == {k: v for k, v in made.items() if k != "secret"}
    assert (await ann.made(name="given", secret="s3cret"))["secret"] == "s3cret"
    assert (await ann.make()).status_code == 409
    listed = (await ann.cloud.get(ann.home, ann.token, params={"name": "given"})).json()["application_credentials"]
    assert [item["name"] for item in listed] == ["given"]


async def test_a_token_got_with_it(ann: Ann) -> None:
    made = await ann.made(roles=[{"name": "reader"}])
    assert [role["name"] for role in made["roles"]] == ["reader"]
    by_id = await ann.sign_in(id=made["id"], secret=made["secret"])
    by_name = await ann.sign_in(name="robot", user={"name": "ann", "domain": {"id": "default"}}, secret=made["secret"])
    assert (by_id.status_code, by_name.status_code) == (201, 201)
    token = by_id.json()["token"]
    assert token["methods"] == ["application_credential"]
    assert token["project"]["id"] == ann.project_id
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["application_credential"] == {"id": made["id"], "name": "robot", "restricted": True}
    shown = await ann.cloud.get(TOKENS, ann.token, headers={"x-subject-token": by_id.headers["x-subject-token"]})
    assert shown.json()["token"] == token


async def test_who_gets_no_token(ann: Ann) -> None:
    made = await ann.made()
    for method in (
        {"id": made["id"], "secret": "wrong"},
        {"id": "0" * 32, "secret": made["secret"]},
        {"name": "other", "user": {"id": ann.id}, "secret": made["secret"]},
        {"name": "robot", "user": {"id": "0" * 32}, "secret": made["secret"]},
    ):
        assert (await ann.sign_in(**method)).status_code == 401
    assert (await ann.sign_in(name="robot", secret=made["secret"])).status_code == 400
    scope = {"project": {"id": ann.project_id}}
    assert (await ann.sign_in(scope, id=made["id"], secret=made["secret"])).status_code == 401
    empty = {"auth": {"identity": {"methods": ["application_credential"]}}}
    assert (await ann.cloud.post(TOKENS, empty, None)).status_code == 400


async def test_a_token_made_from_its_token_keeps_its_bounds(ann: Ann) -> None:
    cloud = ann.cloud
    other = await cloud.make("project", name="other")
    await cloud.put(f"/identity/v3/projects/{other['id']}/users/{ann.id}/roles/{await cloud.role_id('member')}")
    robot = await ann.robot(roles=[{"name": "reader"}])

    async def exchange(scope: Any) -> httpx.Response:
        auth = {"identity": {"methods": ["token"], "token": {"id": robot}}, "scope": scope}
        return await cloud.post(TOKENS, {"auth": auth}, None)

    assert (await exchange({"project": {"id": other["id"]}})).status_code == 401
    assert (await exchange("unscoped")).status_code == 401
    same = await exchange({"project": {"id": ann.project_id}})
    assert same.status_code == 201
    assert [role["name"] for role in same.json()["token"]["roles"]] == ["reader"]
    assert same.json()["token"]["application_credential"]["restricted"] is True


async def test_it_expires(ann: Ann, clock: Clock) -> None:
    until = datetime.fromtimestamp(clock() + 60, UTC).replace(tzinfo=None) + timedelta(microseconds=250)
    made = await ann.made(expires_at=until.isoformat() + "Z")
    assert made["expires_at"] == until.isoformat()
    answer = await ann.sign_in(id=made["id"], secret=made["secret"])
    assert answer.json()["token"]["expires_at"] == until.isoformat() + "Z"
    clock.time += 61
    assert (await ann.sign_in(id=made["id"], secret=made["secret"])).status_code == 401
    assert (await ann.make(name="late", expires_at="2001-01-01T00:00:00")).status_code == 400
    assert (await ann.make(name="odd", expires_at="soon")).status_code == 400


async def test_it_goes_with_a_role_of_its_user(ann: Ann) -> None:
    cloud = ann.cloud
    robot, member = await ann.robot(), await cloud.role_id("member")
    assert (await cloud.get("/identity/v3/auth/projects", robot)).status_code == 200
    await cloud.delete(f"/identity/v3/projects/{ann.project_id}/users/{ann.id}/roles/{member}")
    assert (await cloud.get("/identity/v3/auth/projects", robot)).status_code == 401
    assert (await cloud.get(ann.home)).json()["application_credentials"] == []


async def test_it_goes_with_a_group_that_gave_the_role(ann: Ann) -> None:
    cloud = ann.cloud
    group, role = await cloud.make("group", name="crew"), await cloud.make("role", name="extra")
    await cloud.put(f"/identity/v3/projects/{ann.project_id}/groups/{group['id']}/roles/{role['id']}")
    await cloud.put(f"/identity/v3/groups/{group['id']}/users/{ann.id}")
    again = await cloud.sign_in("ann", scope={"project": {"id": ann.project_id}})
    ann.token = again.headers["x-subject-token"]
    await ann.made(name="keeps", roles=[{"name": "reader"}])
    await ann.made(name="goes", roles=[{"id": role["id"]}])
    await cloud.delete(f"/identity/v3/groups/{group['id']}/users/{ann.id}")
    left = (await cloud.get(ann.home)).json()["application_credentials"]
    assert [item["name"] for item in left] == ["keeps"]


async def test_only_roles_of_the_own_token(ann: Ann) -> None:
    assert (await ann.make(roles=[{"name": "admin"}])).status_code == 400
    assert (await ann.make(roles=[{"id": await ann.cloud.role_id("manager")}])).status_code == 400
    assert (await ann.make(roles=[{}])).status_code == 400
    unscoped = (await ann.cloud.sign_in("ann", scope={"unscoped": {}})).headers["x-subject-token"]
    assert (await ann.make(unscoped)).status_code == 403


async def test_others_may_not_and_admins_may_read_and_delete(ann: Ann) -> None:
    cloud = ann.cloud
    made = await ann.made()
    one = f"{ann.home}/{made['id']}"
    bob, _ = await cloud.tenant("bob")
    assert (await cloud.post(ann.home, {"application_credential": {"name": "x"}})).status_code == 403, "no admin either"
    for method, path in (("GET", ann.home), ("GET", one), ("DELETE", one), ("GET", ann.rules)):
        assert (await cloud.send(method, path, bob)).status_code == 403
    assert (await cloud.patch(one, {"application_credential": {"name": "y"}}, ann.token)).status_code == 405
    assert (await cloud.get(one)).status_code == 200
    wrong_user = f"/identity/v3/users/{cloud.admin_id}/application_credentials/{made['id']}"
    assert (await cloud.get(wrong_user)).status_code == 404
    assert (await cloud.delete(one)).status_code == 204
    assert (await cloud.get(one, ann.token)).status_code == 404
    assert (await cloud.delete(one, ann.token)).status_code == 404


async def test_its_token_makes_no_more_of_them_unless_unrestricted(ann: Ann) -> None:
    robot = await ann.robot()
    answer = await ann.make(robot, name="child")
    assert answer.status_code == 403
    listed = (await ann.cloud.get(ann.home, robot)).json()["application_credentials"]
    assert (await ann.cloud.delete(f"{ann.home}/{listed[0]['id']}", robot)).status_code == 403
    free = await ann.robot(name="free", unrestricted=True, roles=[{"name": "reader"}])
    assert (await ann.make(free, name="child")).status_code == 201
    assert (await ann.make(free, name="bigger", roles=[{"name": "member"}])).status_code == 400, "no more than its own roles"


async def test_access_rules_are_kept_to(ann: Ann) -> None:
    cloud = ann.cloud
    allowed = {"service": "identity", "method": "GET", "path": f"/v3/users/{ann.id}"}
    robot = await ann.robot(access_rules=[allowed, {"service": "identity", "method": "GET", "path": "/v3/auth/*"}])
    assert (await cloud.get(f"/identity/v3/users/{ann.id}", robot)).status_code == 200
    assert (await cloud.get("/identity/v3/auth/projects", robot)).status_code == 200
    for path in (ann.home, f"/identity/v3/projects/{ann.project_id}", "/compute/v2.1/servers", "/image/v2/images"):
        answer = await cloud.get(path, robot)
        assert answer.status_code == 401, path
    assert (await cloud.send("HEAD", "/identity/v3/auth/catalog", robot)).status_code == 401, "another method"
    assert (await cloud.get(TOKENS, robot, headers={"x-subject-token": robot})).status_code == 200, "any token shows itself"
    assert (await cloud.get("/identity/v3", robot)).status_code == 200, "no token is needed there"


async def test_access_rules_live_on_their_own(ann: Ann) -> None:
    cloud = ann.cloud
    words = {"service": "compute", "method": "GET", "path": "/v2.1/servers/*/ips"}
    first = await ann.made(access_rules=[words])
    (rule,) = first["access_rules"]
    assert rule == words | {"id": rule["id"]}
    second = await ann.made(name="second", access_rules=[{"id": rule["id"]}])
    third = await ann.made(name="third", access_rules=[words])
    assert second["access_rules"] == third["access_rules"] == [rule], "said twice it is one rule"
    one = f"{ann.rules}/{rule['id']}"
    listed = (await cloud.get(ann.rules, ann.token)).json()["access_rules"]
    assert listed == [rule | {"links": {"self": listed[0]["links"]["self"]}}]
    assert listed[0]["links"]["self"].endswith(one)
    assert (await cloud.get(one, ann.token)).json()["access_rule"] == listed[0]
    assert (await cloud.delete(one, ann.token)).status_code == 403, "in use"
    for made in (first, second, third):
        assert (await cloud.delete(f"{ann.home}/{made['id']}", ann.token)).status_code == 204
    assert (await cloud.delete(one, ann.token)).status_code == 204
    assert (await cloud.get(one, ann.token)).status_code == 404
    assert (await cloud.delete(one, ann.token)).status_code == 404


@pytest.mark.parametrize(
    "rule",
    [
        {"service": "compute", "method": "GET"},
        {"service": "compute", "method": "BREW", "path": "/v2.1/servers"},
        {"service": "compute", "method": "GET", "path": "v2.1/servers"},
        {"service": "compute", "method": "GET", "path": "/" + "x" * 300},
        {},
    ],
)
async def test_malformed_access_rules(ann: Ann, rule: dict[str, str]) -> None:
    assert (await ann.make(access_rules=[rule])).status_code == 400
    assert (await ann.cloud.get(ann.home, ann.token)).json()["application_credentials"] == [], "nothing is half made"


async def test_another_users_access_rule_is_not_there(ann: Ann) -> None:
    (rule,) = (await ann.made(access_rules=[{"service": "image", "method": "GET", "path": "/v2/images"}]))["access_rules"]
    bob, _ = await ann.cloud.tenant("bob")
    token = (await ann.cloud.get(TOKENS, bob, headers={"x-subject-token": bob})).json()["token"]
    home = f"/identity/v3/users/{token['user']['id']}/application_credentials"
    body = {"application_credential": {"name": "thief", "access_rules": [{"id": rule["id"]}]}}
    assert (await ann.cloud.post(home, body, bob)).status_code == 404


async def test_it_goes_with_its_user(ann: Ann) -> None:
    made = await ann.made()
    await ann.cloud.delete(f"/identity/v3/users/{ann.id}")
    assert (await ann.sign_in(id=made["id"], secret=made["secret"])).status_code == 401
    again = await ann.cloud.make("user", name="ann", password=PASSWORD)
    home = f"/identity/v3/users/{again['id']}/application_credentials"
    assert (await ann.cloud.get(home)).json()["application_credentials"] == []
