"""Real networks, met by guests that are namespaces: addresses, metadata, spoofing, overlap, failures, leaving nothing."""

import asyncio
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kilonova.build.needs import Network
from kilonova.drivers.network import namespaces
from kilonova.drivers.network.linux import LinuxNetwork, LinuxNetworkSettings
from kilonova.errors import BuildFailed
from kilonova.model.ids import NetworkId, ServerId, SubnetId
from kilonova.model.port import Address, Port, Wire
from tests.drivers.network.conftest import traces
from tests.drivers.network.guest import NET_A, NET_B, Guest, a_port, arp, raw_socket, udp_frame

pytestmark = pytest.mark.root

Make = Callable[..., LinuxNetwork]
Plug = Callable[[Wire], Guest]
ONE, TWO = ServerId("server-one"), ServerId("server-two")


def _documents(name: str) -> dict[str, bytes]:
    return {"openstack/latest/meta_data.json": b'{"name": "%s"}' % name.encode(), "latest/meta-data/hostname": name.encode()}


async def _wire(node: Network, server: ServerId, port: Port) -> Wire:
    return (await node.wire(server, (port,), _documents(server)))[0]


async def test_a_guest_gets_its_address_and_its_documents(network: Make, plug: Plug) -> None:
    node = network()
    await node.restore()
    wire = await _wire(node, ONE, a_port(5))
    assert (wire.kind, wire.bridge, wire.metadata, len(wire.tap) <= 15) == ("tap", "br0", True, True)
    guest = plug(wire)
    lease = await asyncio.to_thread(guest.boot)
    assert lease.ip == "10.0.0.5"
    assert lease.options[3] == socket.inet_aton("10.0.0.1")
    assert lease.options[6] == socket.inet_aton("192.0.2.53")
    assert lease.options[26] == (1450).to_bytes(2, "big")
    gateway, metadata = socket.inet_aton("10.0.0.1"), socket.inet_aton("169.254.169.254")
    routes = b"\x20" + metadata + gateway + b"\x18\xc0\x00\x02" + socket.inet_aton("10.0.0.9") + b"\x00" + gateway
    assert lease.options[121] == routes
    assert await asyncio.to_thread(guest.get, "/openstack/latest/meta_data.json") == (200, b'{"name": "server-one"}')
    assert await asyncio.to_thread(guest.get, "/openstack") == (200, b"latest")
    assert await asyncio.to_thread(guest.get, "/latest/meta-data/nothing") == (404, b"404 Not Found\n")


async def test_a_stranger_gets_no_address(network: Make, plug: Plug) -> None:
    node = network()
    wire = await _wire(node, ONE, a_port(5, port_security=False))
    guest = plug(wire)
    assert await asyncio.to_thread(guest.dhcp, "02:00:00:00:00:99", 1.0) is None
    assert await asyncio.to_thread(guest.dhcp) is not None


async def test_metadata_believes_no_header_and_no_other_address(network: Make, plug: Plug) -> None:
    node = network()
    first, second = await _wire(node, ONE, a_port(5, port_security=False)), await _wire(node, TWO, a_port(6))
    one, two = plug(first), plug(second)
    await asyncio.to_thread(one.boot)
    await asyncio.to_thread(two.boot)
    forged = {"X_Forwarded_For": "10.0.0.6", "X_Instance_ID": TWO, "X_Real_IP": "10.0.0.6", "Forwarded": "for=10.0.0.6"}
    assert await asyncio.to_thread(lambda: one.get("/latest/meta-data/hostname", **forged)) == (200, b"server-one")
    assert await asyncio.to_thread(two.get, "/latest/meta-data/hostname") == (200, b"server-two")
    await asyncio.to_thread(two.unplug)
    # Even a port without port security must not read its neighbour's documents by taking its address.
    await asyncio.to_thread(one.configure, "10.0.0.6")
    await asyncio.to_thread(one.inside, lambda: _send(arp(first.mac, "10.0.0.6", "10.0.0.1")))
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        await asyncio.to_thread(one.get, "/latest/meta-data/hostname", "GET", "10.0.0.6")


