"""The way out: guests reach the outside with the outside's addresses, the outside and other networks do not reach them."""

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kilonova.drivers.network import links, namespaces
from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from kilonova.model.port import Wire
from tests.drivers.network.conftest import FAR, NEAR, traces
from tests.drivers.network.guest import NET_B, Guest, a_port

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
ONE, TWO = ServerId("server-one"), ServerId("server-two")


class _Teller(threading.Thread):
    """Tells each TCP and UDP client, once, which address it seems to come from."""

    def __init__(self, namespace: str, ip: str) -> None:
        super().__init__(daemon=True)
        self.tcp = namespaces.inside(namespace, lambda: socket.create_server((ip, 7777)))
        self.udp = namespaces.inside(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        namespaces.inside(namespace, lambda: self.udp.bind((ip, 7777)))
        self.tcp.settimeout(10)
        self.udp.settimeout(10)
        self.start()

    def run(self) -> None:
        """One TCP client, then one UDP client."""
        with self.tcp, self.udp:
            connection, peer = self.tcp.accept()
            with connection:
                connection.sendall(peer[0].encode())
            _, peer = self.udp.recvfrom(100)
            self.udp.sendto(peer[0].encode(), peer)


def _told(guest: Guest, ip: str) -> tuple[bytes, bytes]:
    with guest.connect(ip, 7777) as tcp:
        by_tcp = tcp.recv(100)
    with guest.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as udp:
        udp.settimeout(3)
        udp.sendto(b"?", (ip, 7777))
        return by_tcp, udp.recv(100)


async def test_guests_of_two_networks_go_out_by_masquerade(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    near, far = outside
    node = network(near)
    guests = [plug((await node.wire(ONE, (a_port(5),), {}))[0]), plug((await node.wire(TWO, (a_port(5, NET_B),), {}))[0])]
    for guest, transfer in zip(guests, (b"100.64.0.2", b"100.64.0.6"), strict=True):
        await asyncio.to_thread(guest.boot)
        teller = _Teller(near, NEAR)
        assert await asyncio.to_thread(_told, guest, NEAR) == (transfer, transfer)
        teller.join(5)
        teller = _Teller(far, FAR)
        assert await asyncio.to_thread(_told, guest, FAR) == (b"203.0.113.1", b"203.0.113.1")
        teller.join(5)


async def test_nobody_comes_in_by_it(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    node = network(outside[0])
    one = plug((await node.wire(ONE, (a_port(5),), {"latest/x": b"secret"}))[0])
    two = plug((await node.wire(TWO, (a_port(5, NET_B),), {}))[0])
    await asyncio.to_thread(one.boot)
    await asyncio.to_thread(two.boot)
    ear = one.inside(lambda: socket.create_server(("10.0.0.5", 22)))
    careless = namespaces.inside(one.wire.namespace, lambda: socket.create_server(("", 23)))

    def from_outside(ip: str, port: int) -> None:
        with namespaces.inside(outside[0], lambda: socket.create_connection((ip, port), 0.7)):
            pass

    with ear, careless:
        namespaces.inside(outside[0], lambda: _route("10.0.0.0/24", "100.64.0.2"))
        for ip, port in (("10.0.0.5", 22), ("100.64.0.2", 80), ("100.64.0.2", 23)):
            with pytest.raises(OSError, match=r"timed out|refused|unreachable"):
                await asyncio.to_thread(from_outside, ip, port)
        with pytest.raises(OSError, match=r"timed out|refused|unreachable"):
            await asyncio.to_thread(two.connect, "100.64.0.2", 80, None, 0.7)
        # The same call does arrive when it comes from the network itself.
        with namespaces.inside(one.wire.namespace, lambda: socket.create_connection(("10.0.0.5", 22), 2)):
            pass


def _route(to: str, via: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip:
        ip.route("add", dst=to, gateway=via)


async def test_without_an_uplink_there_is_no_way_out(network: Make, plug: Plug) -> None:
    guest = plug((await network().wire(ONE, (a_port(5),), {}))[0])
    await asyncio.to_thread(guest.boot)
    with pytest.raises(OSError, match=r"unreachable|timed out"):
        await asyncio.to_thread(guest.connect, NEAR, 7777, None, 0.7)


async def test_the_outside_is_put_back_as_it_was(network: Make, outside: tuple[str, str]) -> None:
    near = outside[0]

    def state() -> tuple[bool, set[str]]:
        return links.forwarding(), links.link_names("kn")

    before = namespaces.inside(near, state)
    node = network(near)
    await node.wire(ONE, (a_port(5),), {})
    assert namespaces.inside(near, state) != before
    await node.close(keep=True)
    node = network(near)  # after a crash it must still know that forwarding was off
    await node.restore()
    await node.wire(TWO, (a_port(6, NET_B),), {})
    await node.close(keep=False)
    assert namespaces.inside(near, state) == before == (False, set())


async def test_this_machine_can_be_the_outside(network: Make, cloud: str, tmp_path: Path) -> None:
    before, forwarded = traces(cloud, tmp_path), links.forwarding()  # only this test may look: no other process's test changes it
    node = network("host", transfer="100.127.240.0/24")
    await node.wire(ONE, (a_port(5),), {})
    during = traces(cloud, tmp_path)
    assert links.forwarding()
    assert [line.split(":")[1].split("@")[0].strip() for line in during["links"]] == [f"kn{cloud}-1a2b3c4d"]
    assert during["rules"] == [f"table inet kilonova_{cloud}"]
    await node.close(keep=False)
    assert traces(cloud, tmp_path) == before
    assert links.forwarding() == forwarded


async def test_an_outside_that_is_not_there_fails_the_wire(network: Make, cloud: str, tmp_path: Path) -> None:
    before = traces(cloud, tmp_path)
    with pytest.raises(BuildFailed):
        await network("no-such-place").wire(ONE, (a_port(5),), {})
    assert traces(cloud, tmp_path) == before


async def test_more_networks_than_transfer_nets_fail_cleanly(network: Make, outside: tuple[str, str]) -> None:
    node = network(outside[0], transfer="100.64.0.0/30")
    await node.wire(ONE, (a_port(5),), {})
    with pytest.raises(BuildFailed, match="no room"):
        await node.wire(TWO, (a_port(5, NET_B),), {})
    assert await node.inventory() == {ONE}
