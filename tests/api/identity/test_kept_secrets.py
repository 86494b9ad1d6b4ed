"""Credentials kept for other programs, and EC2 keys: one store, two ways in."""

import json
from typing import Any

import pytest

from tests.api.cloud import CloudApi

HOME = "/identity/v3/credentials"


async def ann(cloud: CloudApi, name: str = "ann") -> tuple[str, str, str]:
    """(token, user id, project id)."""
    token, project_id = await cloud.tenant(name)
    user = (await cloud.get("/identity/v3/users", params={"name": name})).json()["users"][0]
    return token, user["id"], project_id


async def test_a_credential_lives(cloud_api: CloudApi) -> None:
    token, user_id, project_id = await ann(cloud_api)
    fields = {"type": "cert", "blob": "a secret", "project_id": project_id, "user_id": user_id}
    answer = await cloud_api.post(HOME, {"credential": fields}, token)
    assert answer.status_code == 201
    made = answer.json()["credential"]
    assert {name: made[name] for name in fields} == fields
    one = f"{HOME}/{made['id']}"
    assert (await cloud_api.get(one, token)).json()["credential"] == made
    changed = await cloud_api.patch(one, {"credential": {"blob": "another"}}, token)
    assert (changed.status_code, changed.json()["credential"]) == (200, made | {"blob": "another"})
    for what in ({"user_id": cloud_api.admin_id}, {"type": "totp"}, {"project_id": cloud_api.admin_project_id}):
        assert (await cloud_api.patch(one, {"credential": what}, token)).status_code == 400
    listed = (await cloud_api.get(HOME, params={"type": "cert", "user_id": user_id})).json()["credentials"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert (await cloud_api.get(HOME, params={"type": "totp"})).json()["credentials"] == []
    assert (await cloud_api.delete(one, token)).status_code == 204
    assert (await cloud_api.get(one, token)).status_code == 404


async def test_only_ones_own(cloud_api: CloudApi) -> None:
    token, user_id, project_id = await ann(cloud_api)
    bob, bob_id, _ = await ann(cloud_api, "bob")
    made = (await cloud_api.post(HOME, {"credential": {"type": "cert", "blob": "x"}}, token)).json()["credential"]
    assert (made["user_id"], made["project_id"]) == (user_id, None)
    one = f"{HOME}/{made['id']}"
    assert (await cloud_api.get(one, bob)).status_code == 403
    assert (await cloud_api.delete(one, bob)).status_code == 403
    assert (await cloud_api.get(HOME, bob)).json()["credentials"] == []
    assert (await cloud_api.get(HOME, bob, params={"user_id": user_id})).json()["credentials"] == []
    theirs = {"credential": {"type": "cert", "blob": "x", "user_id": bob_id}}
    assert (await cloud_api.post(HOME, theirs, token)).status_code == 403
    assert (await cloud_api.post(HOME, theirs)).status_code == 201, "an admin may"
    ec2 = f"/identity/v3/users/{user_id}/credentials/OS-EC2"
    assert (await cloud_api.get(ec2, bob)).status_code == 403
    assert (await cloud_api.post(ec2, {"tenant_id": project_id}, bob)).status_code == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "cert"},
        {"blob": "x"},
        {"type": "ec2", "blob": '{"access": "a", "secret": "s"}'},
        {"type": "ec2", "blob": "no json", "project_id": "p"},
        {"type": "ec2", "blob": "[]", "project_id": "p"},
        {"type": "ec2", "blob": '{"secret": "s"}', "project_id": "p"},
    ],
)
async def test_malformed(cloud_api: CloudApi, fields: dict[str, Any]) -> None:
    assert (await cloud_api.post(HOME, {"credential": fields})).status_code == 400


async def test_what_it_refers_to_must_be_there(cloud_api: CloudApi) -> None:
    for fields in ({"user_id": "f" * 32}, {"project_id": "f" * 32}):
        body = {"credential": {"type": "cert", "blob": "x"} | fields}
        assert (await cloud_api.post(HOME, body)).status_code == 404


async def test_ec2_keys(cloud_api: CloudApi) -> None:
    token, user_id, project_id = await ann(cloud_api)
    home = f"/identity/v3/users/{user_id}/credentials/OS-EC2"
    answer = await cloud_api.post(home, {"tenant_id": project_id}, token)
    assert answer.status_code == 201
    made = answer.json()["credential"]
    assert (made["user_id"], made["tenant_id"]) == (user_id, project_id)
    assert made["access"] and made["secret"] and made["access"] != made["secret"]
    one = f"{home}/{made['access']}"
    assert (await cloud_api.get(one, token)).json()["credential"] == made
    assert (await cloud_api.get(home, token)).json()["credentials"] == [made]
    (same,) = (await cloud_api.get(HOME, token, params={"type": "ec2"})).json()["credentials"]
    assert json.loads(same["blob"])["access"] == made["access"]
    again = {"credential": {"type": "ec2", "blob": same["blob"], "project_id": project_id}}
    assert (await cloud_api.post(HOME, again, token)).status_code == 409
    assert (await cloud_api.post(home, {"tenant_id": cloud_api.admin_project_id}, token)).status_code == 403
    assert (await cloud_api.post(home, {}, token)).status_code == 400
    assert (await cloud_api.delete(one, token)).status_code == 204
    assert (await cloud_api.get(one, token)).status_code == 404
    assert (await cloud_api.delete(one, token)).status_code == 404


async def test_they_go_with_their_project(cloud_api: CloudApi) -> None:
    token, user_id, project_id = await ann(cloud_api)
    await cloud_api.post(f"/identity/v3/users/{user_id}/credentials/OS-EC2", {"tenant_id": project_id}, token)
    assert (await cloud_api.delete(f"/identity/v3/projects/{project_id}")).status_code == 204
    assert (await cloud_api.get(HOME)).json()["credentials"] == []
