"""Trusts: ann lets bob act in her project, as herself or as himself, with some of her roles, for a while."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.cloud import CloudApi, running_cloud

HOME = "/identity/v3/OS-TRUST/trusts"
TOKENS = "/identity/v3/auth/tokens"


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Two:
    cloud: CloudApi
    clock: Clock
    ann: str
    """Her token in her project."""
    ann_id: str
    bob: str
    bob_id: str
    project_id: str

    async def make(self, token: str = "", **fields: Any) -> httpx.Response:
        body = {
            "trustor_user_id": self.ann_id,
            "trustee_user_id": self.bob_id,
            "project_id": self.project_id,
            "impersonation": False,
            "roles": [{"name": "reader"}],
        }
        return await self.cloud.post(HOME, {"trust": body | fields}, token or self.ann)

    async def made(self, **fields: Any) -> dict[str, Any]:
        answer = await self.make(**fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json()["trust"])

    async def use(self, trust: dict[str, Any], name: str = "bob") -> httpx.Response:
        return await self.cloud.sign_in(name, scope={"OS-TRUST:trust": {"id": trust["id"]}})


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        ann, project_id = await cloud.tenant("ann")
        bob, _ = await cloud.tenant("bob")
        ids = {user["name"]: user["id"] for user in (await cloud.get("/identity/v3/users")).json()["users"]}
        yield Two(cloud, clock, ann, ids["ann"], bob, ids["bob"], project_id)


async def test_it_is_shown_to_both_sides(two: Two) -> None:
    made = await two.made()
    assert (made["expires_at"], made["remaining_uses"], made["impersonation"]) == (None, None, False)
    assert [role["name"] for role in made["roles"]] == ["reader"]
    one = f"{HOME}/{made['id']}"
    carol, _ = await two.cloud.tenant("carol")
    for token in (two.ann, two.bob, ""):
        assert (await two.cloud.get(one, token)).json()["trust"] == made
    assert (await two.cloud.get(one, carol)).status_code == 403
    assert (await two.cloud.get(HOME, two.ann)).status_code == 403, "everyone's are for admins"
    for token, params in ((two.ann, {"trustor_user_id": two.ann_id}), (two.bob, {"trustee_user_id": two.bob_id}), ("", {})):
        listed = (await two.cloud.get(HOME, token, params=params)).json()["trusts"]
        assert listed == [{name: value for name, value in made.items() if name != "roles"}]
    role_id = made["roles"][0]["id"]
    assert (await two.cloud.get(f"{one}/roles", two.bob)).json()["roles"] == made["roles"]
    assert (await two.cloud.get(f"{one}/roles/{role_id}", two.bob)).json()["role"] == made["roles"][0]
    assert (await two.cloud.send("HEAD", f"{one}/roles/{role_id}", two.bob)).status_code == 200
    assert (await two.cloud.get(f"{one}/roles/{await two.cloud.role_id('member')}", two.bob)).status_code == 404
    assert (await two.cloud.delete(one, two.bob)).status_code == 403
    assert (await two.cloud.delete(one, two.ann)).status_code == 204
    assert (await two.cloud.get(one, two.ann)).status_code == 404


@pytest.mark.parametrize("impersonation", [True, False])
async def test_a_token_got_by_it(two: Two, impersonation: bool) -> None:
    made = await two.made(impersonation=impersonation)
    answer = await two.use(made)
    assert answer.status_code == 201
    token, seen = answer.headers["x-subject-token"], answer.json()["token"]
    assert seen["user"]["name"] == ("ann" if impersonation else "bob")
    assert seen["project"]["id"] == two.project_id
    assert [role["name"] for role in seen["roles"]] == ["reader"]
    assert seen["OS-TRUST:trust"]["trustor_user"] == {"id": two.ann_id}
    assert (await two.cloud.get("/identity/v3/auth/catalog", token)).status_code == 200
    exchange = {"auth": {"identity": {"methods": ["token"], "token": {"id": token}}}}
    assert (await two.cloud.post(TOKENS, exchange, None)).status_code == 403
    further = {"application_credential": {"name": "x"}}
    home = f"/identity/v3/users/{seen['user']['id']}/application_credentials"
    assert (await two.cloud.post(home, further, token)).status_code == 403
    assert (await two.use(made, "ann")).status_code == 403, "only the trustee"
    await two.cloud.delete(f"{HOME}/{made['id']}", two.ann)
    assert (await two.cloud.get("/identity/v3/auth/catalog", token)).status_code == 401
    assert (await two.use(made)).status_code == 401


async def test_it_ends_with_what_it_stands_on(two: Two) -> None:
    made = await two.made()
    token = (await two.use(made)).headers["x-subject-token"]
    member = await two.cloud.role_id("member")
    await two.cloud.delete(f"/identity/v3/projects/{two.project_id}/users/{two.ann_id}/roles/{member}")
    assert (await two.cloud.get("/identity/v3/auth/catalog", token)).status_code == 401
    assert (await two.cloud.get(f"{HOME}/{made['id']}")).status_code == 404


async def test_time_and_uses_run_out(two: Two) -> None:
    until = datetime.fromtimestamp(two.clock() + 60, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    made = await two.made(expires_at=f"{until}Z", remaining_uses=2)
    assert made["expires_at"] == f"{until}.000000Z"
    first = await two.use(made)
    assert first.json()["token"]["expires_at"] == f"{until}.000000Z"
    assert (await two.cloud.get(f"{HOME}/{made['id']}")).json()["trust"]["remaining_uses"] == 1
    assert (await two.use(made)).status_code == 201
    assert (await two.use(made)).status_code == 401
    other = await two.made(expires_at=f"{until}Z")
    two.clock.time += 61
    assert (await two.use(other)).status_code == 401


async def test_who_may_not_make_one(two: Two) -> None:
    assert (await two.make(two.bob)).status_code == 403
    assert (await two.make(two.cloud.admin_token)).status_code == 403
    assert (await two.make(roles=[])).status_code == 403
    assert (await two.make(roles=[{"name": "admin"}])).status_code == 404
    assert (await two.make(project_id=two.cloud.admin_project_id)).status_code == 404
    assert (await two.make(trustee_user_id="f" * 32)).status_code == 404
    assert (await two.make(expires_at="bad.123Z")).status_code == 400
    assert (await two.make(expires_at="2001-01-01T00:00:00Z")).status_code == 400
    assert (await two.make(remaining_uses=0)).status_code == 400
    assert (await two.make(allow_redelegation=True)).status_code == 501
    assert (await two.cloud.get(HOME)).json()["trusts"] == []


async def test_a_disabled_trustor_is_not_acted_for(two: Two) -> None:
    token = (await two.use(await two.made())).headers["x-subject-token"]
    await two.cloud.patch(f"/identity/v3/users/{two.ann_id}", {"user": {"enabled": False}})
    assert (await two.cloud.get("/identity/v3/auth/catalog", token)).status_code == 401
