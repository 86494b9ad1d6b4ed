"""The roles of a simulated cloud: each can start, and die without a word, as a process that is killed does.

What outlives a role is what would outlive its process: the ledger, a node's folder with its journal, and the broker.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kilonova.api.image.recover import keep_tidy
from kilonova.api.internal.service import service
from kilonova.api.internal.tickets import Tickets
from kilonova.api.service import Service
from kilonova.build import STEP_OF
from kilonova.build.admit import OrderDesk
from kilonova.build.needs import Progress
from kilonova.bus.port import Observer
from kilonova.bus.simulated import LocalBroker, LocalBus
from kilonova.bus.subjects import ask_subject
from kilonova.drivers.disks.simulated import SimulatedDisks
from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.drivers.imagestore.files import FileStore
from kilonova.drivers.network.simulated import SimulatedNetwork
from kilonova.drivers.simulation import Faults as DriverFaultsPort
from kilonova.drivers.volumes.simulated import SimulatedVolumes
from kilonova.errors import BuildFailed, Unavailable
from kilonova.ledger.ledger import Ledger
from kilonova.model.guest import HostFacts
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.nodes.attempts import Attempts
from kilonova.nodes.compute import ComputeNode
from kilonova.nodes.control import ControlNode
from kilonova.nodes.desk import Desk
from kilonova.nodes.fabric import FabricKeeper
from kilonova.nodes.greeting import keep_saying_hello
from kilonova.nodes.hands import HostHands
from kilonova.nodes.inventory_answers import compute_answers, network_answers
from kilonova.nodes.network import NetworkNode
from kilonova.nodes.relay import Relay
from kilonova.nodes.repair.repair import Means, Repair
from kilonova.nodes.role import together
from kilonova.nodes.sweeper import Sweeper
from kilonova.nodes.volume import VolumeNode
from kilonova.nodes.volume_greeting import keep_saying_hello as greet_as_volume_node
from kilonova.nodes.volume_greeting import volume_answers
from kilonova.saga import Journal, Watch
from kilonova.saga.faults import Faults as NamedFaults
from kilonova.scheduler.choose import Ratios
from kilonova.sim.folder import EVERY_SERVICE, web
from kilonova.sim.front_door import Application, FrontDoor
from kilonova.sim.process import Process
from kilonova.sim.reception import Web
from kilonova.trace.recorder import Recorder, Together

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """What a simulated cloud is like. Seconds; memory in MiB, disk in GiB."""

    build_limit_s: float = 600.0
    action_limit_s: float | None = None
    """None: `build_limit_s`, here and below."""
    volume_limit_s: float | None = None
    reservation_limit_s: float = 3600.0
    resize_confirm_window_s: float = 0.0
    network_limit_s: float = 30.0
    send_again_after_s: float = 0.1
    """By the real clock: the loop's pauses are skipped, this one is not."""
    vcpus: int = 64
    ram_mb: int = 262_144
    disk_gb: int = 10_000
    services: tuple[Service, ...] = EVERY_SERVICE
    """What is spoken over HTTP, besides the internal routes; fewer start faster."""


class Door:
    """Where control is to be found by whoever has bytes for it; it has no address in this process."""

    client: FrontDoor | None = None

    async def send(self, image_id: str, ticket: str, path: Path, progress: Progress) -> None:
        """As `HttpSend` does it."""
        if self.client is None:
            raise Unavailable("The image service does not answer.")
        head = {"x-kilonova-ticket": ticket, "content-type": "application/octet-stream"}
        try:
            answer = await self.client.put(f"/internal/images/{image_id}", content=path.read_bytes(), headers=head)
        except OSError:
            raise Unavailable("The image service does not answer.") from None
        if answer.status_code >= 500:
            raise Unavailable("The image service has a problem.")
        if answer.status_code not in (200, 204):
            raise BuildFailed(f"The snapshot could not be stored: the image service answered {answer.status_code}.")


def _closed(journal: Journal, file: Path) -> bool:
    journal.close()
    return False


@dataclass(frozen=True)
class Ground:
    """What all roles stand on."""

    folder: Path
    broker: LocalBroker
    messages: Observer
    steps: Watch
    drivers: DriverFaultsPort
    terms: Terms
    gates: bool = False
    """Whether roles can be killed between any two awaits: then who calls the API is cut off with control."""
    on_the_way: Callable[[], Awaitable[None]] | None = None
    """What a request, and its answer, go through between a client and control; with `gates` only."""
    born: Callable[[str], Process] = Process
    """Makes the process of a role of this name; called whenever it starts."""
    web: Web = web
    """Makes the HTTP application of a control that begins."""
    open_journal: Callable[[Path], Journal] = Journal
    fell: Callable[[Journal, Path], bool] = _closed
    """What becomes of a journal and its file when its process dies; True when the machine's power went with it."""
    ended: Callable[[Iterable[ServerId]], None] = lambda server_ids: None
    """Told of servers whose guests are gone with their machine's power."""
    door: Door = field(default_factory=Door)


