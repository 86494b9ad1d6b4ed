"""The compute role: the guests of one host, or of many simulated ones."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilonova.app.connection import connected
from kilonova.app.names import compute_node_name, host_names
from kilonova.cloud_folder import CloudFolder
from kilonova.model.ids import HostName, ServerId
from kilonova.settings import Settings

if TYPE_CHECKING:
    from kilonova.nodes.hands import ComputeHands, HostHands


async def compute(settings: Settings) -> None:
    """The guests of one host (or of many simulated ones), until told to stop."""
    from kilonova.build import STEP_OF
    from kilonova.bus.subjects import ask_subject
    from kilonova.nodes.compute import ComputeNode
    from kilonova.nodes.fault_points import on_bus, on_journal
    from kilonova.nodes.greeting import keep_saying_hello
    from kilonova.nodes.inventory_answers import compute_answers
    from kilonova.nodes.role import serve_until_told
    from kilonova.saga import Journal
    from kilonova.saga.faults import Faults, parse_faults
    from kilonova.trace.recorder import Recorder, Together

    folder = CloudFolder(settings.data)
    name = compute_node_name(settings)
    home = folder.node(name)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    hosts = _simulated_hosts(settings, home) if settings.hypervisor == "simulated" else real_host(settings, home)
    recorder = Recorder("compute", STEP_OF)
    faults = Faults("compute", parse_faults(settings.faults), folder.faults_fired)
    async with connected(settings, name, on_bus(faults)) as bus:
        journal = on_journal(Journal(home / "journal.sqlite"), faults)
        node = ComputeNode(name, hosts, bus, journal, recorder, Together(recorder, faults), settings.network_limit_s)
        node.resume()  # before any order is heard: one that ends what is under way must find it
        await asyncio.gather(*(bus.serve_queue("compute", host, node.handlers()) for host in hosts))
        await bus.answer(ask_subject(name), "node", {**_about_guests(node.hands), **compute_answers(node)})
        greeting = Greeting(hosts)
        told = False
        try:
            await serve_until_told(keep_saying_hello(node, bus, greeting.hurry), node.reporter.run())
            told = True
        finally:
            await node.stop()
            await _leave_guests(hosts, settings, end=told and settings.end_guests)
        journal.close()


def _about_guests(hands: "ComputeHands") -> dict[type, Any]:
    """Message → who answers it: what clients may ask of a guest."""
    from kilonova.lifecycle.console import ConsoleText, ConsoleWanted, read_console
    from kilonova.lifecycle.diagnostics import DiagnosticsTold, DiagnosticsWanted, read_diagnostics

    async def console(wanted: ConsoleWanted, _: Any) -> ConsoleText:
        return await read_console(wanted, hands)

    async def diagnostics(wanted: DiagnosticsWanted, _: Any) -> DiagnosticsTold:
        return await read_diagnostics(wanted, hands)

    return {ConsoleWanted: console, DiagnosticsWanted: diagnostics}


class Greeting:
    """Makes the next hello come at once when a guest has ended by itself."""

    def __init__(self, hosts: "Mapping[HostName, HostHands]") -> None:
        self.hurry = asyncio.Event()
        for hands in hosts.values():
            hands.hypervisor.watch(self.soon)

    def soon(self, server_id: ServerId, power: str) -> None:
        self.hurry.set()


def real_host(settings: Settings, home: Path) -> "Mapping[HostName, HostHands]":
    from kilonova.drivers.disks.http_fetch import HttpFetch
    from kilonova.drivers.disks.http_send import HttpSend
    from kilonova.drivers.disks.local import QcowDisks
    from kilonova.drivers.hypervisor.host import QemuSettings
    from kilonova.drivers.hypervisor.plugs import PlugsByKind, TapPlugs, UserPlugs
    from kilonova.drivers.hypervisor.qemu import QemuHypervisor
    from kilonova.drivers.identity import UidRange
    from kilonova.drivers.network.taps import open_tap
    from kilonova.nodes.hands import HostHands

    (host,) = host_names(settings)
    plugs = PlugsByKind({"tap": TapPlugs(open_tap), "user": UserPlugs()})
    about = QemuSettings(
        binary=settings.qemu,
        accelerator=settings.accelerator,
        uids=UidRange(first=settings.guest_uid_base),
        availability_zone=settings.availability_zone,
    )
    disks = QcowDisks(home, HttpFetch(settings.url), settings.image_cache_gb << 30, HttpSend(settings.url))
    return {host: HostHands(disks, QemuHypervisor(host, home, plugs, about))}


def _simulated_hosts(settings: Settings, home: Path) -> "Mapping[HostName, HostHands]":
    from kilonova.drivers.disks.http_send import HttpSend
    from kilonova.drivers.disks.simulated import SimulatedDisks
    from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
    from kilonova.model.guest import HostFacts
    from kilonova.nodes.hands import HostHands

    hosts = {}
    for name in host_names(settings):
        facts = HostFacts(
            host=name,
            hypervisor_type="simulated",
            hypervisor_version=1000000,
            vcpus=64,
            ram_mb=262_144,
            disk_gb=10_000,
            availability_zone=settings.availability_zone,
        )
        disks = SimulatedDisks(home / f"{name}.disks", send=HttpSend(settings.url))
        hosts[name] = HostHands(disks, SimulatedHypervisor(facts, home / f"{name}.guests"))
    return hosts


async def _leave_guests(hosts: "Mapping[HostName, HostHands]", settings: Settings, *, end: bool) -> None:
    """Guests go on (always, where this role has only failed), or are asked to power off and then ended."""
    for hands in hosts.values():
        if end:
            guests = await hands.hypervisor.guests()
            endings = (_end_guest(hands, server_id, settings.shutdown_limit_s) for server_id in guests)
            await asyncio.gather(*endings)
        await hands.hypervisor.close()


async def _end_guest(hands: "HostHands", server_id: ServerId, limit_s: float) -> None:
    await hands.hypervisor.shut_down(server_id, limit_s)
    await hands.hypervisor.destroy(server_id)
