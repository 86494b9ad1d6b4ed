"""Control's side of the nodes: their reports become ledger, their inventories are compared, their queues are there."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.giveup import give_up_or_try_elsewhere
from kilonova.build.report import (
    BuildProgress,
    Confirmed,
    Report,
    ReportBatch,
    ServerGone,
    ServerNotBuilt,
    ServerRuns,
    TaskDone,
    TaskFailed,
)
from kilonova.build.start import announce_running, note_progress
from kilonova.build.volumes import volume_terms
from kilonova.bus.port import Answerers, Bus, Delivery
from kilonova.bus.subjects import CONTROL, sender
from kilonova.errors import Forbidden, Unavailable
from kilonova.ledger.each import write_each
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.interfaces import order_out_after_build
from kilonova.lifecycle.inventory import Hello, Welcome, compare
from kilonova.lifecycle.remove import note_gone
from kilonova.lifecycle.task import note_task
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_ends import note_volume_work
from kilonova.lifecycle.volume_work import VolumeReports, VolumeWorkDone
from kilonova.model.ids import NodeName
from kilonova.saga.faults import Faults, no_faults

log = logging.getLogger(__name__)

HEARTBEAT_S = 20.0
HEARTBEAT_AGAIN_S = 1.0
QUEUES_AGAIN_S = 0.5


def note_running(report: ServerRuns, world: OrderWorld) -> None:
    if (built := announce_running(report, world)) is not None:
        order_out_after_build(built, world)


def note_action(report: TaskDone | TaskFailed, world: OrderWorld) -> None:
    note_task(report, SERVER_ACTIONS, world)


WHO_NOTES: Mapping[type[Report], Callable[..., None]] = {
    BuildProgress: note_progress,
    ServerRuns: note_running,
    ServerNotBuilt: give_up_or_try_elsewhere,
    ServerGone: note_gone,
    TaskDone: note_action,
    TaskFailed: note_action,
}
"""Which function of the story takes which report."""


@dataclass
class ControlNode:
    """`run` serves until it is cancelled."""

    name: NodeName
    ledger: Ledger
    bus: Bus
    terms: Callable[[float], OrderDesk]
    faults: Faults = field(default_factory=lambda: no_faults("control"))

    def answerers(self) -> Answerers:
        return {ReportBatch: self.take_reports, VolumeReports: self.take_volume_reports, Hello: self.greet}

    async def run(self) -> None:
        await self.bus.ensure_streams(self._send_all_again)
        while True:
            try:
                await self._ensure_known_queues()
                break
            except Unavailable as error:  # it may start while the database does not answer, and nobody would hear the nodes then
                log.warning("queues: %s", error, extra={"action": "queues_again"})
                await asyncio.sleep(QUEUES_AGAIN_S)
        await self.bus.answer("report.*", CONTROL, self.answerers())
        while True:
            try:
                await self.bus.reach_broker()  # else it hears no node, and would take that for their silence
                await self.ledger.write(lambda tx: tx.hosts.listens(self.name, time.time()))
                await asyncio.sleep(HEARTBEAT_S)
            except Unavailable as error:  # a database that is started anew must not take every request's process along
                log.warning("heartbeat: %s", error, extra={"action": "heartbeat_again"})
                await asyncio.sleep(HEARTBEAT_AGAIN_S)

    async def take_reports(self, batch: ReportBatch, delivery: Delivery) -> Confirmed:
        """One transaction for all a node had to say; a node can speak only for its own hosts."""
        node = _speaker(batch.node, delivery)

        def write(reports: Sequence[Report], tx: Transaction) -> None:
            own = set(tx.hosts.of_node(node))
            world = OrderWorld(tx, self.terms(time.time()))
            for report in reports:
                if report.host not in own:
                    raise Forbidden("A node may report only on its own hosts.")
                WHO_NOTES[type(report)](report, world)

        point = f"control.{type(batch.reports[-1]).__name__}"  # hints come first, so a last word gives the point its name
        await self.faults.at(f"{point}.before")
        await write_each(self.ledger, batch.reports, write)
        await self.faults.at(f"{point}.after")
        return Confirmed(count=len(batch.reports))

    async def take_volume_reports(self, batch: VolumeReports, delivery: Delivery) -> Confirmed:
        """One transaction for all a volume node had to say; a node can speak only for itself, of volumes it keeps."""
        node = _speaker(batch.node, delivery)

        def write(reports: Sequence[VolumeWorkDone], tx: Transaction) -> None:
            world = VolumeWorld(books=tx, terms=volume_terms(self.terms(time.time())))
            for done in reports:
                volume = tx.volumes.volumes.or_none(done.volume_id)
                if done.node != node or (volume is not None and volume.node != node):
                    raise Forbidden("A node may report only on its own volumes.")
                note_volume_work(done, world)

        await self.faults.at("control.VolumeWorkDone.before")
        await write_each(self.ledger, batch.reports, write)
        await self.faults.at("control.VolumeWorkDone.after")
        return Confirmed(count=len(batch.reports))

    async def greet(self, hello: Hello, delivery: Delivery) -> Welcome:
        """What a node has is compared with what the ledger says; its queues are made before it is welcomed."""
        node = _speaker(hello.node, delivery)

        def write(tx: Transaction) -> Welcome:
            for host in hello.hosts:
                if (owner := tx.hosts.node_of(host.facts.host)) not in (None, node):
                    raise Forbidden(f"The host belongs to another node than {owner}.")
            welcome = compare(hello, OrderWorld(tx, self.terms(time.time())), tx.orders.open_servers())
            if hello.known is not None and tx.hosts.network_node(time.time()) == node:
                tx.fabric.known_is(node, hello.known)
            return welcome

        if not hello.first:
            # By itself: on a busy PostgreSQL the comparison, which looks at all orders, loses its races for long, and a node that
            # was not heard of gets no servers.
            await self.ledger.write(lambda tx: tx.hosts.heard_of(node, hello.role, time.time()))
        welcome = await self.ledger.write(write)
        if hello.first:
            await self._open_queues(hello)
        if welcome.unknown:
            log.warning("nobody knows %s", ", ".join(welcome.unknown), extra={"action": "unknown_server"})
        return welcome

    async def _open_queues(self, hello: Hello) -> None:
        """Made anew, so that what an earlier process took and did not finish comes again at once."""
        if hello.role in ("network", "volume"):
            await self.bus.redeliver("network" if hello.role == "network" else "volume", hello.node)
            return
        await asyncio.gather(*(self.bus.redeliver("compute", host.facts.host) for host in hello.hosts))

    async def _send_all_again(self) -> None:
        """The broker has come back with nothing: only the ledger still has the orders that nobody has answered."""
        count = await self.ledger.write(lambda tx: tx.orders.send_again(time.time()))
        if count:
            log.warning("%s orders go out again: the broker has lost them", count, extra={"action": "send_all_again"})

    async def _ensure_known_queues(self) -> None:
        """After a restart of control, or with a broker that has lost everything: every queue there should be."""
        hosts, nodes = await self.ledger.read(lambda tx: (tx.hosts.hosts(), tx.hosts.nodes()))
        await asyncio.gather(
            *(self.bus.ensure_queue("compute", host.name) for host in hosts),
            *(self.bus.ensure_queue("network", name) for name, role in nodes if role == "network"),
            *(self.bus.ensure_queue("volume", name) for name, role in nodes if role == "volume"),
        )


def _speaker(claimed: NodeName, delivery: Delivery) -> NodeName:
    """The broker lets a node publish only under its own name; what the message says must agree."""
    if sender(delivery.subject) != claimed:
        raise Forbidden("A node may speak only for itself.")
    return claimed
