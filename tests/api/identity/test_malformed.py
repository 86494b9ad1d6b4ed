"""Whatever is sent to identity, the answer is never a 500 and always in Keystone's form."""

import json
from typing import Any

import pytest

from kilonova.api.identity.routes import ROUTES
from tests.api.cloud import CloudApi

ROOT = "/identity"
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
KEYS = ("domain", "project", "user", "group", "role", "region", "service", "endpoint")
VALUES: list[Any] = [None, 1, "text", [], {}, True, [[]], {"": ""}]
FIELDS: list[Any] = [None, -1, 10**30, 1.5, "", "x" * 1_000_000, "nul\x00", [], {}, True, [None], {"a": None}, "\u2028", "a/b,c"]
NAMES = (
    "name",
    "domain_id",
    "parent_id",
    "description",
    "enabled",
    "tags",
    "options",
    "password",
    "original_password",
    "email",
    "default_project_id",
    "id",
    "type",
    "service_id",
    "interface",
    "url",
    "region_id",
    "parent_region_id",
    "is_domain",
    "explicit_domain_id",
    "surprise",
)
RAW: list[bytes] = [
    b"",
    b"nonsense",
    b"null",
    b"1",
    b"[]",
    b'"\xff"',
    b"{}",
    b"{",
    DEEP,
    b"[" * 100_000,
    b'{"user": "\\ud800"}',
    b'{"\\u0000": 1}',
    b'{"auth": ' + DEEP + b"}",
    b" " * (3 * 1024 * 1024),
]


def writers() -> list[tuple[str, str]]:
    """Every path and method that reads a body, once a function."""
    seen: dict[Any, tuple[str, str]] = {}
    for path, methods in ROUTES.items():
        for method, handler in methods.items():
            if method in ("POST", "PUT", "PATCH"):
                seen.setdefault(handler, (method, path))
    return list(seen.values())


