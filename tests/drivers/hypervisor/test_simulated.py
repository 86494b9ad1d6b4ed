"""Simulated guests: started, found again, ended, and failing on demand."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.errors import BuildFailed, Conflict, NotFound
from kilonova.model.guest import HostFacts, PowerState
from kilonova.model.ids import HostName, PortId, ServerId
from kilonova.model.port import Wire
from tests.drivers.builds import placed, wired
from tests.drivers.disks.test_simulated import FailsAt

FACTS = HostFacts(host=HostName("h"), hypervisor_type="simulated", hypervisor_version=1000, vcpus=4, ram_mb=4096, disk_gb=100)


def _wire(name: str) -> Wire:
    return Wire(port_id=PortId(name), mac="fa:16:3e:00:00:01", mtu=1500, kind="simulated")


async def test_a_life(tmp_path: Path) -> None:
    hypervisor = SimulatedHypervisor(FACTS, tmp_path / "state")
    build, other = wired(placed(), ()), wired(placed(), ())
    guest = await hypervisor.start(build, ())
    assert guest.accelerator == "simulated"
    assert await hypervisor.start(build, ()) == guest
    await hypervisor.start(other, ())
    await hypervisor.shut_down(other.server_id, 1)
    assert "simulated" in await hypervisor.console_output(build.server_id, None)
    assert (await hypervisor.diagnostics(build.server_id)).accelerator == "simulated"
    for is_off in (other.server_id, ServerId("x")):
        with pytest.raises(Conflict):
            await hypervisor.diagnostics(is_off)

    again = SimulatedHypervisor(FACTS, tmp_path / "state")
    assert await again.guests() == {build.server_id: "running", other.server_id: "shutdown"}
    assert await again.start(build, ()) == guest
    await again.destroy(build.server_id)
    await again.destroy(build.server_id)
    assert await SimulatedHypervisor(FACTS, tmp_path / "state").guests() == {other.server_id: "shutdown"}
    assert await again.facts() == FACTS


async def test_a_guest_that_is_not_there() -> None:
    hypervisor = SimulatedHypervisor(FACTS)
    for call in (hypervisor.shut_down(ServerId("x"), 1), hypervisor.console_output(ServerId("x"), 1)):
        with pytest.raises(NotFound):
            await call


async def test_the_nics_of_a_guest_are_those_of_its_process(tmp_path: Path) -> None:
    wires = (_wire("a"), _wire("b"))
    build = replace(wired(placed(), ()), wires=wires)
    hypervisor = SimulatedHypervisor(FACTS, tmp_path / "state")
    await hypervisor.start(build, ())
    for _ in range(2):
        await hypervisor.unplug_nic(build.server_id, wires[0].port_id)
        await hypervisor.plug_nic(build.server_id, _wire("c"))
    await hypervisor.pause(build.server_id)
    hypervisor = SimulatedHypervisor(FACTS, tmp_path / "state")
    assert hypervisor.plugged(build.server_id) == {"b", "c"}
    await hypervisor.stop_now(build.server_id)
    await hypervisor.plug_nic(build.server_id, _wire("d"))
    assert hypervisor.plugged(build.server_id) == hypervisor.plugged(ServerId("x")) == set()
    await hypervisor.start(build, ())
    assert hypervisor.plugged(build.server_id) == {"a", "b"}


async def test_a_guest_that_is_off_is_neither_paused_nor_interrupted() -> None:
    """As with QEMU: there is no process to be told."""
    hypervisor, build = SimulatedHypervisor(FACTS), wired(placed(), ())
    await hypervisor.start(build, ())
    hypervisor.end_by_itself(build.server_id, "shutdown")
    for tell in (hypervisor.pause, hypervisor.unpause, hypervisor.interrupt):
        with pytest.raises(NotFound):
            await tell(build.server_id)
    assert await hypervisor.guests() == {build.server_id: "shutdown"}


async def test_an_end_by_itself_is_told() -> None:
    hypervisor = SimulatedHypervisor(FACTS)
    told: list[tuple[ServerId, PowerState]] = []
    hypervisor.watch(lambda server_id, power: told.append((server_id, power)))
    build = wired(placed(), ())
    await hypervisor.start(build, ())
    hypervisor.end_by_itself(build.server_id, "crashed")
    assert told == [(build.server_id, "crashed")]
    assert await hypervisor.guests() == {build.server_id: "crashed"}


@pytest.mark.parametrize("point", ["hypervisor.start", "hypervisor.shut_down", "hypervisor.destroy"])
async def test_faults_on_demand(point: str) -> None:
    hypervisor, build = SimulatedHypervisor(FACTS, faults=FailsAt(point)), wired(placed(), ())

    async def everything() -> None:
        await hypervisor.start(build, ())
        await hypervisor.shut_down(build.server_id, 1)
        await hypervisor.destroy(build.server_id)

    with pytest.raises(BuildFailed, match="on demand"):
        await everything()
