"""The network node dies, or something it made does: guests' networks go on, and a new process makes everything whole again."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.linux import LinuxNetwork
from kilonova.model.ids import ServerId
from kilonova.model.port import Port, Wire
from tests.drivers.network.conftest import traces
from tests.drivers.network.guest import NET_B, Guest, a_port

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
ONE, TWO = ServerId("server-one"), ServerId("server-two")

_DOOMED = """
import asyncio, sys
from pathlib import Path
from kilonova.drivers.network.linux import LinuxNetwork, LinuxNetworkSettings
from tests.drivers.network.guest import a_port

async def main():
    node = LinuxNetwork(LinuxNetworkSettings(cloud=sys.argv[1], folder=Path(sys.argv[2])))
    await node.wire("server-one", (a_port(5),), {"latest/meta-data/hostname": b"server-one"})
    print("wired", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def _documents(name: str) -> dict[str, bytes]:
    return {"latest/meta-data/hostname": name.encode()}


async def _wire(node: LinuxNetwork, server: ServerId, port: Port) -> Wire:
    return (await node.wire(server, (port,), _documents(server)))[0]


def _dnsmasq(folder: Path) -> int:
    (pid,) = {int(place.read_text()) for place in folder.glob("state/dhcp/*/pid")}
    return pid


def _live_and_die(cloud: str, folder: Path) -> None:
    """A process wires server-one and is killed."""
    order = [sys.executable, "-c", _DOOMED, cloud, str(folder / "state")]
    with subprocess.Popen(order, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as doomed:
        assert doomed.stdout is not None
        said = doomed.stdout.readline()
        doomed.kill()
    assert said == b"wired\n"


async def test_dhcp_outlives_a_killed_process_and_metadata_comes_back(
    network: Make, plug: Plug, cloud: str, tmp_path: Path
) -> None:
    node = network()  # so that its end cleans up even if this test fails early
    await asyncio.to_thread(_live_and_die, cloud, tmp_path)
    served_by = _dnsmasq(tmp_path)
    node = network()
    assert await node.inventory() == {ONE}
    (wire,) = await _known_wires(cloud)
    guest = plug(wire)
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(guest.get, "/latest/meta-data/hostname")
    await node.restore()
    assert await asyncio.to_thread(guest.get, "/latest/meta-data/hostname") == (200, b"server-one")
    assert _dnsmasq(tmp_path) == served_by, "DHCP is taken over, not started again"
    other = plug(await _wire(node, TWO, a_port(6)))
    assert (await asyncio.to_thread(other.boot)).ip == "10.0.0.6"


async def _known_wires(cloud: str) -> tuple[Wire]:
    port = a_port(5)
    (namespace,) = namespaces.names(f"kn{cloud}-")
    tap = "tap" + port.id.replace("-", "")[:11]
    return (Wire(port_id=port.id, mac=port.mac, mtu=1450, kind="tap", namespace=namespace, bridge="br0", tap=tap),)


async def test_a_killed_dnsmasq_is_started_again_by_the_next_wire(network: Make, plug: Plug, tmp_path: Path) -> None:
    node = network()
    guest = plug(await _wire(node, ONE, a_port(5)))
    first = _dnsmasq(tmp_path)
    await _kill(first)
    await _wire(node, TWO, a_port(6))
    assert _dnsmasq(tmp_path) != first
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"


async def test_a_killed_dnsmasq_is_started_again_by_restore(network: Make, plug: Plug, tmp_path: Path) -> None:
    node = network()
    guest = plug(await _wire(node, ONE, a_port(5)))
    await _kill(_dnsmasq(tmp_path))
    await node.close(keep=True)
    node = network()
    await node.restore()
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"
    assert (await asyncio.to_thread(guest.get, "/latest/meta-data/hostname"))[0] == 200


async def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    for _ in range(200):
        try:
            if not Path(f"/proc/{pid}/cmdline").read_bytes():
                return
        except OSError:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("dnsmasq did not end")


@pytest.mark.parametrize("way_out", [True, False])
async def test_a_namespace_that_was_taken_away_is_made_again(
    network: Make, plug: Plug, outside: tuple[str, str], way_out: bool
) -> None:
    node = network(outside[0] if way_out else None)
    first = await _wire(node, ONE, a_port(5))
    await asyncio.to_thread(namespaces.remove, first.namespace)
    guest = plug(await _wire(node, ONE, a_port(5)))
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"
    assert await asyncio.to_thread(guest.get, "/latest/meta-data/hostname") == (200, b"server-one")


async def test_closing_and_keeping_leaves_the_guests_their_network(network: Make, plug: Plug) -> None:
    node = network()
    guest = plug(await _wire(node, ONE, a_port(5)))
    await node.close(keep=True)
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"
    assert await network().inventory() == {ONE}


async def test_what_no_record_owns_is_swept_at_the_start(network: Make, cloud: str, tmp_path: Path) -> None:
    before = traces(cloud, tmp_path)
    node = network()
    await _wire(node, ONE, a_port(5))
    await _wire(node, TWO, a_port(6, NET_B))
    assert await node.orphans() == set()
    await node.close(keep=True)
    for record in (tmp_path / "state").glob("*/*.msgpack"):
        record.unlink()
    (tmp_path / "state" / "servers" / "half.msgpack").write_bytes(b"\x83half a reco")
    node = network()
    assert len(await node.orphans()) == 2
    await node.restore()
    assert await node.orphans() == set()
    assert await node.inventory() == set()
    assert traces(cloud, tmp_path) == before


async def test_closing_for_good_removes_even_networks_in_use(network: Make, cloud: str, tmp_path: Path) -> None:
    before = traces(cloud, tmp_path)
    node = network()
    await _wire(node, ONE, a_port(5))
    await _wire(node, TWO, a_port(5, NET_B))
    await node.close(keep=False)
    assert traces(cloud, tmp_path) == before
    assert not list((tmp_path / "state").glob("*/*"))
