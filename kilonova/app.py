"""Puts a cloud together. The only file that names concrete queues, ledgers and drivers.

Each role imports what it needs inside its own function: a compute node has no use for HTTP or SQL, and should not carry them.
"""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kilonova.cloud_folder import CloudFolder
from kilonova.errors import Unavailable
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.settings import Settings

if TYPE_CHECKING:
    from kilonova.build.needs import Network
    from kilonova.bus.bus import NatsBus
    from kilonova.drivers.network.reach import Reach
    from kilonova.nodes.hands import HostHands

BUS_WITHIN_S = 30.0


def host_names(settings: Settings) -> list[HostName]:
    """The hosts that this machine's compute node serves."""
    if settings.hypervisor == "simulated":
        return [HostName(f"sim-{number:04}") for number in range(1, settings.simulated_hosts + 1)]
    return [HostName(socket.gethostname())]


def compute_node_name(settings: Settings) -> NodeName:
    return NodeName("simulated" if settings.hypervisor == "simulated" else socket.gethostname())


def network_node_name(settings: Settings) -> NodeName:
    return NodeName(f"network-{compute_node_name(settings)}")


async def control(settings: Settings) -> None:
    """The API, the scheduler, the ledger and the relay, until told to stop."""
    from kilonova.api.internal.service import service
    from kilonova.api.internal.tickets import Tickets
    from kilonova.build.admit import OrderDesk
    from kilonova.ledger.ledger import open_ledger
    from kilonova.ledger.migrate import prepare
    from kilonova.nodes.audit import Auditor
    from kilonova.nodes.control import ControlNode
    from kilonova.nodes.desk import Desk
    from kilonova.nodes.relay import Relay
    from kilonova.nodes.role import serve_until_told
    from kilonova.nodes.sweeper import Sweeper
    from kilonova.saga.faults import Faults, parse_faults
    from kilonova.scheduler.choose import Ratios

    folder = CloudFolder(settings.data)
    tickets = Tickets(_secret(folder.ticket_key))
    ratios = Ratios(cpu=settings.cpu_ratio, ram=settings.ram_ratio, disk=settings.disk_ratio)

    def terms(now: float) -> OrderDesk:
        return OrderDesk(now=now, build_limit_s=settings.build_limit_s, ratios=ratios, ticket=tickets.issue)

    faults = Faults("control", parse_faults(settings.faults), folder.faults_fired)
    listener = listen(settings)
    await asyncio.to_thread(prepare, settings.ledger_url)
    ledger = open_ledger(settings.ledger_url)
    async with _connected(settings, "control") as bus:
        relay = Relay(ledger, bus, faults)
        ledger.on_orders = relay.wake
        desk = Desk(ledger, bus, relay, terms)
        node = ControlNode(NodeName(f"control-{socket.gethostname()}"), ledger, bus, terms, faults)
        internal = service(tickets, Auditor(ledger, bus, time.time).audit)
        web = await _web(settings, folder, ledger, desk, internal)
        sweeper = Sweeper(ledger, terms, settings.traces_kept_s)
        await serve_until_told(ledger.watch(), node.run(), relay.run(), sweeper.run(), web.serve(sockets=[listener]))
    await ledger.close()


async def compute(settings: Settings) -> None:
    """The guests of one host (or of many simulated ones), until told to stop."""
    from kilonova.build import STEP_OF
    from kilonova.bus.subjects import ask_subject
    from kilonova.lifecycle.console import ConsoleText, ConsoleWanted, read_console
    from kilonova.nodes.compute import ComputeNode
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
    hosts = _simulated_hosts(settings, home) if settings.hypervisor == "simulated" else _real_host(settings, home)
    recorder = Recorder("compute", STEP_OF)
    faults = Faults("compute", parse_faults(settings.faults), folder.faults_fired)
    async with _connected(settings, name) as bus:
        journal = Journal(home / "journal.sqlite")
        node = ComputeNode(name, hosts, bus, journal, recorder, Together(recorder, faults), settings.network_limit_s)
        await asyncio.gather(*(bus.serve_queue("compute", host, node.handlers()) for host in hosts))

        async def console(wanted: ConsoleWanted, _: Any) -> ConsoleText:
            return await read_console(wanted, node.hands)

        await bus.answer(ask_subject(name), "node", {ConsoleWanted: console, **compute_answers(node)})
        greeting = Greeting()
        for hands in hosts.values():
            hands.hypervisor.watch(greeting.soon)
        node.resume()
        try:
            await serve_until_told(keep_saying_hello(node, bus, greeting.hurry), node.reporter.run())
        finally:
            await node.stop()
            await _leave_guests(hosts, settings)
        journal.close()


