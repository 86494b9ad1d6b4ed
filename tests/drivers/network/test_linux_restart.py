"""The network node is started again, or told of other rules, while people talk: nobody who may talk is interrupted."""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

import msgspec
import pytest

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.layout import link_local
from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.model.ids import ServerId, SubnetId
from kilonova.model.port import Address, Port, Wire
from tests.drivers.network.conftest import FAR, NEAR
from tests.drivers.network.guest import NET_B, Guest, a_port
from tests.drivers.network.plans import (
    INSIDE_B,
    OUTER,
    WEB,
    Ear,
    a_float,
    a_group,
    a_router,
    a_rule,
    b_port,
    still_talks,
)

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
HOME = "0d0e0000-0000-4000-8000-000000000000"
ITS_OWN = tuple(a_rule(version=version, protocol=None, port_min=None, port_max=None, remote_group=HOME) for version in (4, 6))
"""As in a project's default group: only who is in it may come in."""
RESTARTS = 3
PATIENCE_S = 10.0


class Talk:
    """A TCP connection on which both ends speak in turn, in a thread of its own, until it is asked to stop or hears nothing."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self._near, self._far = near, far
        self._trouble: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        for end in (near, far):
            end.settimeout(PATIENCE_S)
        self._thread.start()

    def stop(self) -> None:
        """Raises what went wrong."""
        self._over.set()
        self._thread.join(3 * PATIENCE_S)
        for end in (self._near, self._far):
            end.close()
        if self._trouble is not None:
            raise self._trouble

    def _speak(self) -> None:
        try:
            while not self._over.wait(0.02):
                for speaker, hearer in ((self._near, self._far), (self._far, self._near)):
                    speaker.sendall(b"word")
                    said = hearer.recv(4, socket.MSG_WAITALL)
                    if said != b"word":
                        raise ConnectionError(f"heard {said!r}")
        except Exception as error:  # noqa: BLE001 - told by stop
            self._trouble = error


class Calls:
    """One short conversation after another, in a thread of its own, until it is asked to stop or one cannot begin."""

    def __init__(self, source: Guest | str, target: Guest | str, host: str, port: int) -> None:
        self.made = 0
        self._source, self._where, self._ear = _name(source), (host, port), Ear(target, port)
        self._trouble: Exception | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=namespaces.inside, args=(self._source, self._call), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Raises what went wrong."""
        self._over.set()
        self._thread.join(3 * PATIENCE_S)
        self._ear.listener.close()
        if self._trouble is not None:
            raise self._trouble

    def _call(self) -> None:
        try:
            while not self._over.wait(0.001):
                socket.create_connection(self._where, PATIENCE_S).close()
                self._ear.listener.accept()[0].close()
                self.made += 1
        except Exception as error:  # noqa: BLE001 - told by stop
            self._trouble = error


def _name(where: Guest | str) -> str:
    return where if isinstance(where, str) else where.name


