"""User networking without root: each wire has a loopback port of its own, and the same one after a restart."""

import asyncio
import socket
from pathlib import Path

import pytest

from kilonova.build.needs import Network
from kilonova.drivers.network.user import UserNetwork
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId
from tests.drivers.network.guest import NET_B, a_port
from tests.drivers.network.plans import a_group, a_router

ONE, TWO = ServerId("server-one"), ServerId("server-two")
PORTS = range(25000, 25400)


async def test_every_wire_has_its_own_loopback_port(tmp_path: Path) -> None:
    node = UserNetwork(tmp_path / "user.json", PORTS)
    answers = await asyncio.gather(*(node.wire(ServerId(f"server-{n}"), (a_port(n), a_port(n, NET_B)), {}) for n in range(2, 22)))
    numbers = [wire.ssh_port for wires in answers for wire in wires]
    assert len(set(numbers)) == 40
    assert all(number in PORTS for number in numbers)
    assert {(wire.kind, wire.metadata, wire.tap) for wires in answers for wire in wires} == {("user", False, "")}


async def test_it_is_remembered_and_repeatable(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "user.json"
    first = await UserNetwork(state, PORTS).wire(ONE, (a_port(5),), {})
    again = UserNetwork(state, PORTS)
    assert await again.inventory() == {ONE}
    with socket.create_server(("127.0.0.1", first[0].ssh_port)):  # QEMU holds it by now
        assert await again.wire(ONE, (a_port(5),), {}) == first
    assert (await again.wire(TWO, (a_port(6),), {}))[0].ssh_port != first[0].ssh_port
    await again.unwire(ONE)
    await again.unwire(ONE)
    assert await UserNetwork(state, PORTS).inventory() == {TWO}


async def test_closing_keeps_or_gives_back(tmp_path: Path) -> None:
    node: Network = UserNetwork(tmp_path / "user.json", PORTS)
    await node.wire(ONE, (a_port(5),), {})
    await node.close(keep=True)
    assert await UserNetwork(tmp_path / "user.json", PORTS).inventory() == {ONE}
    await node.close(keep=False)
    assert await UserNetwork(tmp_path / "user.json", PORTS).inventory() == set()


async def test_a_port_somebody_else_uses_is_left_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        node = UserNetwork(tmp_path / "user.json", range(number, number + 1))
        with pytest.raises(BuildFailed, match="free"):
            await node.wire(ONE, (a_port(5),), {})
        assert await node.inventory() == set()


async def test_a_failed_wire_keeps_what_was_there(tmp_path: Path) -> None:
    node = UserNetwork(tmp_path / "user.json", PORTS[:1])
    (wire,) = await node.wire(ONE, (a_port(5),), {})
    with pytest.raises(BuildFailed):
        await node.wire(TWO, (a_port(6),), {})
    assert await UserNetwork(tmp_path / "user.json", PORTS[:1]).inventory() == {ONE}
    assert await node.wire(ONE, (a_port(5),), {}) == (wire,)


async def test_a_state_file_that_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "user.json").write_bytes(b'{"server-one": ')
    assert await UserNetwork(tmp_path / "user.json", PORTS).inventory() == set()


async def test_there_are_no_routers_and_that_is_said(tmp_path: Path) -> None:
    node = UserNetwork(tmp_path / "user.json", PORTS)
    with pytest.raises(BuildFailed, match="no routers"):
        await node.take_router(a_router())
    assert await node.take_router(a_router(2, inside=(), gateway=None)) == 2
    assert await node.take_group(a_group()) == 1
    assert {one.kind for one in await UserNetwork(tmp_path / "user.json", PORTS).known()} == {"router", "group"}
