"""The volume role: the bytes of volumes, and the processes that serve them."""

from pathlib import Path
from typing import TYPE_CHECKING

from kilonova.app.connection import connected
from kilonova.app.names import volume_node_name
from kilonova.cloud_folder import CloudFolder
from kilonova.settings import Settings

if TYPE_CHECKING:
    from kilonova.lifecycle.volume_needs import VolumeStore


async def volume(settings: Settings) -> None:
    """Volumes and what serves them, until told to stop."""
    from kilonova.bus.subjects import ask_subject
    from kilonova.nodes.attempts import Attempts
    from kilonova.nodes.fault_points import on_attempts, on_bus, on_journal
    from kilonova.nodes.role import serve_until_told
    from kilonova.nodes.volume import VolumeNode
    from kilonova.nodes.volume_greeting import keep_saying_hello, volume_answers
    from kilonova.saga import Journal
    from kilonova.saga.faults import Faults, parse_faults
    from kilonova.trace.recorder import Recorder, Together

    folder = CloudFolder(settings.data)
    name = volume_node_name(settings)
    home = folder.node(name)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    store = volume_store(settings, home)
    recorder = Recorder("volume", {})
    faults = Faults("volume", parse_faults(settings.faults), folder.faults_fired)
    wishes = on_attempts(Attempts(home / "wishes.sqlite"), "wishes", faults)
    await store.exports()  # from here on what is served is watched, and served again where its process has died meanwhile
    async with connected(settings, name, on_bus(faults)) as bus:
        journal = on_journal(Journal(home / "journal.sqlite"), faults)
        node = VolumeNode(name, store, bus, journal, recorder, Together(recorder, faults), faults, wishes)
        node.resume()  # before any order is heard: one that ends what is under way must find it
        await bus.serve_queue("volume", name, node.handlers())
        await bus.answer(ask_subject(name), "node", volume_answers(node))
        told = False
        try:
            await serve_until_told(keep_saying_hello(node, bus), node.reporter.run())
            told = True
        finally:
            await node.stop()
            await store.close(not (told and settings.end_guests))
        journal.close()
        wishes.close()


def volume_store(settings: Settings, home: Path) -> "VolumeStore":
    """The node's drivers, as the settings say."""
    if settings.hypervisor == "simulated":
        from kilonova.drivers.disks.http_send import HttpSend
        from kilonova.drivers.volumes.simulated import SimulatedVolumes

        return SimulatedVolumes(home / "volumes", send=HttpSend(settings.url))
    from kilonova.drivers.disks.http_fetch import HttpFetch
    from kilonova.drivers.disks.http_send import HttpSend
    from kilonova.drivers.identity import UidRange
    from kilonova.drivers.volumes.files import VolumeFiles, VolumeSettings

    about = VolumeSettings(
        host=settings.volume_host, largest_gb=settings.volume_limit_gb, uids=UidRange(first=settings.guest_uid_base)
    )
    place = Path(settings.volume_folder) if settings.volume_folder else home
    return VolumeFiles(place, HttpFetch(settings.url), HttpSend(settings.url), about)
