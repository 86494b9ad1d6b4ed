"""The clients people use, against the API on a real socket: keystoneauth1, openstacksdk, and the openstack command."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.api.cloud import PASSWORD, CloudApi, running_cloud

pytestmark = pytest.mark.wire


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[CloudApi]:
    """A cloud API on a free port of the loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with running_cloud(tmp_path, public_url=url) as cloud:
            server = uvicorn.Server(uvicorn.Config(cloud.app, log_level="warning", lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            async with asyncio.timeout(20):
                while not server.started:
                    await asyncio.sleep(0.02)
            try:
                yield cloud
            finally:
                server.should_exit = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(serving, 20)


def environment(cloud: CloudApi) -> dict[str, str]:
    return {
        "OS_AUTH_URL": f"{cloud.world.public_url}/identity",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }


@pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning")
async def test_keystoneauth_and_the_sdk(served: CloudApi) -> None:
    def as_a_client() -> dict[str, Any]:
        import openstack
        from keystoneauth1 import session
        from keystoneauth1.identity import v3

        auth = v3.Password(
            auth_url=f"{served.world.public_url}/identity/v3",
            username="admin",
            password=PASSWORD,
            project_name="admin",
            user_domain_id="default",
            project_domain_id="default",
        )
        known = session.Session(auth=auth)
        found: dict[str, Any] = {
            "project": known.get_project_id(),
            "user": known.get_user_id(),
            "roles": auth.get_access(known).role_names,
            "compute": known.get_endpoint(service_type="compute", interface="public", region_name="RegionOne"),
            "identity": known.get_endpoint(service_type="identity", interface="internal", version=3),
        }
        cloud: Any = openstack.connection.Connection(session=known, region_name="RegionOne", identity_api_version="3")
        made = cloud.identity.create_project(name="blue", description="sky")
        user = cloud.identity.create_user(name="ann", password="x", default_project_id=made.id)
        role = cloud.identity.find_role("member", ignore_missing=False)
        cloud.identity.assign_project_role_to_user(made, user, role)
        found["has"] = cloud.identity.validate_user_has_project_role(made, user, role)
        found["assignments"] = len(list(cloud.identity.role_assignments(user_id=user.id)))
        cloud.identity.update_project(made, description="night")
        found["description"] = cloud.identity.get_project(made.id).description
        found["projects"] = sorted(project.name for project in cloud.identity.projects())
        found["pages"] = sorted(user.name for user in cloud.identity.users(limit=1))
        found["regions"] = [region.id for region in cloud.identity.regions()]
        cloud.identity.delete_user(user)
        cloud.identity.delete_project(made)
        found["left"] = [project.name for project in cloud.identity.projects()]
        cloud.close()
        known.session.close()
        return found

    found = await asyncio.to_thread(as_a_client)
    url = served.world.public_url
    assert found == {
        "project": served.admin_project_id,
        "user": served.admin_id,
        "roles": ["admin", "manager", "member", "reader"],
        "compute": f"{url}/compute/v2.1",
        "identity": f"{url}/identity/v3/",
        "has": True,
        "assignments": 1,
        "description": "night",
        "projects": ["admin", "blue"],
        "pages": ["admin", "ann"],
        "regions": ["RegionOne"],
        "left": ["admin"],
    }


COMMANDS = """\
token issue
catalog list
service list
endpoint list
region list
domain create north
project create --domain default --description sky --tag t blue
user create --project blue --password secret --email a@example.org ann
group create crew
role create auditor
group add user crew ann
group contains user crew ann
role add --user ann --project blue member
role add --group crew --domain default auditor
role assignment list --names
role assignment list --user ann --effective
role list
implied role list
project list --user ann
project set --name green --tag u blue
project show green
project list --long
user set --email b@example.org ann
user show ann
user list --project green
user list --group crew
group list --user ann
role show auditor
role set --name watcher auditor
role remove --user ann --project green member
domain set --description cold north
domain show north
domain list
group remove user crew ann
user delete ann
project delete green
group delete crew
role delete watcher
domain set --disable north
domain delete north
"""


async def test_the_openstack_command(served: CloudApi, tmp_path: Path) -> None:
    """One process for all commands: it reads them as an interactive user would type them."""
    tool = Path(sys.executable).with_name("openstack")
    if not tool.exists():
        pytest.skip("python-openstackclient is not installed")
    home = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore"}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", DRIVER],
            input=COMMANDS,
            env=home | environment(served),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok ") + done.stdout.startswith("ok ") == COMMANDS.count("\n"), done.stdout + done.stderr


DRIVER = """\
import sys
from openstackclient.shell import OpenStackShell
bad = 0
for line in sys.stdin.read().splitlines():
    code = OpenStackShell().run(line.split())
    print("\\nok" if code == 0 else "\\nFAILED", line, flush=True)
    bad += code != 0
sys.exit(bad != 0)
"""