def fill(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return ROOT + path


async def ids_of(cloud: CloudApi) -> dict[str, str]:
    """Something real for every parameter of a path, so that a body gets as far as it can."""
    project, user = await cloud.make("project", name="p"), await cloud.make("user", name="u", password="p")
    group, domain = await cloud.make("group", name="g"), await cloud.make("domain", name="d")
    service = await cloud.make("service", type="dns")
    endpoint = await cloud.make("endpoint", service_id=service["id"], interface="public", url="http://a/")
    await cloud.make("region", id="west")
    return {
        "project_id": project["id"],
        "user_id": user["id"],
        "group_id": group["id"],
        "domain_id": domain["id"],
        "role_id": await cloud.role_id("member"),
        "implied_role_id": await cloud.role_id("reader"),
        "region_id": "west",
        "service_id": service["id"],
        "endpoint_id": endpoint["id"],
        "tag": "t",
    }


def check(answer: Any, what: object) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, (str(what)[:200], answer.text)
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["code"] == answer.status_code
        assert error["message"] and len(error["message"]) < 2000, str(what)[:200]


@pytest.mark.parametrize(("method", "path"), writers())
async def test_bodies_that_are_no_requests(cloud_api: CloudApi, method: str, path: str) -> None:
    real = fill(path, await ids_of(cloud_api))
    keys = (*KEYS, "auth", "tags")
    for body in [*RAW, *(json.dumps({key: value for key in keys}).encode() for value in VALUES)]:
        check(await cloud_api.send(method, real, content=body), (method, path, body[:80]))


@pytest.mark.parametrize("key", KEYS)
async def test_fields_of_the_wrong_kind(cloud_api: CloudApi, key: str) -> None:
    ids = await ids_of(cloud_api)
    good = {"name": "good", "type": "good", "interface": "public", "url": "http://x/", "service_id": ids["service_id"]}
    for name in NAMES:
        for number, value in enumerate(FIELDS):
            fields: dict[str, Any] = good | {"name": f"good-{name}-{number}"} | {name: value}
            check(await cloud_api.post(f"{ROOT}/v3/{key}s", {key: fields}), (key, name, str(value)[:40]))
            answer = await cloud_api.patch(f"{ROOT}/v3/{key}s/{ids[key + '_id']}", {key: {name: value}})
            check(answer, ("patch", key, name, str(value)[:40]))
    check(await cloud_api.get(f"{ROOT}/v3/{key}s"), key)


@pytest.mark.parametrize(
    "part", ["identity", "methods", "password", "user", "id", "name", "domain", "scope", "project", "system", "token"]
)
async def test_requests_for_a_token_of_the_wrong_kind(cloud_api: CloudApi, part: str) -> None:
    values = [
        *VALUES,
        *FIELDS,
        ["password"],
        ["token"],
        ["password", "token"],
        ["totp"],
        ["password"] * 9,
        {"id": None},
        {"name": "x"},
    ]

    def put_in(value: Any, document: Any) -> Any:
        if isinstance(document, dict):
            return {key: value if key == part else put_in(value, inner) for key, inner in document.items()}
        return document

    for value in values:
        for place in ("project", "domain", "system", "OS-TRUST:trust", "unscoped"):
            document = {
                "identity": {
                    "methods": ["password"],
                    "password": {
                        "user": {"id": cloud_api.admin_id, "name": "admin", "domain": {"id": "default"}, "password": "x"}
                    },
                    "token": {"id": "x"},
                },
                "scope": {place: {"id": "default", "all": True}},
            }
            answer = await cloud_api.post(f"{ROOT}/v3/auth/tokens", {"auth": put_in(value, document)}, None)
            check(answer, (part, place, str(value)[:40]))
            assert answer.status_code >= 400


@pytest.mark.parametrize("path", [path for path in ROUTES if "{" in path])
async def test_ids_that_are_none(cloud_api: CloudApi, path: str) -> None:
    for wrong in ("%00", "x" * 3000, "%F0%9F%92%A5", "%20", "'%3B--", "%25", "%FF", "null", "-1"):
        names = {part[1:-1]: wrong for part in path.split("/") if part.startswith("{")}
        for method in ROUTES[path]:
            answer = await cloud_api.send(method, fill(path, names), json={"tags": ["x"]} if method == "PUT" else {"user": {}})
            assert 400 <= answer.status_code < 500, (method, path, wrong, answer.text)


@pytest.mark.parametrize("path", [path for path in ROUTES if "GET" in ROUTES[path] and "{" not in path])
async def test_queries_of_the_wrong_kind(cloud_api: CloudApi, path: str) -> None:
    names = ("name", "id", "enabled", "limit", "marker", "sort_key", "sort_dir", "sort", "tags", "user.id", "scope.system")
    more = ("name__contains", "name__", "effective", "include_names", "domain_id", "parent_id", "type", "interface", "nocatalog")
    for name in (*names, *more):
        for value in ("", "%00", "x" * 3000, "-1", "1e9", "%FF", "%F0%9F%92%A5", "a,b", "%25%5C_", "1&" + name + "=2"):
            headers = {"x-subject-token": cloud_api.admin_token}
            check(await cloud_api.get(f"{ROOT}{path}?{name}={value}", headers=headers), (path, name, value[:20]))


async def test_methods_and_paths_that_are_not_there(cloud_api: CloudApi) -> None:
    for method, path, status in (
        ("PUT", "/v3/users", 405),
        ("POST", "/v3/auth/catalog", 405),
        ("GET", "/v3/nothing", 404),
        ("GET", "/v3/users/a/b/c", 404),
        ("TRACE", "/v3/users", 405),
    ):
        answer = await cloud_api.send(method, ROOT + path)
        check(answer, (method, path))
        assert answer.status_code == status


@pytest.mark.parametrize("token", ["", " ", "x", "gAAAAA", "ü", "x" * 6000, "gAAAAABm" + "A" * 200])
async def test_tokens_that_are_none(cloud_api: CloudApi, token: str) -> None:
    sent = token.encode()
    answer = await cloud_api.client.get(f"{ROOT}/v3/users", headers=[(b"x-auth-token", sent)])
    assert answer.status_code == 401
    headers = [(b"x-auth-token", cloud_api.admin_token.encode()), (b"x-subject-token", sent)]
    answer = await cloud_api.client.get(f"{ROOT}/v3/auth/tokens", headers=headers)
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("text", ["a\0b", "\0", "\\\0"])
async def test_nul_gets_in_nowhere(cloud_api: CloudApi, text: str) -> None:
    """PostgreSQL would answer it with an error of its own."""
    answer = await cloud_api.post(f"{ROOT}/v3/projects", {"project": {"name": "blue", "description": text}})
    assert answer.status_code == 400
    assert (await cloud_api.get(f"{ROOT}/v3/projects", params={"name": text})).status_code == 400
    assert (await cloud_api.get(f"{ROOT}/v3/projects/%00")).status_code == 404
    made = await cloud_api.make("project", name="blue", description=r"no NUL: \u0000")
    assert made["description"] == r"no NUL: \u0000"
