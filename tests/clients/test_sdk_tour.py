"""openstacksdk over all services of a running cloud: make, find, list, change, delete, and its layer of wishes."""

from collections.abc import Callable
from typing import Any

import openstack.exceptions
import pytest

from tests.clients.test_openstack_identity import SERVICES
from tests.cloud.running import wait_for

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),  # the SDK of itself
    pytest.mark.filterwarnings("ignore::openstack.warnings.OpenStackDeprecationWarning"),
]
Connect = Callable[..., Any]
TWICE = pytest.mark.parametrize("turn", ["first", "second"])


@TWICE
def test_identity(connect: Connect, turn: str) -> None:
    identity = connect().identity
    project = identity.create_project(name="blue", description="d", domain_id="default")
    user = identity.create_user(name="bob", password="let-me-in", default_project_id=project.id)
    role = identity.create_role(name="cook")
    group = identity.create_group(name="kitchen")
    identity.add_user_to_group(user, group)
    identity.assign_project_role_to_group(project, group, role)
    given = list(identity.role_assignments(scope_project_id=project.id, effective=True))
    assert [(one.role["id"], one.user["id"]) for one in given] == [(role.id, user.id)]
    assert identity.find_user("bob").id == user.id and identity.find_project("blue").description == "d"
    assert [one.name for one in identity.projects(name="blue")] == ["blue"]
    assert identity.update_user(user, email="bob@example.org").email == "bob@example.org"
    bob = connect(("bob", "let-me-in", "blue"))
    assert bob.current_project_id == project.id and bob.current_user_id == user.id
    identity.delete_group(group)
    with pytest.raises(openstack.exceptions.SDKException, match="HTTP 401"):
        connect(("bob", "let-me-in", "blue")).authorize()
    for gone, thing in ((identity.delete_role, role), (identity.delete_user, user), (identity.delete_project, project)):
        gone(thing, ignore_missing=False)
    assert identity.find_project("blue", ignore_missing=True) is None


@TWICE
def test_images(connect: Connect, turn: str) -> None:
    image = connect().image
    data = b"kilonova" * 4096
    made = image.create_image(name="pic", data=data, disk_format="raw", container_format="bare", tags=["t"], colour="red")
    found = image.find_image("pic", ignore_missing=False)
    assert (found.id, found.status, found.size, found.tags) == (made.id, "active", len(data), ["t"])
    assert image.download_image(found).content == data
    assert [one.name for one in image.images(name="pic", visibility="shared")] == ["pic"]
    assert image.update_image(found, name="picture", min_ram=64).min_ram == 64
    image.add_tag(found, "u")
    assert sorted(image.get_image(found.id).tags) == ["t", "u"]
    image.deactivate_image(found)
    assert image.get_image(found.id).status == "deactivated"
    image.reactivate_image(found)
    image.delete_image(found, ignore_missing=False)
    assert image.find_image("picture", ignore_missing=True) is None


@TWICE
def test_networks(connect: Connect, turn: str) -> None:
    network = connect().network
    net = network.create_network(name="blue")
    subnet = network.create_subnet(network_id=net.id, name="blues", ip_version=4, cidr="10.66.0.0/24")
    port = network.create_port(network_id=net.id, name="p")
    group = network.create_security_group(name="g")
    network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol="icmp")
    assert network.update_port(port, security_groups=[group.id]).security_group_ids == [group.id]
    assert [one.id for one in network.ports(network_id=net.id, name="p")] == [port.id]
    assert network.find_subnet("blues").id == subnet.id
    network.delete_port(port, ignore_missing=False)
    network.delete_security_group(group, ignore_missing=False)
    network.delete_subnet(subnet, ignore_missing=False)
    network.delete_network(net, ignore_missing=False)


@TWICE
def test_compute(connect: Connect, image: str, turn: str) -> None:
    compute = connect(compute_default_microversion="2.96").compute
    flavor = compute.create_flavor(name="f", ram=64, vcpus=1, disk=1)
    compute.create_flavor_extra_specs(flavor, {"hw:x": "y"})
    assert compute.find_flavor("f", get_extra_specs=True).extra_specs == {"hw:x": "y"}
    server = compute.create_server(name="s", flavor_id=flavor.id, image_id=image, networks="none", tags=["t"])
    server = compute.wait_for_server(server, interval=0.1, wait=30)
    assert (server.status, server.tags, server.power_state) == ("ACTIVE", ["t"], 1)
    assert [one.name for one in compute.servers(name="^s$", status="ACTIVE")] == ["s"]
    assert compute.update_server(server, name="z").name == "z"
    compute.set_server_metadata(server, colour="red")
    assert compute.get_server(server.id).metadata == {"colour": "red"}
    assert [one.action for one in compute.server_actions(server)] == ["create"]
    assert "simulated" in compute.get_server_console_output(server)["output"]
    assert compute.get_limits().absolute.instances_used == 1
    compute.delete_server(server)
    compute.wait_for_delete(server, interval=0.1, wait=30)
    compute.delete_flavor(flavor, ignore_missing=False)


