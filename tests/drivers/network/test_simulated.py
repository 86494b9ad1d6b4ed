"""The simulated network node: repeatable, remembered, and failing where it is told to."""

from pathlib import Path

import pytest

from kilonova.build.needs import Network
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.drivers.network.user import UserNetwork
from kilonova.errors import BuildFailed
from kilonova.model.fabric import Known
from kilonova.model.ids import ServerId
from tests.drivers.network.guest import NET_B, a_port
from tests.drivers.network.plans import OUTER, WEB, a_group, a_router

ONE, TWO = ServerId("server-one"), ServerId("server-two")


class _FailAt:
    def __init__(self, point: str) -> None:
        self.point, self.seen = point, list[str]()

    def before(self, point: str, server_id: ServerId) -> None:
        """Fail at the one point, note all."""
        self.seen.append(f"{point} {server_id}")
        if point == self.point:
            raise BuildFailed("told to")


async def test_wires_and_forgets(tmp_path: Path) -> None:
    node: Network = SimulatedNetwork(tmp_path / "net.log")
    wires = await node.wire(ONE, (a_port(5), a_port(5, NET_B)), {})
    assert [(wire.kind, wire.metadata) for wire in wires] == [("simulated", True)] * 2
    assert await node.wire(ONE, (a_port(5), a_port(5, NET_B)), {}) == wires
    await node.wire(TWO, (a_port(6),), {})
    assert await SimulatedNetwork(tmp_path / "net.log").inventory() == {ONE, TWO}, "as after kill -9"
    await node.unwire(ONE)
    await node.unwire(ONE)
    assert await SimulatedNetwork(tmp_path / "net.log").inventory() == {TWO}


async def test_closing_keeps_or_forgets(tmp_path: Path) -> None:
    node = SimulatedNetwork(tmp_path / "net.log")
    await node.wire(ONE, (a_port(5),), {})
    await node.close(keep=True)
    assert await SimulatedNetwork(tmp_path / "net.log").inventory() == {ONE}
    await node.close(keep=False)
    assert await SimulatedNetwork(tmp_path / "net.log").inventory() == set()


@pytest.mark.parametrize(("point", "left"), [("network.wire", set()), ("network.unwire", {ONE})])
async def test_faults_fire_before_anything_happens(point: str, left: set[ServerId]) -> None:
    faults = _FailAt(point)
    node = SimulatedNetwork(faults=faults)
    with pytest.raises(BuildFailed, match="told to"):
        await node.wire(ONE, (a_port(5),), {})
        await node.unwire(ONE)
    assert await node.inventory() == left
    assert f"{point} {ONE}" in faults.seen


async def test_plans_are_remembered_by_their_revision(tmp_path: Path) -> None:
    node = SimulatedNetwork(tmp_path / "net.log")
    assert await node.take_group(a_group(revision=2)) == 2
    assert await node.take_group(a_group(revision=1)) == 2
    assert await node.take_router(a_router(3)) == 3
    assert await node.take_network(OUTER) == 1
    await node.wire(ONE, (a_port(5),), {})
    assert await node.take_ports(ONE, 4, ()) == 4
    again = SimulatedNetwork(tmp_path / "net.log")
    assert {(one.kind, one.revision) for one in await again.known()} == {
        ("group", 2),
        ("router", 3),
        ("network", 1),
        ("server", 4),
    }
    await again.drop(Known(kind="router", id=a_router().id, revision=2))
    await again.drop(Known(kind="group", id=WEB, revision=2))
    await again.unwire(ONE)
    assert {one.kind for one in await again.known()} == {"router", "network"}
    await again.close(keep=False)
    assert await SimulatedNetwork(tmp_path / "net.log").known() == ()


async def test_ports_of_a_server_that_is_gone_are_not_remembered(tmp_path: Path) -> None:
    """Seed 20823: the plan of its ports came after its end."""
    for node in (SimulatedNetwork(tmp_path / "net.log"), UserNetwork(tmp_path / "user")):
        await node.wire(ONE, (a_port(5),), {})
        assert await node.take_ports(ONE, 4, ()) == 4
        await node.unwire(ONE)
        assert await node.take_ports(ONE, 5, ()) == 5
        assert await node.known() == ()
