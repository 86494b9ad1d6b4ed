"""No input makes the compute API fail: what is wrong is said, with a status below 500."""

import itertools
import json
from typing import Any

from tests.api.compute.conftest import IMAGE, Compute

SERVER = {"name": "one", "flavorRef": "1", "imageRef": IMAGE, "networks": "none"}
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    " ",
    "x" * 1_000_000,
    "a\0b",
    "\u202e",
    "\ud800",
    [],
    [None],
    [[]],
    {},
    {"a": {}},
    "../../etc",
    "'; DROP TABLE servers; --",
    "NaN",
    [{"uuid": None}],
    [{}],
    {"": ""},
    {"k": 1},
    {"k": "x" * 300},
    ["a", "a"] * 40,
]
FIELDS = [
    "name",
    "flavorRef",
    "imageRef",
    "networks",
    "key_name",
    "user_data",
    "config_drive",
    "metadata",
    "personality",
    "min_count",
    "max_count",
    "return_reservation_id",
    "availability_zone",
    "security_groups",
    "description",
    "hostname",
    "tags",
    "host",
    "hypervisor_hostname",
    "adminPass",
    "accessIPv4",
    "accessIPv6",
    "OS-DCF:diskConfig",
    "block_device_mapping",
    "block_device_mapping_v2",
    "trusted_image_certificates",
    "colour",
]
BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"server": "\\ud800"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1e999999",
]


async def raw(compute: Compute, method: str, path: str, body: bytes, version: str = "2.104") -> int:
    headers = {"content-type": "application/json"}
    answer = await compute.admin(method, path, version=version, content=body, headers=headers)
    assert answer.status_code < 500, (method, path, body[:80], answer.text)
    return answer.status_code


async def test_every_field_of_a_new_server(compute: Compute) -> None:
    for version, name, value in itertools.product(("2.104", "2.1"), FIELDS, WRONG):
        fields = {key: field for key, field in SERVER.items() if version == "2.104" or key != "networks"}
        await raw(compute, "POST", "/servers", json.dumps({"server": {**fields, name: value}}).encode(), version)


async def test_negative_counts_and_control_characters_are_refused(compute: Compute) -> None:
    for fields in (
        {"min_count": -1},
        {"min_count": 3, "max_count": 2},
        {"max_count": 2**40},
        {"name": "a\0b"},
        {"name": "x" * 256},
        {"metadata": {"k": "x" * 256}},
        {"flavorRef": ""},
        {"imageRef": "none"},
        {"user_data": "!"},
        {"tags": ["a/b"]},
        {"hostname": "-x"},
        {"accessIPv4": "fe80::1"},
        {"networks": "all"},
        {"key_name": None},
    ):
        assert await raw(compute, "POST", "/servers", json.dumps({"server": {**SERVER, **fields}}).encode()) == 400


async def test_an_unknown_flavor_is_a_bad_request(compute: Compute) -> None:
    assert await raw(compute, "POST", "/servers", json.dumps({"server": {**SERVER, "flavorRef": "none"}}).encode()) == 400


async def test_bodies_that_are_none(compute: Compute) -> None:
    new = await compute.server()
    ways = [
        ("POST", "/servers"),
        ("PUT", f"/servers/{new}"),
        ("POST", f"/servers/{new}/action"),
        ("POST", f"/servers/{new}/metadata"),
        ("PUT", f"/servers/{new}/metadata/k"),
        ("PUT", f"/servers/{new}/tags"),
        ("POST", "/flavors"),
        ("PUT", "/flavors/1"),
        ("POST", "/flavors/1/action"),
        ("POST", "/flavors/1/os-extra_specs"),
        ("POST", "/os-keypairs"),
        ("PUT", f"/os-quota-sets/{compute.project}"),
        ("PUT", "/os-services/x"),
    ]
    for (method, path), body, version in itertools.product(ways, BODIES, ("2.104", "2.1")):
        status = await raw(compute, method, path, body, version)
        assert (
            status == 400
            or (path == "/flavors/1" and version == "2.1")
            or (path.endswith("tags") and version == "2.1")
            or (path == "/os-services/x" and version == "2.1")
        ), (method, path, body[:40])


async def test_too_large(compute: Compute) -> None:
    assert await raw(compute, "POST", "/servers", b"x" * (3 * 1024 * 1024)) == 413


async def test_queries_and_paths(compute: Compute) -> None:
    values = ("", "%00", "x" * 3000, "(((((", "-1", "99999999999999999999", "%F0%9F%92%A9", "%ff", "null", "1e9")
    names = (
        "name",
        "status",
        "ip",
        "limit",
        "marker",
        "changes-since",
        "changes-before",
        "sort_key",
        "sort_dir",
        "tags",
        "tags-any",
        "all_tenants",
        "deleted",
        "image",
        "flavor",
        "uuid",
        "vm_state",
        "user_id",
        "config_drive",
        "reservation_id",
        "is_public",
        "minRam",
        "minDisk",
        "with_servers",
        "hypervisor_hostname_pattern",
        "tenant_id",
    )
    for path, name, value in itertools.product(
        ("/servers/detail", "/flavors", "/os-keypairs", "/os-hypervisors", "/limits"), names, values
    ):
        for version in ("2.104", "2.1"):
            answer = await compute.admin("GET", f"{path}?{name}={value}", version=version)
            assert answer.status_code < 500, (path, name, value, answer.text)
    for value in ("%00", "x" * 3000, "%F0%9F%92%A9", "-1", "..%2F..", "%20"):
        for path in (
            "/servers/{}",
            "/servers/{}/metadata/a",
            "/flavors/{}",
            "/os-keypairs/{}",
            "/os-hypervisors/{}",
            "/os-quota-sets/{}",
        ):
            answer = await compute.admin("GET", path.format(value))
            assert answer.status_code < 500, (path, value, answer.text)
