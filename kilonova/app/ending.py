"""The end of a cloud whose roles are gone: what they left on this machine goes."""

import asyncio

from kilonova.app.compute import real_host
from kilonova.app.names import compute_node_name, network_node_name, volume_node_name
from kilonova.app.network import network_driver
from kilonova.app.volume import volume_store
from kilonova.cloud_folder import CloudFolder
from kilonova.settings import Settings


async def end_everything(settings: Settings) -> None:
    """Guests and networks that a cloud left behind; no broker and no control are needed for it."""
    folder = CloudFolder(settings.data)
    hosts = {} if settings.hypervisor == "simulated" else real_host(settings, folder.node(compute_node_name(settings)))
    for hands in hosts.values():
        await asyncio.gather(*(hands.hypervisor.destroy(server_id) for server_id in await hands.hypervisor.guests()))
        await hands.hypervisor.close()
    home = folder.node(volume_node_name(settings))
    if home.exists():
        await volume_store(settings, home).close(False)
    driver = await network_driver(settings, folder.node(network_node_name(settings)))
    await driver.close(False)
