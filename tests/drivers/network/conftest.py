"""What the tests of the real networks share: a skip without root, a cloud of one's own, a machine as it was before."""

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import pytest

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.linux import LinuxNetwork, LinuxNetworkSettings
from kilonova.drivers.network.probe import probe
from kilonova.model.ids import ServerId
from kilonova.model.port import Port, Wire
from tests.drivers.network.guest import OPEN, Guest

Make = Callable[..., LinuxNetwork]
NEAR, FAR = "198.51.100.1", "203.0.113.9"


class Told(LinuxNetwork):
    """A network node that control has told of the group OPEN before anything is wired."""

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        if not any(known.id == OPEN.id for known in await self.known()):
            await self.take_group(OPEN)
        return await super().wire(server_id, ports, documents)


@pytest.fixture(scope="session")
def able() -> None:
    """Skips, with the reason, where real networks cannot be."""
    missing = {name: found.reason for name, found in probe().all().items() if not found.there}
    if missing:
        pytest.skip(f"no real networks here: {missing}")


@pytest.fixture
def cloud() -> str:
    """Four characters nobody else on this machine uses now."""
    return secrets.token_hex(2)


def traces(cloud: str, folder: Path) -> dict[str, list[str]]:
    """Everything on this machine that has the cloud's name, or runs with a file of its folder."""

    def lines(*order: str) -> list[str]:
        text = subprocess.run(order, capture_output=True, text=True, check=True, timeout=10).stdout
        return [line for line in text.splitlines() if cloud in line]

    running = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and place.name != str(os.getpid()):
            try:
                words = (place / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words and b"dnsmasq" in words:
                running.append(words.decode())
    return {
        "namespaces": lines("ip", "netns", "list"),
        "links": lines("ip", "-o", "link"),
        "rules": lines("nft", "list", "tables"),
        "mounts": [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"kn{cloud}" in line],
        "processes": running,
    }


@pytest.fixture
async def network(able: None, cloud: str, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes the network node of this test's cloud (again: after a crash); at the end all of it is gone, or the test fails."""
    before = traces(cloud, tmp_path)
    made: list[LinuxNetwork] = []

    def make(uplink: str | None = None, **settings: str) -> LinuxNetwork:
        chosen = LinuxNetworkSettings(cloud=cloud, folder=tmp_path / "state", uplink=uplink, **settings)
        made.append(Told(chosen))
        return made[-1]

    yield make
    for node in made[:-1]:
        await node.close(keep=True)
    if made:
        await made[-1].close(keep=False)
    assert traces(cloud, tmp_path) == before


@pytest.fixture
def plug(able: None, cloud: str) -> Iterator[Callable[[Wire], Guest]]:
    """Plugs a guest into a wire; it is unplugged at the end."""
    guests: list[Guest] = []

    def put(wire: Wire) -> Guest:
        guests.append(Guest(f"guest{cloud}-{len(guests)}", wire))
        return guests[-1]

    yield put
    for guest in guests:
        guest.unplug()


@pytest.fixture
def outside(able: None, cloud: str) -> Iterator[tuple[str, str]]:
    """Two namespaces: the outside, and a far one behind it that knows no way back to anything but the outside."""
    near, far = f"near{cloud}", f"far{cloud}"
    for name in (near, far):
        namespaces.create(name)
    namespaces.inside(near, lambda: _furnish_near(far))
    namespaces.inside(far, lambda: _address("eth0", FAR, 24))
    yield near, far
    for name in (near, far):
        namespaces.remove(name)


def _furnish_near(far: str) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as ip, open(namespaces.RUN / far) as there:
        ip.link("add", ifname="eth0", kind="veth", peer={"ifname": "eth0", "net_ns_fd": there.fileno()})
    _address("lo", NEAR, 32)
    _address("eth0", "203.0.113.1", 24)


def _address(link: str, ip: str, prefix: int) -> None:
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        index = netlink.link_lookup(ifname=link)[0]
        netlink.link("set", index=index, state="up")
        netlink.addr("add", index=index, address=ip, prefixlen=prefix)