class Role:
    """One process: what it does as tasks, its connection, and what is cut when it dies."""

    def __init__(self, name: str, ground: Ground) -> None:
        self.name, self.ground = name, ground
        self.alive = self._journal_open = self._has_begun = False
        self._tasks: list[asyncio.Task[None]] = []
        self._files = ExitStack()
        self.process = Process(name)
        self.bus = self._connect()
        self.journal: Journal

    async def start(self) -> None:
        """Done when it is at work; in a loop with gates, also when it has died before that."""
        self.process = self.ground.born(self.name)
        self.bus = self._connect()
        self.alive = True
        starting = asyncio.get_running_loop().create_task(self._go(), context=self.process.context.copy())
        self._tasks.append(starting)
        await asyncio.wait({starting})
        if not starting.cancelled():
            starting.result()

    async def _go(self) -> None:
        for work in await self._begin():
            task = asyncio.create_task(work, name=self.name)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A real role would end with any part of it (see nodes/role.py): here that must not go unseen."""
        if self.alive and not task.cancelled():
            why = RuntimeError(f"a part of {self.name} ended by itself: {task.exception()!r}")
            log.error("%s", why, exc_info=why, extra={"action": "part_ended"})

    def cut(self) -> None:
        """From this moment on nothing it does has any effect; what it was doing is not told, and must still be cancelled."""
        self.alive = False
        self.bus.connected = False
        self.process.kill()
        if self._journal_open:
            self._journal_open = False
            if self.ground.fell(self.journal, self._journal_file):
                self.lose_power()

    def lose_power(self) -> None:
        """What else goes when its machine goes off."""

    def _open_journal(self) -> Journal:
        self.journal = self.ground.open_journal(self._journal_file)
        self._journal_open = True
        return self.journal

    @property
    def _journal_file(self) -> Path:
        return self.home / "journal.sqlite"

    async def bury(self) -> None:
        """End what is left of it in this process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.bus.close()
        self._files.close()

    def _attempts(self) -> Attempts:
        """Whose wishes count, as it outlives the process."""
        return self._files.enter_context(closing(Attempts(self.home / "attempts.sqlite")))

    async def _begin(self) -> Sequence[Coroutine[Any, Any, None]]:
        raise NotImplementedError

    def _connect(self) -> LocalBus:
        return LocalBus(self.ground.broker, self.name, self.ground.messages, self.process.context)

    @property
    def home(self) -> Path:
        folder = self.ground.folder / "nodes" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class ComputeRole(Role):
    """A compute node with simulated hosts."""

    def __init__(self, name: str, ground: Ground, hosts: Sequence[HostName]) -> None:
        super().__init__(name, ground)
        self.hosts = hosts
        self.node: ComputeNode

    async def _begin(self) -> Sequence[Coroutine[Any, Any, None]]:
        recorder = Recorder("compute", STEP_OF)
        hands = {host: self._hands(host) for host in self.hosts}
        self._open_journal()
        watch = Together(recorder, self.ground.steps)
        limit_s = self.ground.terms.network_limit_s
        self.node = ComputeNode(NodeName(self.name), hands, self.bus, self.journal, recorder, watch, limit_s)
        self._has_begun = True
        self.node.resume()
        for host in self.hosts:
            await self.bus.serve_queue("compute", host, self.node.handlers())
        await self.bus.answer(ask_subject(self.name), "node", compute_answers(self.node))
        hurry = asyncio.Event()
        for one in hands.values():
            one.hypervisor.watch(lambda server_id, power: hurry.set())
        return keep_saying_hello(self.node, self.bus, hurry), self.node.reporter.run()

    def lose_power(self) -> None:
        for hands in self.node.hosts.values():
            assert isinstance(hands.hypervisor, SimulatedHypervisor)
            self.ground.ended(hands.hypervisor.lose_power())

    async def bury(self) -> None:
        if self._has_begun:
            await self.node.stop()
        await super().bury()

    def _hands(self, host: HostName) -> HostHands:
        terms = self.ground.terms
        facts = HostFacts(
            host=host,
            hypervisor_type="simulated",
            hypervisor_version=1_000_000,
            vcpus=terms.vcpus,
            ram_mb=terms.ram_mb,
            disk_gb=terms.disk_gb,
        )
        disks = SimulatedDisks(self.home / f"{host}.disks", self.ground.drivers, self.ground.door)
        return HostHands(disks, SimulatedHypervisor(facts, self.home / f"{host}.guests", self.ground.drivers))


