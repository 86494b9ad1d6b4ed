"""One simulated cloud for all of these tests, and the clients that people use, as they come."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import openstack
import pytest

from tests.clients.http import Wire, log_in
from tests.clients.session import Session
from tests.cloud.running import Cloud, running, wait_for

HOSTS = 3
LISTS = (
    "/compute/v2.1/servers?all_tenants=1",
    "/compute/v2.1/flavors/detail?is_public=None",
    "/compute/v2.1/os-keypairs",
    "/compute/v2.1/limits",
    "/compute/v2.1/os-server-groups?all_projects=1",
    "/compute/v2.1/os-aggregates",
    "/compute/v2.1/os-hypervisors/statistics",
    "/compute/v2.1/os-quota-class-sets/default",
    "/image/v2/images?limit=1000",
    "/image/v2/tasks",
    "/network/v2.0/networks",
    "/network/v2.0/subnets",
    "/network/v2.0/ports",
    "/network/v2.0/security-groups",
    "/network/v2.0/security-group-rules",
    "/network/v2.0/routers",
    "/network/v2.0/floatingips",
    "/network/v2.0/subnetpools",
    "/network/v2.0/address-scopes",
    "/network/v2.0/quotas",
    "/volume/v3/volumes?all_tenants=1",
    "/volume/v3/snapshots?all_tenants=1",
    "/volume/v3/attachments?all_tenants=1",
    "/volume/v3/messages",
    "/volume/v3/types?is_public=None",
    "/volume/v3/qos-specs",
    "/volume/v3/os-volume-transfer?all_tenants=1",
    "/volume/v3/limits",
    "/volume/v3/os-quota-class-sets/default",
    "/placement/usages?project_id={project}",
    "/identity/v3/domains",
    "/identity/v3/projects",
    "/identity/v3/users",
    "/identity/v3/groups",
    "/identity/v3/roles",
    "/identity/v3/role_assignments",
    "/identity/v3/regions",
    "/identity/v3/services",
    "/identity/v3/endpoints",
    "/identity/v3/credentials",
    "/identity/v3/registered_limits",
    "/identity/v3/limits",
    "/identity/v3/OS-TRUST/trusts",
    "/identity/v3/users/{user}/application_credentials",
    "/identity/v3/users/{user}/access_rules",
    "/identity/v3/users/{user}/credentials/OS-EC2",
)
"""Where everything that a client can make is listed; the gaps are for the admin. Not what stays on record (migrations, usage)."""
NEW = {"/volume": "volume latest", "/placement": "placement latest"}
"""Lists that the first versions of their services do not have."""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running simulated cloud. No request of any test may have failed for a reason of its own."""
    with running(tmp_path_factory.mktemp("clients"), hosts=HOSTS) as cloud:
        yield cloud
        assert "request failed" not in cloud.log("control"), cloud.log("control")[-4000:]


def openrc(data: Path, **more: str) -> dict[str, str]:
    """An environment with what `openrc` exports, and nothing else of OpenStack's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**own, **dict(re.findall(r"export (\w+)='(.*)'", (data / "openrc").read_text())), **more}


@pytest.fixture(scope="session")
def osc(cloud: Cloud) -> Iterator[Session]:
    """The stock command line, as the admin."""
    session = Session(openrc(cloud.data))
    yield session
    session.end()


@pytest.fixture(scope="session")
def connect(cloud: Cloud) -> Iterator[Callable[..., Any]]:
    """Connections of openstacksdk: the admin's, from the cloud's own clouds.yaml, or another's by (name, password, project)."""
    made = []

    def connection(who: tuple[str, str, str] | None = None, **more: Any) -> Any:
        config = openstack.config.OpenStackConfig(config_files=[str(cloud.data / "clouds.yaml")], load_envvars=False)
        if who is not None:
            config.cloud_config["clouds"]["kilonova"]["auth"] |= dict(
                zip(("username", "password", "project_name"), who, strict=True)
            )
        made.append(openstack.connection.Connection(config=config.get_one("kilonova", **more)))
        return made[-1]

    yield connection
    for one in made:
        one.close()


@pytest.fixture
def token(cloud: Cloud) -> str:
    """The admin's."""
    environment = openrc(cloud.data)
    return log_in(Wire(cloud.listen), "admin", environment["OS_PASSWORD"], "admin")


@pytest.fixture(scope="session")
def image(cloud: Cloud) -> str:
    """The id of a small image everybody may use."""
    return cloud.api.image()


@pytest.fixture
def nothing_left(cloud: Cloud, image: str) -> Iterator[None]:
    """Every list of the cloud is after the test what it was before."""
    before = everything(cloud)
    yield
    with suppress(TimeoutError):
        wait_for(lambda: everything(cloud) == before, 20, "nothing left", every_s=0.2)
    assert everything(cloud) == before


def everything(cloud: Cloud) -> Mapping[str, str]:
    """The admin's view of every list."""
    (user,) = cloud.api.send("GET", "/identity/v3/users?name=admin")["users"]
    (project,) = cloud.api.send("GET", "/identity/v3/projects?name=admin")["projects"]
    paths = [path.format(user=user["id"], project=project["id"]) for path in LISTS]
    return {path: json.dumps(answer(cloud, path), sort_keys=True) for path in paths}


def answer(cloud: Cloud, path: str) -> Any:
    version = next((version for mount, version in NEW.items() if path.startswith(mount)), None)
    return cloud.api.send("GET", path, **({} if version is None else {"OpenStack_API_Version": version}))
