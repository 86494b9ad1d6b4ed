"""openstacksdk against this service on a real socket: the tour that a client's user takes."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import openstack
import openstack.exceptions
import pytest
import uvicorn

from kilonova.api.network.service import SERVICE
from kilonova.api.server import application
from kilonova.api.world import ApiWorld

pytestmark = [pytest.mark.wire, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
async def address(world: ApiWorld) -> AsyncIterator[str]:
    """The service on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app: Any = application(replace(world, public_url=url), [SERVICE])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"{url}/network"
        server.should_exit = True
        async with asyncio.timeout(10):
            await running


def connect(address: str, token: str) -> Any:
    return openstack.connection.Connection(
        auth_type="admin_token",
        auth={"endpoint": address, "token": token},
        network_endpoint_override=address,
        region_name="here",
    )


def tour(address: str) -> None:
    cloud = connect(address, "alice").network
    network = cloud.create_network(name="red", description="d")
    subnet = cloud.create_subnet(
        network_id=network.id, name="s", ip_version=4, cidr="10.4.0.0/24", dns_nameservers=["9.9.9.9"], is_dhcp_enabled=True
    )
    assert subnet.gateway_ip == "10.4.0.1" and subnet.allocation_pools[0]["start"] == "10.4.0.2"
    group = cloud.create_security_group(name="web")
    rule = cloud.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80, ether_type="IPv4"
    )
    port = cloud.create_port(network_id=network.id, name="p", security_group_ids=[group.id], fixed_ips=[{"subnet_id": subnet.id}])
    assert port.fixed_ips[0]["ip_address"] == "10.4.0.2" and port.security_group_ids == [group.id]
    assert cloud.find_network("red").subnet_ids == [subnet.id]
    assert [one.id for one in cloud.ports(network_id=network.id)] == [port.id]
    assert [one.id for one in cloud.subnets(network_id=network.id)] == [subnet.id]
    assert rule.id in [one["id"] for one in cloud.get_security_group(group.id).security_group_rules]
    assert cloud.update_port(port, name="q", is_admin_state_up=False).name == "q"
    cloud.set_tags(network, ["a", "b"])
    assert cloud.get_network(network.id).tags == ["a", "b"]
    assert cloud.find_extension("security-group") is not None and cloud.find_extension("bgp") is None
    try:
        cloud.delete_network(network, ignore_missing=False)
    except openstack.exceptions.ConflictException as refused:
        assert "still in use" in str(refused)
    else:
        raise AssertionError("a network in use was deleted")
    cloud.delete_port(port, ignore_missing=False)
    cloud.delete_security_group_rule(rule, ignore_missing=False)
    cloud.delete_security_group(group, ignore_missing=False)
    cloud.delete_subnet(subnet, ignore_missing=False)
    cloud.delete_network(network, ignore_missing=False)
    assert cloud.find_network("red", ignore_missing=True) is None


def pages_and_quotas(address: str) -> None:
    alice, admin = connect(address, "alice").network, connect(address, "admin").network
    for number in range(7):
        alice.create_network(name=f"n{number}")
    assert len(list(alice.networks(limit=3))) == 7
    assert next(alice.networks(limit=3, sort_key="name", sort_dir="desc")).name == "n6"
    admin.update_quota("p-alice", networks=7)
    assert alice.get_quota("p-alice").networks == 7
    assert alice.get_quota("p-alice", details=True).networks["used"] == 7
    with pytest.raises(openstack.exceptions.ConflictException):
        alice.create_network(name="too many")
    assert list(admin.agents()) == [] and {zone.name for zone in alice.availability_zones()} == {"nova"}


async def test_networks_subnets_ports_and_groups(address: str) -> None:
    async with asyncio.timeout(60):
        await asyncio.to_thread(tour, address)


async def test_pages_quotas_agents(address: str) -> None:
    async with asyncio.timeout(60):
        await asyncio.to_thread(pages_and_quotas, address)