class NetworkRole(Role):
    """A network node with a simulated network."""

    async def _begin(self) -> Sequence[Coroutine[Any, Any, None]]:
        network = SimulatedNetwork(self.home / "ports", self.ground.drivers)
        faults = NamedFaults("network", {}, self.home / "faults")
        self.node = NetworkNode(NodeName(self.name), network, faults, self._attempts())
        await self.bus.serve_queue("network", self.name, self.node.handlers())
        await self.bus.answer(ask_subject(self.name), "node", network_answers(self.node))
        return (keep_saying_hello(self.node, self.bus, asyncio.Event()),)


class VolumeRole(Role):
    """A volume node with simulated volumes."""

    async def _begin(self) -> Sequence[Coroutine[Any, Any, None]]:
        recorder = Recorder("volume", {})
        self._open_journal()
        store = SimulatedVolumes(self.home / "volumes", self.ground.drivers)
        watch = Together(recorder, self.ground.steps)
        faults = NamedFaults("volume", {}, self.home / "faults")
        self.node = VolumeNode(NodeName(self.name), store, self.bus, self.journal, recorder, watch, faults, self._attempts())
        self._has_begun = True
        self.node.resume()
        await self.bus.serve_queue("volume", self.name, self.node.handlers())
        await self.bus.answer(ask_subject(self.name), "node", volume_answers(self.node))
        return greet_as_volume_node(self.node, self.bus), self.node.reporter.run()

    async def bury(self) -> None:
        if self._has_begun:
            await self.node.stop()
        await super().bury()


class ControlRole(Role):
    """The API, the relay, the sweeper and the node's counterpart. The ledger is the database, and outlives it."""

    def __init__(self, name: str, ground: Ground, ledger: Ledger) -> None:
        super().__init__(name, ground)
        self.ledger = ledger
        self.client: FrontDoor

    def order_terms(self, now: float) -> OrderDesk:
        tickets = Tickets(b"0" * 32)
        limit_s = self.ground.terms.build_limit_s
        terms = self.ground.terms
        return OrderDesk(
            now=now,
            build_limit_s=limit_s,
            action_limit_s=limit_s if terms.action_limit_s is None else terms.action_limit_s,
            volume_limit_s=limit_s if terms.volume_limit_s is None else terms.volume_limit_s,
            reservation_limit_s=terms.reservation_limit_s,
            resize_confirm_window_s=terms.resize_confirm_window_s,
            ratios=Ratios(),
            ticket=tickets.issue,
            send_ticket=tickets.issue_write,
        )

    async def _begin(self) -> Sequence[Coroutine[Any, Any, None]]:
        ledger = self.ledger
        relay = Relay(ledger, self.bus)
        keeper = FabricKeeper(ledger, self.bus, time.time)
        ledger.on_orders = together(relay.wake, keeper.wake)
        desk = Desk(ledger, self.bus, relay, self.order_terms)
        node = ControlNode(NodeName(self.name), ledger, self.bus, self.order_terms)
        store = FileStore(self.ground.folder / "images")
        self.auditor = Repair(Means(ledger, self.bus, self.order_terms, time.time, store))
        internal = service(Tickets(b"0" * 32), self.auditor.audit, self.auditor.repair)
        app = self.ground.web(self.ground.folder, ledger, desk, [*self.ground.terms.services, internal], self.readiness)
        self.client = self.ground.door.client = self._front_door(app)
        sweeper = Sweeper(ledger, self.order_terms, 3600.0, self.ground.terms.send_again_after_s)
        tasks = [node.run(), relay.run(), keeper.run(), sweeper.run()]
        if self.ground.gates:  # elsewhere pauses are skipped and the clock is not: it would look without end
            tasks.append(keep_tidy(ledger, store))
        return tasks

    def _front_door(self, app: Application) -> FrontDoor:
        return FrontDoor(app, self.process, self.ground.on_the_way) if self.ground.gates else FrontDoor(app)

    async def readiness(self) -> dict[str, int]:
        hosts, network, volume = await self.ledger.read(
            lambda tx: (tx.hosts.hosts(), tx.hosts.network_node(time.time()), tx.hosts.volume_node(time.time()))
        )
        up = sum(host.up and host.enabled for host in hosts)
        return {"compute": up, "network": int(network is not None), "volume": int(volume is not None)}

    async def bury(self) -> None:
        self.client.close()
        await super().bury()