@TWICE
def test_routing(connect: Connect, turn: str) -> None:
    network = connect().network
    outside = network.create_network(name="outside", is_router_external=True)
    network.create_subnet(network_id=outside.id, ip_version=4, cidr="203.0.113.0/24", is_dhcp_enabled=False)
    pool = network.create_subnet_pool(name="pool", prefixes=["10.67.0.0/16"], default_prefix_length=26)
    net = network.create_network(name="blue")
    subnet = network.create_subnet(network_id=net.id, ip_version=4, subnet_pool_id=pool.id)
    assert subnet.cidr == "10.67.0.0/26"
    router = network.create_router(name="edge", external_gateway_info={"network_id": outside.id})
    network.add_interface_to_router(router, subnet_id=subnet.id)
    port = network.create_port(network_id=net.id)
    floating = network.create_ip(floating_network_id=outside.id, port_id=port.id)
    assert (floating.router_id, floating.fixed_ip_address) == (router.id, port.fixed_ips[0]["ip_address"])
    assert network.find_ip(floating.floating_ip_address).id == floating.id
    with pytest.raises(openstack.exceptions.ConflictException):
        network.delete_router(router)
    assert network.update_ip(floating, port_id=None).port_id is None
    network.delete_ip(floating, ignore_missing=False)
    network.delete_port(port, ignore_missing=False)
    network.remove_interface_from_router(router, subnet_id=subnet.id)
    network.delete_router(router, ignore_missing=False)
    for gone in (net, outside):
        network.delete_network(gone, ignore_missing=False)
    network.delete_subnet_pool(pool, ignore_missing=False)


@TWICE
def test_volumes(connect: Connect, image: str, turn: str) -> None:
    storage = connect(block_storage_default_microversion="3.71").block_storage
    volume = storage.create_volume(name="v", size=1, image_id=image, metadata={"a": "b"})
    volume = storage.wait_for_status(volume, interval=0.1, wait=30)
    assert (volume.is_bootable, volume.metadata) == (True, {"a": "b"})
    storage.extend_volume(volume, 2)
    wait_for(lambda: storage.get_volume(volume).size == 2, 30, "a larger volume", every_s=0.1)
    assert [one.id for one in storage.volumes(name="v", status="available")] == [volume.id]
    snapshot = storage.create_snapshot(volume_id=volume.id, name="s")
    snapshot = storage.wait_for_status(snapshot, interval=0.1, wait=30)
    copy = storage.create_volume(name="c", size=2, snapshot_id=snapshot.id)
    copy = storage.wait_for_status(copy, interval=0.1, wait=30)
    transfer = storage.create_transfer(volume_id=copy.id, name="t")
    storage.accept_transfer(transfer.id, transfer.auth_key)
    assert storage.get_limits().absolute.total_volumes_used == 2
    storage.delete_snapshot(snapshot, ignore_missing=False)
    storage.wait_for_delete(snapshot, interval=0.1, wait=30)
    for gone in (copy, volume):
        storage.delete_volume(gone, ignore_missing=False)
        storage.wait_for_delete(gone, interval=0.1, wait=30)


