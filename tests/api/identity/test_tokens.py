"""Tokens below HTTP: what they hold, who can read them, and how long one is remembered."""

import stat
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.fernet import Fernet

from kilonova.api.passwords import Argon2
from kilonova.api.tokens import CACHED, RECHECK_S, FernetTokens, open_keys
from kilonova.errors import NotAuthenticated
from kilonova.model.caller import Caller
from tests.api.cloud import CloudApi, running_cloud


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


class CountedLedger:
    """Counts how often it is asked."""

    def __init__(self, ledger: Any) -> None:
        self.ledger = ledger
        self.asked = 0

    async def read(self, question: Any) -> Any:
        self.asked += 1
        return await self.ledger.read(question)


def counted(cloud: CloudApi, clock: Any, keys: list[bytes] | None = None) -> tuple[FernetTokens, CountedLedger]:
    ledger = CountedLedger(cloud.ledger)
    return FernetTokens(keys or [Fernet.generate_key()], cast(Any, ledger), clock), ledger


def admin(cloud: CloudApi, clock: Clock) -> Caller:
    return Caller(
        user_id=cloud.admin_id,
        user_name="whatever",
        project_id=cloud.admin_project_id,
        issued_at=clock(),
        expires_at=clock() + 3600,
        audit_ids=("ab" * 12,),
    )


async def test_a_token_is_remembered_until_identity_changes(tmp_path: Path) -> None:
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        tokens, ledger = counted(cloud, clock)
        one, other = tokens.issue(admin(cloud, clock)), tokens.issue(admin(cloud, clock))
        first = await tokens.caller(one)
        assert first.user_name == "admin", "names come from the ledger, not from the token"
        assert "reader" in first.roles
        await tokens.caller(other)
        asked = ledger.asked
        assert [await tokens.caller(one) for _ in range(5)] == [first] * 5
        assert ledger.asked == asked
        clock.time += RECHECK_S + 0.1
        assert await tokens.caller(one) is first
        await tokens.caller(other)
        assert ledger.asked == asked + 1, "one question for all tokens"
        group = await cloud.make("group", name="crew")
        await cloud.put(f"/identity/v3/groups/{group['id']}/users/{cloud.admin_id}")
        clock.time += RECHECK_S + 0.1
        assert await tokens.caller(one) is not first
        assert ledger.asked == asked + 3


async def test_a_remembered_token_dies_on_time(tmp_path: Path) -> None:
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        tokens, _ = counted(cloud, clock)
        token = tokens.issue(admin(cloud, clock))
        clock.time += 3599.9
        await tokens.caller(token)
        clock.time += 0.1
        with pytest.raises(NotAuthenticated):
            await tokens.caller(token)


async def test_a_change_in_another_process_is_seen_after_the_moment(tmp_path: Path) -> None:
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        elsewhere, _ = counted(cloud, clock)
        token = elsewhere.issue(admin(cloud, clock))
        await elsewhere.caller(token)
        clock.time += 1
        answer = await cloud.patch(f"/identity/v3/projects/{cloud.admin_project_id}", {"project": {"enabled": False}})
        assert answer.status_code == 200
        clock.time += RECHECK_S
        with pytest.raises(NotAuthenticated):
            await elsewhere.caller(token)


async def test_a_change_while_it_is_looked_at_is_not_overlooked(tmp_path: Path) -> None:
    """What was read before a change must not be remembered after it."""
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        tokens, ledger = counted(cloud, clock)
        read = ledger.read

        async def read_and_forget(question: Any) -> Any:
            found = await read(question)
            tokens.forget()
            return found

        ledger.read = read_and_forget  # type: ignore[method-assign]
        token = tokens.issue(admin(cloud, clock))
        await tokens.caller(token)
        asked = ledger.asked
        await tokens.caller(token)
        assert ledger.asked == asked + 2


async def test_only_so_many_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilonova.api.tokens.CACHED", 3)
    assert CACHED > 1000
    clock = Clock()
    async with running_cloud(tmp_path, now=clock) as cloud:
        tokens, ledger = counted(cloud, clock)
        issued = [tokens.issue(admin(cloud, clock)) for _ in range(4)]
        assert len(set(issued)) == 4
        for token in issued:
            await tokens.caller(token)
        asked = ledger.asked
        await tokens.caller(issued[3])
        assert ledger.asked == asked
        await tokens.caller(issued[0])
        assert ledger.asked == asked + 1


async def test_keys(cloud_api: CloudApi, tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    keys = open_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_keys(path) == keys and len(keys) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]
    clock = cloud_api.world.now
    caller = Caller(user_id=cloud_api.admin_id, user_name="x", issued_at=clock(), expires_at=clock() + 60, audit_ids=("00" * 12,))
    old, _ = counted(cloud_api, clock, keys)
    token = old.issue(caller)
    rotated, _ = counted(cloud_api, clock, [Fernet.generate_key(), *keys])
    assert (await rotated.caller(token)).user_id == cloud_api.admin_id
    stranger, _ = counted(cloud_api, clock)
    with pytest.raises(NotAuthenticated):
        await stranger.caller(token)
    with pytest.raises(NotAuthenticated):
        await old.caller(token[:60] + ("A" if token[60] != "A" else "B") + token[61:])


async def test_ids_of_any_form_survive(cloud_api: CloudApi) -> None:
    """`default` is no UUID, and a name of 16 letters is no packed one."""
    clock = cloud_api.world.now
    tokens, _ = counted(cloud_api, clock)
    caller = Caller(
        user_id="sixteen-letters!", user_name="x", domain_id="default", expires_at=clock() + 60, audit_ids=("00" * 12,)
    )
    token = tokens.issue(caller)
    claim = tokens._open(token)
    assert (claim.user_id, claim.scope, claim.scope_id) == ("sixteen-letters!", "domain", "default")
    with pytest.raises(NotAuthenticated):
        await tokens.caller(token)


async def test_passwords() -> None:
    passwords = Argon2(memory_kib=64, rounds=1)
    hashed = await passwords.hash("sécret")
    assert hashed.startswith("$argon2id$")
    assert await passwords.matches("sécret", hashed)
    assert not await passwords.matches("secret", hashed)
    assert not await passwords.matches("", "")
    assert not await passwords.matches("x", "not a hash")
