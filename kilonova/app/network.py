"""The network role: bridges, DHCP, metadata and the way out."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from kilonova.app.connection import connected
from kilonova.app.names import cloud_mark, network_node_name
from kilonova.cloud_folder import CloudFolder
from kilonova.model.ids import ServerId
from kilonova.settings import Settings

if TYPE_CHECKING:
    from kilonova.build.needs import Network
    from kilonova.drivers.network.reach import Reach


async def network(settings: Settings) -> None:
    """Bridges, DHCP, metadata and the way out, until told to stop."""
    from kilonova.bus.subjects import ask_subject
    from kilonova.nodes.attempts import Attempts
    from kilonova.nodes.fault_points import on_attempts, on_bus
    from kilonova.nodes.greeting import keep_saying_hello
    from kilonova.nodes.inventory_answers import network_answers
    from kilonova.nodes.network import NetworkNode
    from kilonova.nodes.role import serve_until_told
    from kilonova.saga.faults import Faults, parse_faults

    folder = CloudFolder(settings.data)
    name = network_node_name(settings)
    home = folder.node(name)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    driver = await network_driver(settings, home)
    faults = Faults("network", parse_faults(settings.faults), folder.faults_fired)
    attempts = on_attempts(Attempts(home / "attempts.sqlite"), "attempts", faults)
    async with connected(settings, name, on_bus(faults)) as bus:
        node = NetworkNode(name, driver, faults, attempts)
        await bus.serve_queue("network", name, node.handlers())
        await bus.answer(ask_subject(name), "node", network_answers(node))
        told = False
        try:
            await serve_until_told(keep_saying_hello(node, bus, asyncio.Event()))
            told = True
        finally:
            await driver.close(not (told and settings.end_guests))
        attempts.close()


async def network_driver(settings: Settings, home: Path) -> "Network":
    """What the settings say; ``auto`` is decided by what this machine can really do."""
    kind: str = "simulated" if settings.hypervisor == "simulated" else settings.network
    if kind == "auto":
        from kilonova.drivers.network.probe import probe

        kind = (await asyncio.to_thread(probe, settings.dnsmasq)).kind
    if kind == "linux":
        from kilonova.drivers.network.linux import LinuxNetwork, LinuxNetworkSettings

        linux = LinuxNetwork(
            LinuxNetworkSettings(
                cloud=cloud_mark(settings), folder=home, uplink=settings.uplink or None, dnsmasq=settings.dnsmasq
            )
        )
        await linux.restore()
        return linux
    if kind == "user":
        from kilonova.drivers.network.user import UserNetwork

        return UserNetwork(home / "ports.json")
    from kilonova.drivers.network.simulated import SimulatedNetwork

    return SimulatedNetwork(home / "network")


def reach_guest(settings: Settings, server_id: str) -> "Reach | None":
    """From where on this machine a guest's ssh can be reached."""
    from kilonova.drivers.network.reach import reach

    return reach(CloudFolder(settings.data).node(network_node_name(settings)), ServerId(server_id))
