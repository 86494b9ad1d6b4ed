"""Lockout after wrong passwords, and the history of passwords; both are off unless they are set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kilonova.model.identity_passwords import ANY_PASSWORD, Failures, PasswordRules
from tests.api.cloud import PASSWORD, CloudApi, running_cloud

STRICT = PasswordRules(unique_last_password_count=2, lockout_failure_attempts=2, lockout_duration=5)


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@asynccontextmanager
async def with_ann(folder: Path, clock: Clock, rules: PasswordRules = STRICT, **user: Any) -> AsyncIterator[tuple[CloudApi, str]]:
    async with running_cloud(folder, now=clock, password_rules=rules) as cloud:
        made = await cloud.make("user", name="ann", password=PASSWORD, **user)
        yield cloud, str(made["id"])


async def may_in(cloud: CloudApi, password: str = PASSWORD) -> bool:
    answer = await cloud.sign_in("ann", password)
    assert answer.status_code in (201, 401)
    return answer.status_code == 201


async def change(cloud: CloudApi, user_id: str, old: str, new: str) -> int:
    body = {"user": {"original_password": old, "password": new}}
    return (await cloud.post(f"/identity/v3/users/{user_id}/password", body, None)).status_code


async def test_two_wrong_ones_lock_for_five_seconds(tmp_path: Path) -> None:
    clock = Clock()
    async with with_ann(tmp_path, clock) as (cloud, user_id):
        assert not await may_in(cloud, "wrong")
        assert await may_in(cloud), "one is not too many, and being right starts anew"
        assert not await may_in(cloud, "wrong")
        assert not await may_in(cloud, "wrong")
        locked = await cloud.sign_in("ann")
        wrong = await cloud.sign_in("ann", "wrong")
        assert locked.status_code == 401
        assert locked.json() == wrong.json(), "nobody is told which it was"
        clock.time += 4.9
        assert not await may_in(cloud)
        clock.time += 0.2
        assert not await may_in(cloud, "wrong"), "the first of a new row"
        assert await may_in(cloud)
        assert await change(cloud, user_id, "wrong", "new-1") == 401
        assert await change(cloud, user_id, "wrong", "new-1") == 401
        assert await change(cloud, user_id, PASSWORD, "new-1") == 401, "changing a password tries one too"


async def test_an_admin_unlocks(tmp_path: Path) -> None:
    forever = PasswordRules(lockout_failure_attempts=1)
    clock = Clock()
    async with with_ann(tmp_path, clock, forever) as (cloud, user_id):
        path = f"/identity/v3/users/{user_id}"
        assert not await may_in(cloud, "wrong")
        clock.time += 1e6
        assert not await may_in(cloud)
        admin = (await cloud.sign_in("admin", scope={"project": {"id": cloud.admin_project_id}})).headers["x-subject-token"]
        assert (await cloud.patch(path, {"user": {"description": "locked"}}, admin)).status_code == 200
        assert not await may_in(cloud)
        assert (await cloud.patch(path, {"user": {"enabled": True}}, admin)).status_code == 200
        assert await may_in(cloud)


async def test_who_is_never_locked(tmp_path: Path) -> None:
    async with with_ann(tmp_path, Clock(), options={"ignore_lockout_failure_attempts": True}) as (cloud, _):
        assert [await may_in(cloud, "wrong") for _ in range(4)] == [False] * 4
        assert await may_in(cloud)


async def test_without_settings_nothing_is_locked_or_remembered(tmp_path: Path) -> None:
    async with with_ann(tmp_path, Clock(), ANY_PASSWORD) as (cloud, user_id):
        assert [await may_in(cloud, "wrong") for _ in range(4)] == [False] * 4
        assert await change(cloud, user_id, PASSWORD, "other") == 204
        assert await change(cloud, user_id, "other", "other") == 204
        assert await change(cloud, user_id, "other", PASSWORD) == 204


async def test_no_way_back_to_the_last_two(tmp_path: Path) -> None:
    async with with_ann(tmp_path, Clock()) as (cloud, user_id):
        assert await change(cloud, user_id, PASSWORD, PASSWORD) == 400
        assert await change(cloud, user_id, PASSWORD, "new-1") == 204
        assert await change(cloud, user_id, "new-1", "new-1") == 400
        assert await change(cloud, user_id, "new-1", PASSWORD) == 400
        assert await may_in(cloud, "new-1"), "a refused change changes nothing"
        assert await change(cloud, user_id, "new-1", "new-2") == 204
        assert await change(cloud, user_id, "new-2", PASSWORD) == 204, "the third last is free again"


async def test_an_admins_reset_is_remembered_and_not_refused(tmp_path: Path) -> None:
    async with with_ann(tmp_path, Clock()) as (cloud, user_id):
        path = f"/identity/v3/users/{user_id}"
        assert (await cloud.patch(path, {"user": {"password": "set-1"}})).status_code == 200
        assert await change(cloud, user_id, "set-1", PASSWORD) == 400
        assert (await cloud.patch(path, {"user": {"password": "set-1"}})).status_code == 200, "an admin may"


async def test_a_password_that_its_user_may_not_change(tmp_path: Path) -> None:
    async with with_ann(tmp_path, Clock(), options={"lock_password": True}) as (cloud, user_id):
        assert await change(cloud, user_id, PASSWORD, "new-1") == 400
        assert await change(cloud, "0" * 32, PASSWORD, "new-1") == 401


def test_the_rules() -> None:
    assert not ANY_PASSWORD.is_locked(Failures(99, 10.0), 10.0)
    assert not STRICT.is_locked(Failures(1, 10.0), 10.0)
    assert STRICT.is_locked(Failures(2, 10.0), 14.9)
    assert not STRICT.is_locked(Failures(2, 10.0), 15.0)
    assert STRICT.after_failure(Failures(1, 10.0), 11.0) == Failures(2, 11.0)
    assert STRICT.after_failure(Failures(2, 10.0), 20.0) == Failures(1, 20.0)
