"""Routers on real networks: between networks, out, in by a floating IP, over a restart, and without a trace in the end."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.layout import link_local
from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.errors import BuildFailed
from kilonova.model.fabric import Known
from kilonova.model.ids import ServerId, SubnetId
from kilonova.model.port import Address, Port, Wire
from tests.drivers.network.conftest import FAR, NEAR, traces
from tests.drivers.network.guest import NET_A, NET_B, Guest, a_port
from tests.drivers.network.plans import (
    INSIDE_A,
    INSIDE_B,
    OUTER,
    WEB,
    Ear,
    a_float,
    a_group,
    a_router,
    a_rule,
    an_end,
    b_port,
    reaches,
    still_talks,
)

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
ONE, TWO = ServerId("server-one"), ServerId("server-two")
ROUTER = a_router().id


async def _guest(node: LinuxNetwork, plug: Plug, server: ServerId, port: Port) -> Guest:
    (wire,) = await node.wire(server, (port,), {"latest/x": server.encode()})
    guest = plug(wire)
    await asyncio.to_thread(guest.boot)
    return guest


async def _can(where: Guest | str, host: str, port: int = 80) -> bool:
    return await asyncio.to_thread(reaches, where, host, port, None, 2.5)


async def _cannot(where: Guest | str, host: str, port: int = 80) -> bool:
    return not await asyncio.to_thread(reaches, where, host, port)


async def test_a_router_joins_two_networks(network: Make, plug: Plug) -> None:
    node = network()
    one = await _guest(node, plug, ONE, a_port(5))
    two = await _guest(node, plug, TWO, b_port(6))
    assert await _cannot(one, "10.1.0.6")
    assert await node.take_router(a_router(gateway=None, next_hop=())) == 1
    assert await _can(one, "10.1.0.6"), "its first hop is the router now, though its lease is older"
    assert await _can(two, "10.0.0.5")
    with Ear(two) as ear:
        near, (far, peer) = one.connect("10.1.0.6", 80), ear.listener.accept()
        with near, far:
            assert peer[0] == "10.0.0.5", "inside, addresses stay as they are"
    await node.take_router(a_router(2, inside=(INSIDE_A,), gateway=None, next_hop=()))
    assert await _cannot(one, "10.1.0.6")
    assert await asyncio.to_thread(two.get, "/latest/x") == (200, b"server-two")
    await node.drop(Known(kind="router", id=ROUTER, revision=3))
    assert await asyncio.to_thread(one.get, "/latest/x") == (200, b"server-one")
    assert await node.known() == tuple(one for one in await node.known() if one.kind == "group")


async def test_metadata_and_dhcp_answer_beside_a_router(network: Make, plug: Plug) -> None:
    node = network()
    early = await _guest(node, plug, ONE, a_port(5))
    await node.take_router(a_router(gateway=None, next_hop=()))
    assert await asyncio.to_thread(early.get, "/latest/x") == (200, b"server-one"), "by the router, as its older lease says"
    (wire,) = await node.wire(TWO, (a_port(6),), {"latest/x": b"late"})
    late = plug(wire)
    lease = await asyncio.to_thread(late.boot)
    gateway, metadata = socket.inet_aton("10.0.0.1"), socket.inet_aton("169.254.169.254")
    assert lease.options[3] == gateway
    assert lease.options[121].startswith(b"\x20" + metadata + bytes(4)), "on the link, not by the router"
    assert lease.options[121].endswith(b"\x00" + gateway)
    assert await asyncio.to_thread(late.get, "/latest/x") == (200, b"late")


async def test_a_floating_ip_leads_in_and_out(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    near, far = outside
    node = network(near)
    await node.take_group(a_group(a_rule()))
    one = await _guest(node, plug, ONE, a_port(5, groups=(WEB,)))
    await node.take_network(OUTER)
    await node.take_router(a_router(floating=(a_float(10, "10.0.0.5"),)))
    assert await _can(near, "172.24.4.10")
    assert await _cannot(near, "172.24.4.10", 81), "its security group counts for those outside too"
    assert await _cannot(near, "172.24.4.11")
    with Ear(near, 7777) as ear:
        mine, (theirs, peer) = one.connect(NEAR, 7777), ear.listener.accept()
        with mine, theirs:
            assert peer[0] == "172.24.4.10"
    with Ear(far, 7777) as ear:
        mine, (theirs, peer) = one.connect(FAR, 7777), ear.listener.accept()
        with mine, theirs:
            assert peer[0] == "203.0.113.1", "farther away the outside's own address"


async def test_without_a_floating_ip_one_leaves_by_the_gateways_address(
    network: Make, plug: Plug, outside: tuple[str, str]
) -> None:
    near = outside[0]
    node = network(near)
    await node.take_network(OUTER)
    await node.take_router(a_router())
    two = await _guest(node, plug, TWO, b_port(6))
    with Ear(near, 7777) as ear:
        mine, (theirs, peer) = two.connect(NEAR, 7777), ear.listener.accept()
        with mine, theirs:
            assert peer[0] == "172.24.4.2"
            assert await asyncio.to_thread(still_talks, theirs, mine)
            await node.take_router(a_router(2, snat=False))
            assert not await asyncio.to_thread(still_talks, mine, theirs) or await _cannot(two, NEAR)
    assert await _cannot(two, NEAR), "nobody translates it, and nobody outside knows the way back"
    assert await _cannot(near, "10.1.0.6")


async def test_a_floating_ip_ends_and_moves_with_what_went_through_it(
    network: Make, plug: Plug, outside: tuple[str, str]
) -> None:
    near = outside[0]
    node = network(near)
    one, two = await _guest(node, plug, ONE, a_port(5)), await _guest(node, plug, TWO, b_port(6))
    await node.take_network(OUTER)
    await node.take_router(a_router(floating=(a_float(10, "10.0.0.5"),)))
    with Ear(one) as first, Ear(two) as second:
        mine = namespaces.inside(near, lambda: socket.create_connection(("172.24.4.10", 80), 2))
        theirs, _ = first.listener.accept()
        with mine, theirs:
            assert await asyncio.to_thread(still_talks, mine, theirs)
            await node.take_router(a_router(2, floating=(a_float(10, "10.1.0.6", NET_B),)))
            assert not await asyncio.to_thread(still_talks, mine, theirs)
        with namespaces.inside(near, lambda: socket.create_connection(("172.24.4.10", 80), 2)):
            second.listener.accept()[0].close()
        await node.take_router(a_router(3))
        assert await _cannot(near, "172.24.4.10")


async def test_guests_meet_by_their_floating_ips(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    node = network(outside[0])
    one, two = await _guest(node, plug, ONE, a_port(5)), await _guest(node, plug, TWO, a_port(6))
    await node.take_network(OUTER)
    await node.take_router(a_router(floating=(a_float(10, "10.0.0.5"), a_float(11, "10.0.0.6"))))
    with Ear(two) as ear:
        mine, (theirs, peer) = one.connect("172.24.4.11", 80), ear.listener.accept()
        with mine, theirs:
            assert peer[0] == "172.24.4.10"
            assert await asyncio.to_thread(still_talks, theirs, mine)


async def test_the_owners_routes_are_taken_and_a_bad_one_is_named(network: Make, plug: Plug) -> None:
    node = network()
    one = await _guest(node, plug, ONE, a_port(5))
    gate = await _guest(node, plug, TWO, b_port(9, port_security=False))
    gate.inside(lambda: subprocess.run(["ip", "addr", "add", "192.0.2.77/32", "dev", "lo"], check=True))
    gate.inside(lambda: subprocess.run(["ip", "link", "set", "lo", "up"], check=True))
    alone = a_router(gateway=None, next_hop=())
    await node.take_router(msgspec.structs.replace(alone, routes=(("192.0.2.64/26", "10.1.0.9"),)))
    assert await asyncio.to_thread(reaches, one, "192.0.2.77")
    with pytest.raises(BuildFailed, match=r"172\.31\.0\.1 is on none of the router's networks"):
        await node.take_router(msgspec.structs.replace(alone, revision=2, routes=(("192.0.2.0/24", "172.31.0.1"),)))
    assert "router" not in {known.kind for known in await node.known()}, "it is sent again"
    assert await _cannot(one, "192.0.2.77")
    assert await _can(one, "10.1.0.9"), "all else of it stands"


async def test_ipv6_is_routed_and_the_router_says_so_itself(network: Make, plug: Plug) -> None:
    node = network()

    def six(port: Port, prefix: str, number: int) -> Port:
        more = Address(subnet_id=SubnetId(prefix), ip=f"{prefix}::{number}", cidr=f"{prefix}::/64", gateway=f"{prefix}::1")
        return msgspec.structs.replace(port, addresses=(*port.addresses, more))

    one = await _guest(node, plug, ONE, six(a_port(5), "fd00:a", 5))
    two = await _guest(node, plug, TWO, six(b_port(6), "fd00:b", 6))
    ends = (
        an_end(1, NET_A, ("10.0.0.1", "10.0.0.0/24"), ("fd00:a::1", "fd00:a::/64")),
        an_end(1, NET_B, ("10.1.0.1", "10.1.0.0/24"), ("fd00:b::1", "fd00:b::/64")),
    )
    for guest, ip in ((one, "fd00:a::5"), (two, "fd00:b::6")):
        guest.inside(lambda: Path("/proc/sys/net/ipv6/conf/eth0/accept_ra").write_text("1"))
        await asyncio.to_thread(guest.take_six, ip)
    await node.take_router(a_router(inside=ends, gateway=None, next_hop=()))

    def ways(guest: Guest) -> str:
        return guest.inside(lambda: subprocess.check_output(["ip", "-6", "route", "show", "default"], text=True))

    for guest, end in ((one, ends[0]), (two, ends[1])):
        for _ in range(60):
            if "default" in await asyncio.to_thread(ways, guest):
                break
            await asyncio.sleep(0.25)
        said = await asyncio.to_thread(ways, guest)
        assert said.count("via") == 1, "only the router, not the network's own bridge"
        assert f"via {link_local(end.mac)} " in said
    assert await _can(one, "fd00:b::6")


async def test_a_network_stands_for_its_router_alone_and_nothing_is_left(
    network: Make, plug: Plug, outside: tuple[str, str], cloud: str, tmp_path: Path
) -> None:
    before = traces(cloud, tmp_path)
    near = outside[0]
    node = network(near)
    await node.take_network(OUTER)
    await node.take_router(a_router(floating=(a_float(10, "10.0.0.5"),)))
    assert len([line for line in traces(cloud, tmp_path)["namespaces"] if line.startswith(f"kn{cloud}")]) == 4
    assert await node.orphans() == set()
    await node.take_router(a_router(2, up=False))
    assert not [line for line in traces(cloud, tmp_path)["namespaces"] if line.startswith(f"kn{cloud}-r")]
    await node.drop(Known(kind="router", id=ROUTER, revision=3))
    assert traces(cloud, tmp_path) == before
    await node.take_router(a_router(4, floating=(a_float(10, "10.0.0.5"),)))
    await node.wire(ONE, (a_port(5),), {})
    await node.close(keep=False)
    assert traces(cloud, tmp_path) == before
    assert namespaces.inside(near, lambda: subprocess.check_output(["ip", "route", "show", "proto", "176"])) == b""
    assert not list((tmp_path / "state").glob("*/*"))


async def test_all_of_it_outlives_the_process_and_comes_back(
    network: Make, plug: Plug, outside: tuple[str, str], cloud: str
) -> None:
    near = outside[0]
    node = network(near)
    await node.take_group(a_group(a_rule()))
    await _guest(node, plug, ONE, a_port(5, groups=(WEB,)))
    await node.take_network(OUTER)
    plan = a_router(floating=(a_float(10, "10.0.0.5"),))
    await node.take_router(plan)
    stands = {known for known in await node.known() if known.kind != "server"}
    await node.close(keep=True)
    assert await _can(near, "172.24.4.10")
    await asyncio.to_thread(_take_away_all_routers, cloud)
    while not await _cannot(near, "172.24.4.10"):  # the kernel takes its time to clear a namespace up
        await asyncio.sleep(0.1)
    node = network(near)
    await node.restore()
    assert {known for known in await node.known() if known.kind != "server"} == stands
    assert await _can(near, "172.24.4.10")
    assert await _cannot(near, "172.24.4.10", 81)
    assert await node.take_router(a_router(0, inside=(), gateway=None)) == 1
    assert await _can(near, "172.24.4.10"), "an older plan is left alone"


def _take_away_all_routers(cloud: str) -> None:
    for name in namespaces.names(f"kn{cloud}-r"):
        namespaces.remove(name)


async def test_a_network_with_an_uplink_and_no_router_is_as_before(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    """The shared network: its bridge is the gateway, also when another network has a router; and it may call floating IPs."""
    near = outside[0]
    node = network(near)
    one = await _guest(node, plug, ONE, a_port(5))
    two = await _guest(node, plug, TWO, b_port(6))
    await node.take_network(OUTER)
    await node.take_router(a_router(inside=(INSIDE_B,), floating=(a_float(10, "10.1.0.6", NET_B),)))
    with Ear(near, 7777) as ear:
        mine, (theirs, peer) = one.connect(NEAR, 7777), ear.listener.accept()
        with mine, theirs:
            assert peer[0].startswith("100.64.0.")
    assert await _can(one, "172.24.4.10")
    assert await _cannot(two, "10.0.0.5")


async def test_a_network_that_was_taken_away_gets_its_router_again(network: Make, plug: Plug) -> None:
    node = network()
    lost = await node.wire(ONE, (a_port(5),), {})
    two = await _guest(node, plug, TWO, b_port(6))
    await node.take_router(a_router(gateway=None, next_hop=()))
    await asyncio.to_thread(namespaces.remove, lost[0].namespace)
    one = await _guest(node, plug, ONE, a_port(5))
    assert await _can(one, "10.1.0.6")
    assert await _can(two, "10.0.0.5")


def _dhcpv6(guest: Guest) -> bytes:
    """What a solicitation is answered, as it is; empty when nobody answers."""
    mac = bytes.fromhex(guest.wire.mac.replace(":", ""))
    identity = b"\x00\x01\x00\x0a\x00\x03\x00\x01" + mac
    wanted = b"\x00\x03\x00\x0c" + mac[-4:] + bytes(8)
    with guest.inside(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as udp:
        index = guest.inside(lambda: socket.if_nametoindex("eth0"))
        udp.bind(("::", 546))
        udp.settimeout(1.0)
        for _ in range(6):
            try:
                udp.sendto(b"\x01\x12\x34\x56" + identity + wanted + b"\x00\x08\x00\x02\x00\x00", ("ff02::1:2", 547, 0, index))
                return udp.recv(2048)
            except OSError:  # its own address is still looked for on the link, or nobody has answered yet
                time.sleep(0.5)
    return b""


@pytest.mark.parametrize("routed", [False, True])
async def test_dhcpv6_hands_out_addresses_with_and_without_a_router(network: Make, plug: Plug, routed: bool) -> None:
    node = network()
    more = Address(subnet_id=SubnetId("six"), ip="fd00:a::5", cidr="fd00:a::/64", gateway="fd00:a::1")
    port = a_port(5)
    if routed:
        end = an_end(1, NET_A, ("10.0.0.1", "10.0.0.0/24"), ("fd00:a::1", "fd00:a::/64"))
        await node.take_router(a_router(inside=(end,), gateway=None, next_hop=()))
    one = await _guest(node, plug, ONE, msgspec.structs.replace(port, addresses=(*port.addresses, more)))
    await asyncio.to_thread(one.take_six)
    answer = await asyncio.to_thread(_dhcpv6, one)
    assert answer[:1] == b"\x02", "an advertisement"
    assert socket.inet_pton(socket.AF_INET6, "fd00:a::5") in answer
