"""Security groups on real networks: what may begin, what goes on, and what ends when a rule goes."""

import asyncio
import socket
import subprocess
from collections.abc import Callable

import msgspec
import pytest

from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.model.fabric import Known
from kilonova.model.ids import ServerId, SubnetId
from kilonova.model.port import Address, Port, Wire
from tests.drivers.network.guest import OPEN, Guest, a_port
from tests.drivers.network.plans import DB, WEB, Ear, a_group, a_rule, b_port, reaches, still_talks

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
ONE, TWO, THREE = ServerId("server-one"), ServerId("server-two"), ServerId("server-three")


async def _guest(node: LinuxNetwork, plug: Plug, server: ServerId, port: Port) -> Guest:
    (wire,) = await node.wire(server, (port,), {"latest/x": server.encode()})
    guest = plug(wire)
    await asyncio.to_thread(guest.boot)
    return guest


async def _can(where: Guest, host: str, port: int = 80, source: str | None = None) -> bool:
    return await asyncio.to_thread(reaches, where, host, port, source, 2.5)


async def _cannot(where: Guest, host: str, port: int = 80, source: str | None = None) -> bool:
    return not await asyncio.to_thread(reaches, where, host, port, source)


async def test_only_what_a_rule_lets_in_comes_in(network: Make, plug: Plug) -> None:
    node = network()
    await node.take_group(a_group(a_rule()))
    one = await _guest(node, plug, ONE, a_port(5, groups=(WEB,)))
    await _guest(node, plug, TWO, a_port(6, groups=(WEB,)))
    assert await _can(one, "10.0.0.6", 80)
    assert await _cannot(one, "10.0.0.6", 81)
    await node.take_group(a_group(a_rule(port_min=80, port_max=90), revision=2))
    assert await _can(one, "10.0.0.6", 81)
    await node.take_group(a_group(a_rule(remote_cidr="10.0.0.4/32"), revision=3))
    assert await _cannot(one, "10.0.0.6", 80)
    await node.take_group(a_group(a_rule(remote_cidr="10.0.0.4/31"), revision=4))
    assert await _can(one, "10.0.0.6", 80)


async def test_without_any_rule_there_are_still_an_address_and_metadata(network: Make, plug: Plug) -> None:
    node = network()
    one = await _guest(node, plug, ONE, a_port(5, groups=()))
    two = await _guest(node, plug, TWO, a_port(6))
    assert await asyncio.to_thread(one.get, "/latest/x") == (200, b"server-one")
    assert await _cannot(one, "10.0.0.6")
    assert await _cannot(two, "10.0.0.5")


async def test_a_conversation_ends_with_its_rule_and_another_goes_on(network: Make, plug: Plug) -> None:
    node = network()
    await node.take_group(a_group(a_rule(), a_rule(port_min=22, port_max=22)))
    one = await _guest(node, plug, ONE, a_port(5))
    two = await _guest(node, plug, TWO, a_port(6, groups=(WEB,)))
    with Ear(two, 80) as web, Ear(two, 22) as ssh:
        ends = [(one.connect("10.0.0.6", port), ear.listener.accept()[0]) for port, ear in ((80, web), (22, ssh))]
        try:
            assert all([await asyncio.to_thread(still_talks, *pair) for pair in ends])
            await node.take_group(a_group(a_rule(port_min=22, port_max=22), revision=2))
            assert not await asyncio.to_thread(still_talks, *ends[0])
            assert not await asyncio.to_thread(still_talks, *reversed(ends[0])), "nor from the other end"
            assert await asyncio.to_thread(still_talks, *ends[1])
            assert await asyncio.to_thread(still_talks, *reversed(ends[1]))
        finally:
            for pair in ends:
                for end in pair:
                    end.close()


async def test_pings_end_with_their_rule(network: Make, plug: Plug) -> None:
    node = network()
    ping = a_rule(protocol="icmp", port_min=8, port_max=0)
    await node.take_group(a_group(ping))
    one = await _guest(node, plug, ONE, a_port(5))
    await _guest(node, plug, TWO, a_port(6, groups=(WEB,)))
    order = ["ping", "-i", "0.2", "-c", "8", "-w", "4", "10.0.0.6"]
    running = one.inside(lambda: subprocess.Popen(order, stdout=subprocess.PIPE, text=True))
    await asyncio.sleep(0.7)
    await node.take_group(a_group(a_rule(protocol="icmp", port_min=13, port_max=None), revision=2))
    said = (await asyncio.to_thread(running.communicate, timeout=10))[0]
    received = int(said.split(" received")[0].split()[-1])
    assert 2 <= received <= 6, said


async def test_who_is_in_a_group_follows_the_ports(network: Make, plug: Plug) -> None:
    node = network()
    await node.take_group(a_group(a_rule(remote_group=DB)))
    await node.take_group(a_group(id=DB))
    await _guest(node, plug, ONE, a_port(5, groups=(WEB,)))
    db = await _guest(node, plug, TWO, a_port(6, groups=(DB,)))
    stranger = await _guest(node, plug, THREE, a_port(7))
    assert await _can(db, "10.0.0.5")
    assert await _cannot(stranger, "10.0.0.5")
    await node.take_ports(THREE, 1, (a_port(7, groups=(OPEN.id, DB)),))
    assert await _can(stranger, "10.0.0.5")
    await node.take_ports(TWO, 1, (a_port(6, groups=(OPEN.id,)),))
    assert await _cannot(db, "10.0.0.5")