def _begin(open_ones: ExitStack, source: Guest | str, target: Guest | str, host: str, port: int) -> tuple[socket.socket, ...]:
    """The two ends of a new connection. A fresh IPv6 address takes a second or two until its owner answers for it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with Ear(target, port, family) as ear:
        near = namespaces.inside(_name(source), lambda: socket.create_connection((host, port), PATIENCE_S))
        open_ones.callback(near.close)
        far = ear.listener.accept()[0]
        open_ones.callback(far.close)
    return near, far


async def _broken(under_way: Mapping[str, Talk | Calls]) -> dict[str, str]:
    """What went wrong with each, now that they are all stopped."""
    found = {}
    for name, one in under_way.items():
        try:
            await asyncio.to_thread(one.stop)
        except OSError as error:
            found[name] = repr(error)
    return found


def _with_six(port: Port, number: int) -> Port:
    six = Address(subnet_id=SubnetId("six"), ip=f"fd00:5::{number}", cidr="fd00:5::/64", gateway="fd00:5::1")
    return msgspec.structs.replace(port, addresses=(*port.addresses, six))


async def _guest(node: LinuxNetwork, plug: Plug, name: str, port: Port) -> Guest:
    (wire,) = await node.wire(ServerId(name), (port,), {"latest/x": name.encode()})
    guest = plug(wire)
    await asyncio.to_thread(guest.boot)
    six = [address.ip for address in port.addresses if ":" in address.ip]
    if six:
        await asyncio.to_thread(guest.take_six, *six)
    return guest


async def test_what_is_being_said_goes_on(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    """Over restarts, and over a rule that goes and had let none of this begin."""
    near = outside[0]
    node = network(near)
    await node.take_group(a_group(*ITS_OWN, id=HOME))
    await node.take_group(a_group(a_rule(), id=WEB))
    one = await _guest(node, plug, "one", _with_six(a_port(5, groups=(HOME,)), 5))
    two = await _guest(node, plug, "two", _with_six(a_port(6, groups=(HOME,)), 6))
    three = await _guest(node, plug, "three", b_port(7, groups=(HOME, WEB)))
    four = await _guest(node, plug, "four", b_port(8, groups=(HOME,)))
    await node.take_network(OUTER)
    await node.take_router(a_router(inside=(INSIDE_B,), floating=(a_float(10, "10.1.0.7", NET_B),)))
    shared, routed = one.wire.namespace, three.wire.namespace
    ways: dict[str, tuple[Guest | str, Guest | str, str, int]] = {
        "node to guest": (shared, one, "10.0.0.5", 22),
        "node to guest, IPv6": (shared, one, "fd00:5::5", 23),
        "node to guest, link-local": (shared, one, f"{link_local(one.wire.mac)}%br0", 24),
        "node to guest behind a router": (routed, three, "10.1.0.7", 22),
        "guest to node": (one, shared, "10.0.0.1", 7001),
        "guest to node, IPv6": (one, shared, "fd00:5::1", 7002),
        "guest to guest": (one, two, "10.0.0.6", 7003),
        "guest to guest, IPv6": (one, two, "fd00:5::6", 7004),
        "guest to outside": (one, near, NEAR, 7005),
        "outside to floating IP": (near, three, "172.24.4.10", 80),
        "floating IP to outside": (three, near, NEAR, 7006),
        "guest to outside by the router": (four, near, NEAR, 7007),
        "guest to floating IP beside it": (four, three, "172.24.4.10", 80),
        "guest to floating IP of another network": (one, three, "172.24.4.10", 80),
    }
    with ExitStack() as open_ones:
        talks = {}
        for name, way in ways.items():
            talks[name] = Talk(*await asyncio.to_thread(_begin, open_ones, *way))
        quiet = {name: await asyncio.to_thread(_begin, open_ones, *way) for name, way in ways.items()}
        for _ in range(RESTARTS):
            await node.close(keep=True)
            node = network(near)
            await node.restore()
        await node.take_group(a_group(*ITS_OWN, a_rule(port_min=9, port_max=9), id=HOME, revision=2))
        await node.take_group(a_group(*ITS_OWN, id=HOME, revision=3))
        broken = await _broken(talks)
        for name, pair in quiet.items():
            for ends in (pair, pair[::-1]):
                if not await asyncio.to_thread(still_talks, *ends):
                    broken[name] = broken.get(name, "") + " silent after"
        assert broken == {}


async def test_what_begins_meanwhile_is_not_led_astray(network: Make, plug: Plug, outside: tuple[str, str]) -> None:
    """The outside's table is written anew by every restart; a conversation it let by untranslated would never be answered."""
    near, far = outside
    node = network(near)
    await node.take_group(a_group(*ITS_OWN, a_rule(), id=HOME))
    one = await _guest(node, plug, "one", a_port(5, groups=(HOME,)))
    three = await _guest(node, plug, "three", b_port(7, groups=(HOME,)))
    await node.take_network(OUTER)
    await node.take_router(a_router(inside=(INSIDE_B,), floating=(a_float(10, "10.1.0.7", NET_B),)))
    calls = {
        "outside to floating IP": Calls(near, three, "172.24.4.10", 80),
        "floating IP to far outside": Calls(three, far, FAR, 7001),
        "guest to far outside": Calls(one, far, FAR, 7002),
    }
    for _ in range(2 * RESTARTS):
        await node.close(keep=True)
        node = network(near)
        await node.restore()
    assert await _broken(calls) == {}
    print({name: one.made for name, one in calls.items()})
    assert all(one.made > RESTARTS for one in calls.values())
