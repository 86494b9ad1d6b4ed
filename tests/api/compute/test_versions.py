"""Microversions: the list has no gaps, every file is in the table, and clients are told what they speak."""

import re
from pathlib import Path

import pytest

from kilonova.api.compute import changes
from kilonova.api.compute.changes import CHANGES, NEWEST
from kilonova.api.compute.changes.history import VERSIONS
from kilonova.api.compute.permissions import RIGHTS
from kilonova.api.compute.routes import ROUTES
from tests.api.compute.conftest import Compute


def test_no_gaps() -> None:
    assert list(VERSIONS) == list(range(1, NEWEST[1] + 1))
    assert all(sentence.endswith(".") for sentence in VERSIONS.values())


def test_every_file_is_in_the_table_and_says_what_it_is() -> None:
    files = sorted(Path(changes.__file__).parent.glob("v2_*.py"), key=lambda file: int(file.stem[3:]))
    assert [int(file.stem[3:]) for file in files] == sorted(CHANGES)
    for file in files:
        assert file.read_text().startswith(f'"""2.{int(file.stem[3:])}: '), file.name
        assert "(not served)" not in VERSIONS[int(file.stem[3:])]


def test_every_route_has_a_right() -> None:
    handlers = {handler for methods in ROUTES.values() for handler in methods.values()}
    assert handlers == set(RIGHTS)


@pytest.mark.parametrize(
    ("headers", "status", "version"),
    [
        ({}, 200, "2.1"),
        ({"OpenStack-API-Version": "compute 2.40"}, 200, "2.40"),
        ({"OpenStack-API-Version": "volume 3.5, compute 2.41"}, 200, "2.41"),
        ({"OpenStack-API-Version": "volume 3.5"}, 200, "2.1"),
        ({"OpenStack-API-Version": "compute latest"}, 200, "2.104"),
        ({"X-OpenStack-Nova-API-Version": "2.30"}, 200, "2.30"),
        ({"OpenStack-API-Version": "compute 2.5", "X-OpenStack-Nova-API-Version": "2.30"}, 200, "2.5"),
        ({"OpenStack-API-Version": "compute 2.105"}, 406, None),
        ({"OpenStack-API-Version": "compute 2.0"}, 406, None),
        ({"OpenStack-API-Version": "compute 3.1"}, 406, None),
        ({"OpenStack-API-Version": "compute two"}, 400, None),
        ({"X-OpenStack-Nova-API-Version": "2.1.1"}, 400, None),
    ],
)
async def test_negotiation(compute: Compute, headers: dict[str, str], status: int, version: str | None) -> None:
    answer = await compute.cloud.get("/compute/v2.1/flavors", headers=headers)
    assert answer.status_code == status
    assert answer.headers.get("openstack-api-version") == (version and f"compute {version}")
    assert answer.headers.get("x-openstack-nova-api-version") == version
    assert re.fullmatch("OpenStack-API-Version, X-OpenStack-Nova-API-Version", answer.headers["vary"])


async def test_documents_need_no_token(compute: Compute) -> None:
    for path in ("/compute", "/compute/"):
        listed = (await compute.cloud.get(path, None)).json()["versions"]
        assert [(version["id"], version["version"], version["min_version"]) for version in listed] == [
            ("v2.0", "", ""),
            ("v2.1", "2.104", "2.1"),
        ]
    for path, home in (("/compute/v2.1", "v2.1"), ("/compute/v2.1/", "v2.1"), ("/compute/v2", "v2"), ("/compute/v2/", "v2")):
        one = (await compute.cloud.get(path, None)).json()["version"]
        assert one["links"][0]["href"] == f"http://cloud.test/compute/{home}/"
    assert (await compute.cloud.get("/compute/v3", None)).status_code == 404


async def test_2_0_is_2_1_by_an_older_name(compute: Compute) -> None:
    """Where nobody knows microversions, a header that asks for one changes nothing."""
    new = await compute.server()
    for headers in ({}, {"OpenStack-API-Version": "compute 2.104"}, {"OpenStack-API-Version": "compute two"}):
        old = (await compute.cloud.get(f"/compute/v2/servers/{new}", headers=headers)).json()
        assert old == (await compute.cloud.get(f"/compute/v2.1/servers/{new}")).json()
    assert (await compute.cloud.get("/compute/v2/servers", None)).status_code == 401


async def test_every_version_can_list_and_show_everything(compute: Compute) -> None:
    new = await compute.server()
    paths = ("/servers/detail", f"/servers/{new}", "/flavors", "/flavors/detail", "/limits", f"/os-quota-sets/{compute.project}")
    more = ("/os-services", "/os-hypervisors/detail", "/os-keypairs", f"/servers/{new}/os-instance-actions")
    for minor in VERSIONS:
        for path in (*paths, *more):
            answer = await compute.admin("GET", path, version=f"2.{minor}")
            assert answer.status_code == 200, (path, minor, answer.text)