async def test_a_spoofed_source_is_dropped(network: Make, plug: Plug) -> None:
    node = network()
    sender, receiver = await _wire(node, ONE, a_port(5)), await _wire(node, TWO, a_port(6))
    one, two = plug(sender), plug(receiver)
    own, other = sender.mac, "02:00:00:00:00:77"

    def heard(frame: bytes) -> bool:
        """Whether the second guest hears a frame of the first; a good frame after it tells that all had arrived."""
        with two.inside(raw_socket) as ear:
            mark = arp(own, "10.0.0.5", "10.0.0.200")
            one.inside(lambda: _send(frame, mark))
            seen: list[bytes] = []
            while not any(known.startswith(mark) for known in seen):
                seen.append(ear.recv(2048))
            return any(known.startswith(frame) for known in seen)

    to = ("10.0.0.6", 7777)
    assert await asyncio.to_thread(heard, udp_frame(own, ("10.0.0.5", 7), to, b"good"))
    assert await asyncio.to_thread(heard, arp(own, "0.0.0.0", "10.0.0.6")), "an ARP probe is allowed"
    for bad in (
        udp_frame(other, ("10.0.0.5", 7), to, b"another MAC"),
        udp_frame(own, ("10.0.0.9", 7), to, b"another address"),
        udp_frame(own, ("10.0.0.5", 67), ("10.0.0.6", 68), b"a DHCP server"),
        arp(own, "10.0.0.1", "10.0.0.6"),
        arp(other, "10.0.0.5", "10.0.0.6", source_mac=own),
        b"\xff" * 6 + bytes.fromhex(own.replace(":", "")) + b"\x81\x00\x00\x05\x08\x00" + bytes(46),
    ):
        assert not await asyncio.to_thread(heard, bad), bad


def _send(*frames: bytes) -> None:
    with raw_socket() as raw:
        for frame in frames:
            raw.send(frame)


async def test_two_networks_may_have_the_same_addresses(network: Make, plug: Plug) -> None:
    node = network()
    first, second = await asyncio.gather(_wire(node, ONE, a_port(5)), _wire(node, TWO, a_port(5, NET_B)))
    assert first.namespace != second.namespace
    one, two = plug(first), plug(second)
    leases = await asyncio.gather(asyncio.to_thread(one.boot), asyncio.to_thread(two.boot))
    assert [lease.ip for lease in leases] == ["10.0.0.5", "10.0.0.5"]
    assert await asyncio.to_thread(one.get, "/latest/meta-data/hostname") == (200, b"server-one")
    assert await asyncio.to_thread(two.get, "/latest/meta-data/hostname") == (200, b"server-two")


async def test_a_network_without_a_gateway_has_dhcp_and_metadata(network: Make, plug: Plug) -> None:
    node = network()
    known = a_port(5)
    lonely = msgspec.structs.replace(known.addresses[0], gateway=None, dns=(), host_routes=())
    guest = plug(await _wire(node, ONE, msgspec.structs.replace(known, addresses=(lonely,))))
    lease = await asyncio.to_thread(guest.dhcp)
    assert lease is not None
    assert lease.ip == "10.0.0.5"
    assert 3 not in lease.options
    assert lease.options[121] == b"\x20" + socket.inet_aton("169.254.169.254") + bytes(4)


async def test_dhcp_leaves_the_name_to_the_metadata(network: Make, plug: Plug) -> None:
    guest = plug(await _wire(network(), ONE, a_port(5)))
    for called in ("before-cloud-init", ""):  # the second time as who was renamed since: the old name must not come back
        lease = await asyncio.to_thread(guest.dhcp, called=called)
        assert lease is not None and lease.ip == "10.0.0.5"
        assert 12 not in lease.options


async def test_an_address_goes_to_its_next_owner_at_once(network: Make, plug: Plug) -> None:
    node = network()
    await _wire(node, TWO, a_port(9))
    guest = plug(await _wire(node, ONE, a_port(5)))
    await asyncio.to_thread(guest.boot)
    await node.unwire(ONE)
    await asyncio.to_thread(guest.unplug)
    heir = a_port(7)
    successor = plug(await _wire(node, ONE, msgspec.structs.replace(heir, addresses=a_port(5).addresses)))
    lease = await asyncio.to_thread(successor.dhcp)
    assert lease is not None
    assert lease.ip == "10.0.0.5"


async def test_wire_and_unwire_can_be_repeated(network: Make, cloud: str, tmp_path: Path) -> None:
    node: Network = network()
    assert await _wire(node, ONE, a_port(5)) == await _wire(node, ONE, a_port(5))
    await _wire(node, TWO, a_port(6))
    assert await node.inventory() == {ONE, TWO}
    await node.unwire(ONE)
    await node.unwire(ONE)
    assert await node.inventory() == {TWO}
    assert traces(cloud, tmp_path)["namespaces"]
    await node.unwire(TWO)
    assert await node.inventory() == set()
    left = traces(cloud, tmp_path)
    assert not left["namespaces"] + left["mounts"] + left["processes"]


async def test_another_subnet_of_the_network_is_served_too(network: Make, plug: Plug) -> None:
    node = network()
    await _wire(node, ONE, a_port(5))
    known = a_port(6)
    added = msgspec.structs.replace(
        known.addresses[0], subnet_id="another", ip="10.9.0.6", cidr="10.9.0.0/24", gateway="10.9.0.1", host_routes=()
    )
    guest = plug(await _wire(node, TWO, msgspec.structs.replace(known, addresses=(added,))))
    lease = await asyncio.to_thread(guest.boot)
    assert lease.ip == "10.9.0.6"
    assert await asyncio.to_thread(guest.get, "/latest/meta-data/hostname") == (200, b"server-two")