async def network(settings: Settings) -> None:
    """Bridges, DHCP, metadata and the way out, until told to stop."""
    from kilonova.bus.subjects import ask_subject
    from kilonova.nodes.greeting import keep_saying_hello
    from kilonova.nodes.inventory_answers import network_answers
    from kilonova.nodes.network import NetworkNode
    from kilonova.nodes.role import serve_until_told
    from kilonova.saga.faults import Faults, parse_faults

    folder = CloudFolder(settings.data)
    name = network_node_name(settings)
    home = folder.node(name)
    home.mkdir(mode=0o711, parents=True, exist_ok=True)
    driver = await _network_driver(settings, home)
    faults = Faults("network", parse_faults(settings.faults), folder.faults_fired)
    async with _connected(settings, name) as bus:
        node = NetworkNode(name, driver, faults)
        await bus.serve_queue("network", name, node.handlers())
        await bus.answer(ask_subject(name), "node", network_answers(node))
        try:
            await serve_until_told(keep_saying_hello(node, bus, asyncio.Event()))
        finally:
            await _leave_networks(driver, settings)


class Greeting:
    """Makes the next hello come at once when a guest has ended by itself."""

    def __init__(self) -> None:
        self.hurry = asyncio.Event()

    def soon(self, server_id: ServerId, power: str) -> None:
        self.hurry.set()


@asynccontextmanager
async def _connected(settings: Settings, name: str) -> "AsyncIterator[NatsBus]":
    from kilonova.bus.bus import NatsBus

    folder = CloudFolder(settings.data)
    await _papers_of(settings, folder, name)
    url = settings.nats_url or folder.nats_url.read_text().strip()
    bus = NatsBus()
    await bus.connect(url, folder.credential(name).read_text(), name, timeout_s=BUS_WITHIN_S)
    try:
        yield bus
    finally:
        await bus.close()


async def _papers_of(settings: Settings, folder: CloudFolder, name: str) -> None:
    """`kilonova up` starts its roles while it still writes their papers. Raises Unavailable when there are none in the end."""
    needed = [folder.credential(name)]
    needed += [] if settings.nats_url else [folder.nats_url]
    needed += [folder.admin_password] if name == "control" else []
    until = time.monotonic() + BUS_WITHIN_S
    while missing := [file for file in needed if not file.exists()]:
        if time.monotonic() > until:
            raise Unavailable(f"{missing[0]} is missing: `kilonova credential` makes one.")
        await asyncio.sleep(0.02)


async def _web(settings: Settings, folder: CloudFolder, ledger: Any, desk: Any, internal: Any) -> Any:
    """The HTTP server with every service, its ledger furnished."""
    from kilonova.api.compute.service import SERVICE as COMPUTE
    from kilonova.api.identity.service import SERVICE as IDENTITY
    from kilonova.api.image.recover import recover
    from kilonova.api.image.service import SERVICE as IMAGE
    from kilonova.api.network.service import SERVICE as NETWORK
    from kilonova.api.passwords import Argon2
    from kilonova.api.server import application
    from kilonova.api.serving import quiet_server
    from kilonova.api.tokens import FernetTokens, open_keys
    from kilonova.api.world import ApiWorld
    from kilonova.drivers.imagestore.files import FileStore
    from kilonova.model.identity_passwords import PasswordRules

    store = FileStore(folder.images, settings.image_limit_gb << 30)
    passwords = Argon2()
    await recover(ledger, store)
    await _furnish(settings, folder, ledger, passwords)

    async def readiness() -> dict[str, int]:
        hosts, node = await ledger.read(lambda tx: (tx.hosts.hosts(), tx.hosts.network_node(time.time())))
        return {"compute": sum(host.up and host.enabled for host in hosts), "network": int(node is not None)}

    world = ApiWorld(
        ledger=ledger,
        tokens=FernetTokens(open_keys(folder.token_keys), ledger, time.time),
        passwords=passwords,
        images=store,
        servers=desk,
        public_url=settings.url,
        region=settings.region,
        now=time.time,
        token_lifetime_s=settings.token_lifetime_s,
        password_rules=PasswordRules(
            unique_last_password_count=settings.unique_last_password_count,
            lockout_failure_attempts=settings.lockout_failure_attempts,
            lockout_duration=settings.lockout_duration,
        ),
        readiness=readiness,
    )
    return quiet_server(application(world, [IDENTITY, COMPUTE, IMAGE, NETWORK, internal]))


