"""What the steps on a compute node act with: its hosts' drivers, the way to the network node, the way to control."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import Struct

from kilonova.build.needs import Disks, Hypervisor
from kilonova.build.report import BuildProgress, Report
from kilonova.bus.port import Bus, Parcel
from kilonova.bus.subjects import live_subject, queue
from kilonova.model.ids import HostName, NodeName, ServerId, new_uuid
from kilonova.model.span import Span
from kilonova.model.volume_link import VolumeLink
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


@dataclass
class ComputeHands:
    """A ComputeWorld (see build/needs.py)."""

    node: NodeName
    hosts: Mapping[HostName, HostHands]
    bus: Bus
    reporter: Reporter
    note: Callable[[tuple[ServerId, HostName], Span], None]
    number_of_wish: Callable[[int], int]
    has_ended: Callable[[VolumeLink], bool]
    network_limit_s: float
    _last_words: dict[tuple[ServerId, HostName], Report] = field(default_factory=dict)
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    def disks(self, host: HostName) -> Disks:
        return self.hosts[host].disks

    def hypervisor(self, host: HostName) -> Hypervisor:
        return self.hosts[host].hypervisor

    async def ask_network(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        return await self._ask(queue("network", node), message, answer)

    async def ask_volume(self, node: NodeName, message: Struct, answer: type[Told]) -> Told:
        return await self._ask(queue("volume", node), message, answer)

    async def _ask(self, where: str, message: Struct, answer: type[Told]) -> Told:
        parcel = Parcel(queue=where, message=message, message_id=new_uuid())
        return await self.bus.put_and_wait(parcel, answer, timeout_s=self.network_limit_s, again_every_s=ASK_AGAIN_S)

    def tell(self, progress: BuildProgress) -> None:
        self.reporter.tell(progress)

    def keep(self, report: Report) -> None:
        self._last_words[report.server_id, report.host] = report

    def last_word(self, where: tuple[ServerId, HostName]) -> Report | None:
        return self._last_words.pop(where, None)

    def live(self, server_id: ServerId, what: str, share: float) -> None:
        live = Live(server_id=server_id, what=what, share=share)
        task = asyncio.create_task(self.bus.tell(live_subject(self.node, server_id), live))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