@pytest.mark.parametrize("broken", ["false", "no-such-program"])
async def test_what_fails_halfway_leaves_nothing(network: Make, cloud: str, tmp_path: Path, broken: str) -> None:
    before = traces(cloud, tmp_path)
    node = network(dnsmasq=broken)
    with pytest.raises(BuildFailed, match="DHCP"):
        await _wire(node, ONE, a_port(5))
    assert traces(cloud, tmp_path) == before
    assert await node.inventory() == set()
    assert await node.orphans() == set()


async def test_a_second_server_that_fails_leaves_the_first_alone(network: Make, plug: Plug) -> None:
    node = network()
    guest = plug(await _wire(node, ONE, a_port(5)))
    with pytest.raises(BuildFailed, match="MAC"):
        await _wire(node, TWO, a_port(6, mac="nonsense\ndhcp-script=/bin/sh"))
    assert await node.inventory() == {ONE}
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"
    assert await asyncio.to_thread(guest.get, "/latest/meta-data/hostname") == (200, b"server-one")


async def test_a_cancelled_wire_is_undone_completely(network: Make, cloud: str, tmp_path: Path) -> None:
    before = traces(cloud, tmp_path)
    node = network()
    for wait in (0.0, 0.002, 0.01, 0.03):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(wait):
                await _wire(node, ONE, a_port(5))
                await asyncio.sleep(1)
        await node.unwire(ONE)
        assert traces(cloud, tmp_path) == before


async def test_this_thread_never_leaves_its_namespace(network: Make) -> None:
    here = Path("/proc/thread-self/ns/net").readlink()
    node = network()
    await _wire(node, ONE, a_port(5))
    pool = await asyncio.gather(*(asyncio.to_thread(Path("/proc/thread-self/ns/net").readlink) for _ in range(8)))
    assert {here, *pool} == {Path("/proc/thread-self/ns/net").readlink()}
    assert namespaces.inside((await _wire(node, ONE, a_port(5))).namespace, Path("/proc/thread-self/ns/net").readlink) != here


async def test_many_networks_at_once(network: Make, cloud: str, tmp_path: Path) -> None:
    before = traces(cloud, tmp_path)
    node = network()
    ids = [NetworkId(f"{n:08x}-0000-4000-8000-00000000000a") for n in range(8)]
    orders = [(ServerId(f"server-{n}"), a_port(n + 2, ids[n % 8])) for n in range(32)]
    wires = await asyncio.gather(*(_wire(node, server, port) for server, port in orders))
    assert len({wire.namespace for wire in wires}) == 8
    assert len(traces(cloud, tmp_path)["processes"]) == 8
    await asyncio.gather(*(node.unwire(server) for server, _ in orders))
    assert traces(cloud, tmp_path) == before


async def test_ids_that_begin_alike_get_different_namespaces(network: Make) -> None:
    node = network()
    alike = NetworkId(NET_A[:-1] + "f")
    assert (await _wire(node, ONE, a_port(5))).namespace != (await _wire(node, TWO, a_port(5, alike))).namespace


async def test_ipv6_is_reached_by_its_owner_only(network: Make, plug: Plug) -> None:
    node = network()
    known = a_port(5)
    six = Address(subnet_id=SubnetId("six"), ip="fd00:5::5", cidr="fd00:5::/64", gateway="fd00:5::1")
    guest = plug(await _wire(node, ONE, msgspec.structs.replace(known, addresses=(*known.addresses, six))))
    assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.5"

    def knock(source: str) -> None:
        with socket.create_connection(("fd00:5::1", 9), 1.5, (source, 0)):
            pass

    await asyncio.to_thread(guest.take_six, "fd00:5::5", "fd00:5::66")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(guest.inside, lambda: knock("fd00:5::5"))
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        await asyncio.to_thread(guest.inside, lambda: knock("fd00:5::66"))


async def test_dhcp_runs_without_rights_where_its_files_can_be_read(able: None, cloud: str, plug: Plug) -> None:
    with tempfile.TemporaryDirectory(prefix=f"kn-{cloud}-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        node = LinuxNetwork(LinuxNetworkSettings(cloud=cloud, folder=folder / "state"))
        try:
            await _wire(node, ONE, a_port(5))
            (pid,) = (found.read_text().strip() for found in folder.glob("state/dhcp/*/pid"))
            status = Path(f"/proc/{pid}/status").read_text()
            assert next(line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")) != ["0"] * 4
            guest = plug(await _wire(node, TWO, a_port(6)))  # it must be able to read its hosts again
            assert (await asyncio.to_thread(guest.boot)).ip == "10.0.0.6"
            hidden = [*folder.glob("state/servers"), *folder.glob("state/networks")]
            assert [known.stat().st_mode & 0o777 for known in hidden] == [0o700, 0o700]
        finally:
            await node.close(keep=False)