async def _furnish(settings: Settings, folder: CloudFolder, ledger: Any, passwords: Any) -> None:
    """What a new cloud has from the start: an admin, roles, flavors, and a network everyone may use."""
    from kilonova.api.identity.bootstrap import bootstrap
    from kilonova.ledger.first_flavors import ensure_flavors

    hashed = await passwords.hash(folder.admin_password.read_text().strip())

    def furnish(tx: Any) -> None:
        made = bootstrap(tx, admin_password_hash=hashed, public_url=settings.url, region=settings.region)
        ensure_flavors(tx.flavors, time.time())
        if settings.default_network:
            tx.networks.ensure_default_network(
                project_id=made.project_id, name="default", cidr=settings.default_network, now=time.time()
            )

    await ledger.write(furnish)


def _real_host(settings: Settings, home: Path) -> "Mapping[HostName, HostHands]":
    from kilonova.drivers.disks.http_fetch import HttpFetch
    from kilonova.drivers.disks.local import QcowDisks
    from kilonova.drivers.hypervisor.host import QemuSettings
    from kilonova.drivers.hypervisor.launch import UidRange
    from kilonova.drivers.hypervisor.plugs import PlugsByKind, TapPlugs, UserPlugs
    from kilonova.drivers.hypervisor.qemu import QemuHypervisor
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
    disks = QcowDisks(home, HttpFetch(settings.url), settings.image_cache_gb << 30)
    return {host: HostHands(disks, QemuHypervisor(host, home, plugs, about))}


def _simulated_hosts(settings: Settings, home: Path) -> "Mapping[HostName, HostHands]":
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
        disks = SimulatedDisks(home / f"{name}.disks")
        hosts[name] = HostHands(disks, SimulatedHypervisor(facts, home / f"{name}.guests"))
    return hosts


async def _network_driver(settings: Settings, home: Path) -> "Network":
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


async def end_everything(settings: Settings) -> None:
    """Guests and networks that a cloud left behind; no broker and no control are needed for it."""
    folder = CloudFolder(settings.data)
    hosts = {} if settings.hypervisor == "simulated" else _real_host(settings, folder.node(compute_node_name(settings)))
    for hands in hosts.values():
        await asyncio.gather(*(hands.hypervisor.destroy(server_id) for server_id in await hands.hypervisor.guests()))
        await hands.hypervisor.close()
    driver = await _network_driver(settings, folder.node(network_node_name(settings)))
    await driver.close(False)


def reach_guest(settings: Settings, server_id: str) -> "Reach | None":
    """From where on this machine a guest's ssh can be reached."""
    from kilonova.drivers.network.reach import reach

    return reach(CloudFolder(settings.data).node(network_node_name(settings)), ServerId(server_id))


def cloud_mark(settings: Settings) -> str:
    """Four characters that tell this data folder's things on the machine from another cloud's."""
    import hashlib

    return hashlib.sha256(str(settings.data).encode()).hexdigest()[:4]


async def _leave_guests(hosts: "Mapping[HostName, HostHands]", settings: Settings) -> None:
    """Guests go on, or are asked to power off and then ended."""
    for hands in hosts.values():
        if settings.end_guests:
            guests = await hands.hypervisor.guests()
            endings = (_end_guest(hands, server_id, settings.shutdown_limit_s) for server_id in guests)
            await asyncio.gather(*endings)
        await hands.hypervisor.close()


async def _end_guest(hands: "HostHands", server_id: ServerId, limit_s: float) -> None:
    await hands.hypervisor.shut_down(server_id, limit_s)
    await hands.hypervisor.destroy(server_id)


async def _leave_networks(driver: "Network", settings: Settings) -> None:
    await driver.close(not settings.end_guests)


def _secret(file: Path) -> bytes:
    """32 random bytes, made once."""
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = file.with_suffix(f".{os.getpid()}")
        half.touch(mode=0o600)
        half.write_bytes(os.urandom(32))
        half.rename(file)
    return file.read_bytes()


def listen(settings: Settings) -> socket.socket:
    """Taken before anything else is started, so that a port in use is one clear line. Raises Unavailable."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        raise Unavailable(f"Cannot listen on {settings.listen}: {error.strerror}.") from None
    listener.listen(2048)
    return listener


ROLES = {"control": control, "compute": compute, "network": network}


def run_role(name: str, settings: Settings) -> None:
    """One role, on uvloop, until it is told to stop."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ROLES[name](settings))
