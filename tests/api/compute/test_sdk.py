"""openstacksdk as a client, over a real socket: what it makes of the compute API's answers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import uvicorn

from kilonova.api.compute.service import SERVICE
from kilonova.api.identity.service import SERVICE as IDENTITY
from tests.api.cloud import PASSWORD, running_cloud
from tests.api.compute.conftest import IMAGE, furnish
from tests.api.compute.desk import Desk

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # the SDK of itself


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Any]:
    """An openstack.Connection for the admin."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        desk = Desk()
        async with running_cloud(tmp_path, [IDENTITY, SERVICE], servers=desk, public_url=url) as cloud:
            desk.ledger = cloud.ledger
            await cloud.ledger.write(lambda books: furnish(books, cloud.world.now()))
            server = uvicorn.Server(uvicorn.Config(cloud.app, log_level="warning", lifespan="off"))
            serving = asyncio.create_task(server.serve([listening]))
            connection = openstack.connect(
                auth_url=f"{url}/identity/v3",
                username="admin",
                password=PASSWORD,
                project_id=cloud.admin_project_id,
                user_domain_id="default",
                region_name="RegionOne",
                compute_default_microversion="2.104",
            )
            try:
                yield connection
            finally:
                connection.close()
                server.should_exit = True
                await asyncio.wait_for(serving, 20)


async def test_a_day_with_the_sdk(connection: Any) -> None:
    await asyncio.wait_for(asyncio.to_thread(lambda: a_day(connection.compute)), 60)


def a_day(compute: Any) -> None:
    flavor = compute.find_flavor("m1.small", ignore_missing=False)
    assert (flavor.ram, flavor.extra_specs) == (2048, {"hw:x": "1"})
    made = compute.create_flavor(name="big", ram=4096, vcpus=4, disk=40, description="d")
    assert compute.get_flavor(made.id).description == "d"
    compute.delete_flavor(made)
    for name in ("one", "two", "three"):
        compute.create_server(name=name, flavor_id=flavor.id, image_id=IMAGE, networks="none", tags=[name])
    assert [server.name for server in compute.servers(limit=1)] == ["three", "two", "one"]
    server = compute.find_server("two", ignore_missing=False)
    assert (server.status, server.tags, server.compute_host) == ("BUILD", ["two"], None)
    assert compute.update_server(server, name="deux").name == "deux"
    compute.set_server_metadata(server, colour="red")
    assert compute.get_server_metadata(server).metadata == {"colour": "red"}
    assert list(compute.server_actions(server)) == []
    compute.delete_server(server)
    assert [server.name for server in compute.servers(details=False)] == ["three", "one"]
    assert [zone.name for zone in compute.availability_zones()] == ["nova"]
    hypervisor = next(iter(compute.hypervisors(details=True)))
    assert (hypervisor.name, hypervisor.state) == ("host-1", "up")
    service = next(iter(compute.services(binary="nova-compute")))
    assert compute.disable_service(service, disabled_reason="tired").status == "disabled"
    assert compute.get_limits().absolute.instances_used == 2
    assert list(compute.keypairs()) == []