async def test_a_member_on_another_network_counts_too(network: Make) -> None:
    node = network()
    await node.take_group(a_group(a_rule(remote_group=DB)))
    (wire,) = await node.wire(ONE, (a_port(5, groups=(WEB,)),), {})

    def known() -> str:
        return subprocess.run(
            ["ip", "netns", "exec", wire.namespace, "nft", "list", "table", "bridge", "groups"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "10.1.0.6" not in known()
    await node.wire(TWO, (b_port(6, groups=(DB,)),), {})
    await node.close(keep=True)
    assert "10.1.0.6" in known()


async def test_an_order_that_comes_late_does_not_bring_old_groups_back(network: Make, plug: Plug) -> None:
    node = network()
    await node.take_group(a_group(a_rule()))
    one = await _guest(node, plug, ONE, a_port(5))
    await node.take_ports(TWO, 3, (a_port(6, groups=()),))
    await _guest(node, plug, TWO, a_port(6, groups=(WEB,)))
    assert await _cannot(one, "10.0.0.6")
    assert await node.take_ports(TWO, 2, (a_port(6, groups=(WEB,)),)) == 3
    assert await _cannot(one, "10.0.0.6")
    assert await node.take_ports(TWO, 4, (a_port(6, groups=(WEB,)),)) == 4
    assert await _can(one, "10.0.0.6")
    assert Known(kind="server", id=TWO, revision=4) in await node.known()


async def test_a_port_that_is_off_and_one_without_security(network: Make, plug: Plug) -> None:
    node = network()
    one = await _guest(node, plug, ONE, a_port(5, groups=(), port_security=False))
    two = await _guest(node, plug, TWO, a_port(6))
    assert await _can(two, "10.0.0.5")
    assert await _can(one, "10.0.0.6")
    await node.take_ports(TWO, 1, (a_port(6, up=False),))
    assert await _cannot(one, "10.0.0.6")
    assert await _cannot(two, "10.0.0.5")
    assert await asyncio.to_thread(two.dhcp, None, 1.0) is None
    await node.take_ports(TWO, 2, (a_port(6),))
    assert await _can(one, "10.0.0.6")


async def test_an_allowed_pair_may_be_sent_from(network: Make, plug: Plug) -> None:
    node = network()
    one = await _guest(node, plug, ONE, a_port(5))
    await _guest(node, plug, TWO, a_port(6))
    for address in ("10.0.0.77", "10.0.0.130"):
        await asyncio.to_thread(one.configure, address)
        assert await _cannot(one, "10.0.0.6", 80, address)
    await node.take_ports(ONE, 1, (a_port(5, allowed_pairs=(("10.0.0.77", one.wire.mac), ("10.0.0.128/29", ""))),))
    for address in ("10.0.0.77", "10.0.0.130"):
        assert await _can(one, "10.0.0.6", 80, address)


async def test_ipv6_is_filtered_alike(network: Make, plug: Plug) -> None:
    node = network()

    def port(number: int, group: str) -> Port:
        known = a_port(number, groups=(group,))
        six = Address(subnet_id=SubnetId("six"), ip=f"fd00:5::{number}", cidr="fd00:5::/64", gateway="fd00:5::1")
        return msgspec.structs.replace(known, addresses=(*known.addresses, six))

    await node.take_group(a_group(a_rule(version=6)))
    one, two = await _guest(node, plug, ONE, port(5, OPEN.id)), await _guest(node, plug, TWO, port(6, WEB))
    await asyncio.to_thread(one.take_six, "fd00:5::5")
    await asyncio.to_thread(two.take_six, "fd00:5::6")
    assert await _can(one, "fd00:5::6", 80)
    assert await _cannot(one, "fd00:5::6", 81)
    assert await _cannot(one, "10.0.0.6", 80), "a rule for IPv6 says nothing of IPv4"
    with Ear(two, 80, socket.AF_INET6) as ear:
        near, far = one.connect("fd00:5::6", 80), ear.listener.accept()[0]
        with near, far:
            assert await asyncio.to_thread(still_talks, near, far)
            await node.take_group(a_group(revision=2))
            assert not await asyncio.to_thread(still_talks, near, far)


async def test_rules_hold_while_nobody_is_there_and_after(network: Make, plug: Plug) -> None:
    node = network()
    await node.take_group(a_group(a_rule()))
    one = await _guest(node, plug, ONE, a_port(5))
    await _guest(node, plug, TWO, a_port(6, groups=(WEB,)))
    await node.close(keep=True)
    assert await _can(one, "10.0.0.6", 80)
    assert await _cannot(one, "10.0.0.6", 81)
    node = network()
    await node.restore()
    assert await _can(one, "10.0.0.6", 80)
    assert await _cannot(one, "10.0.0.6", 81)
    assert Known(kind="group", id=WEB, revision=1) in await node.known()
    assert await node.take_group(a_group(revision=1)) == 1
    await node.drop(Known(kind="group", id=WEB, revision=0))
    assert Known(kind="group", id=WEB, revision=1) in await node.known(), "older news"
    await node.drop(Known(kind="group", id=WEB, revision=2))
    assert await _cannot(one, "10.0.0.6", 80)
    assert await node.take_group(a_group(a_rule(), revision=3)) == 3
    assert await _can(one, "10.0.0.6", 80)
