"""What the steps on a compute node act with: its hosts' drivers, the way to the network node, the way to control."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from kilonova.build.needs import Disks, Hypervisor
from kilonova.build.report import BuildProgress, Report
from kilonova.bus.port import Bus, Parcel
from kilonova.bus.subjects import live_subject, queue
from kilonova.model.ids import HostName, NodeName, ServerId, new_uuid
from kilonova.model.span import Span
from kilonova.nodes.reporter import Reporter

Told = TypeVar("Told", bound=Struct)
ASK_AGAIN_S = 3.0


class HostHands(Struct, frozen=True):
    """The drivers of one host."""

    disks: Disks
    hypervisor: Hypervisor


class Live(Struct, frozen=True, kw_only=True):
    """How far something long is, for whoever watches just now."""

    server_id: ServerId
    what: str
    share: float


class ComputeHands:
    """A ComputeWorld (see build/needs.py)."""

    def __init__(
        self,
        node: NodeName,
        hosts: Mapping[HostName, HostHands],
        bus: Bus,
        reporter: Reporter,
        note: Callable[[tuple[ServerId, HostName], Span], None],
        network_limit_s: float,
    ) -> None:
        self._node, self._hosts, self._bus = node, hosts, bus
        self._reporter, self._note = reporter, note
        self._network_limit_s = network_limit_s
        self._last_words: dict[tuple[ServerId, HostName], Report] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def disks(self, host: HostName) -> Disks:
        return self._hosts[host].disks

    def hypervisor(self, host: HostName) -> Hypervisor:
        return self._hosts[host].hypervisor

    async def ask_network(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        return await self._ask(queue("network", node), message, answer)

    async def ask_volume(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        return await self._ask(queue("volume", node), message, answer)

    async def _ask(self, where: str, message: Struct, answer: type[Told]) -> Told:
        parcel = Parcel(queue=where, message=message, message_id=new_uuid())
        return await self._bus.put_and_wait(parcel, answer, timeout_s=self._network_limit_s, again_every_s=ASK_AGAIN_S)

    def tell(self, progress: BuildProgress) -> None:
        self._reporter.tell(progress)

    def keep(self, report: Report) -> None:
        self._last_words[report.server_id, report.host] = report

    def last_word(self, where: tuple[ServerId, HostName]) -> Report | None:
        return self._last_words.pop(where, None)

    def live(self, server_id: ServerId, what: str, share: float) -> None:
        live = Live(server_id=server_id, what=what, share=share)
        task = asyncio.create_task(self._bus.tell(live_subject(self._node, server_id), live))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    def note(self, where: tuple[ServerId, HostName], span: Span) -> None:
        self._note(where, span)