@TWICE
def test_what_a_server_is_asked_later(connect: Connect, image: str, turn: str) -> None:
    conn = connect(compute_default_microversion="2.96")
    compute = conn.compute

    def now(status: str) -> Any:
        fresh = compute.get_server(server.id)  # an old one that has the status already would not be waited for
        return compute.wait_for_server(fresh, status=status, interval=0.1, wait=30)

    group = compute.create_server_group(name="apart", policy="anti-affinity")
    asked = {"flavor_id": "42", "image_id": image, "networks": "auto", "scheduler_hints": {"group": group.id}}
    server = compute.create_server(name="s", **asked)
    now("ACTIVE")
    assert compute.get_server_group(group.id).member_ids == [server.id]
    compute.stop_server(server)
    now("SHUTOFF")
    compute.start_server(server)
    now("ACTIVE")
    for kind in ("SOFT", "HARD"):
        compute.reboot_server(server, kind)
        now("ACTIVE")
    compute.pause_server(server)
    now("PAUSED")
    compute.unpause_server(server)
    now("ACTIVE")
    picture = compute.create_server_image(server, "picture", wait=True, timeout=30)
    wait_for(lambda: compute.get_server(server.id).task_state is None, 30, "the action's end, soon after the image is there")
    compute.rebuild_server(server, image=picture.id, name="z")
    assert now("ACTIVE").image.id == picture.id
    compute.resize_server(server, "1")
    now("VERIFY_RESIZE")
    compute.revert_server_resize(server)
    assert now("ACTIVE").flavor.ram == 128
    net = next(iter(conn.network.networks(name="default")))
    plugged = compute.create_server_interface(server, net_id=net.id)
    wait_for(lambda: len(list(compute.server_interfaces(server))) == 2, 30, "two interfaces", every_s=0.1)
    compute.delete_server_interface(plugged.port_id, server=server)
    wait_for(lambda: len(list(compute.server_interfaces(server))) == 1, 30, "one interface", every_s=0.1)
    compute.delete_server(server)
    compute.wait_for_delete(server, interval=0.1, wait=30)
    compute.delete_server_group(group, ignore_missing=False)
    conn.image.delete_image(picture.id, ignore_missing=False)


@TWICE
def test_wishes_for_volumes_and_addresses(connect: Connect, turn: str) -> None:
    """A server with an address from outside, that starts from a volume and has another one: everything by name."""
    conn = connect()
    outside = conn.create_network("outside", external=True)
    conn.create_subnet(outside.id, cidr="203.0.113.0/24", enable_dhcp=False)
    conn.create_network("blue")
    subnet = conn.create_subnet("blue", cidr="10.66.0.0/24", subnet_name="blues")
    router = conn.create_router("edge", ext_gateway_net_id=outside.id)
    conn.add_router_interface(router, subnet_id=subnet.id)
    asked = {"image": "small", "flavor": "m1.nano", "network": "blue", "boot_from_volume": True, "volume_size": "1"}
    assert conn.create_server("wish", wait=True, timeout=60, terminate_volume=True, **asked).status == "ACTIVE"
    server = conn.get_server("wish")
    assert server.public_v4.startswith("203.0.113.") and server.private_v4 == "10.66.0.2"
    volume = conn.create_volume(1, wait=True, timeout=30, name="more")
    assert conn.attach_volume(server, volume, wait=True, timeout=30).device == "/dev/vdb"
    assert conn.get_volume("more").status == "in-use" and len(conn.get_server("wish").volumes) == 2
    assert conn.detach_volume(server, conn.get_volume("more"), wait=True, timeout=30) is None
    assert conn.delete_server("wish", wait=True, timeout=60, delete_ips=True) is True
    assert conn.delete_volume("more", wait=True, timeout=30) is True
    assert conn.list_floating_ips() == [] and conn.list_volumes() == []
    conn.remove_router_interface(router, subnet_id=subnet.id)
    assert conn.delete_router("edge") and conn.delete_network("blue") and conn.delete_network("outside")


@TWICE
def test_the_layer_of_wishes(connect: Connect, turn: str) -> None:
    """`conn.create_server` and its kin, which look everything up by name."""
    conn = connect()
    conn.create_keypair("k")
    conn.create_network("blue")
    conn.create_subnet("blue", cidr="10.66.0.0/24", subnet_name="blues")
    asked = {"image": "small", "flavor": "m1.nano", "network": "blue", "key_name": "k", "userdata": "#!/bin/sh\n"}
    server = conn.create_server("wish", wait=True, auto_ip=False, timeout=60, meta={"a": "b"}, config_drive=True, **asked)
    assert (server.status, server.private_v4, server.key_name) == ("ACTIVE", "10.66.0.2", "k")
    assert server.addresses["blue"][0]["OS-EXT-IPS:type"] == "fixed"
    (listed,) = conn.list_servers(detailed=True, all_projects=True)
    assert (listed.id, listed.security_groups[0]["name"]) == (server.id, "default")
    assert conn.get_server("wish").id == server.id and conn.search_servers("wi*")[0].id == server.id
    assert "simulated" in conn.get_server_console("wish")
    assert conn.update_server("wish", name="granted").name == "granted"
    assert conn.delete_server("granted", wait=True, timeout=60) is True
    assert conn.delete_subnet("blues") and conn.delete_network("blue") and conn.delete_keypair("k")
    assert {service["type"] for service in conn.service_catalog} == SERVICES
    assert [one.name for one in conn.list_images(show_all=True)] == ["small"] and len(conn.list_hypervisors()) == 3
    assert conn.get_compute_limits().total_instances_used == 0
