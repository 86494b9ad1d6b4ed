"""One repair: find, mend, wait until things have settled, find again. What each finding needs stands in the files beside this."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct, structs

from kilonova.api.image.needs import ImageStore
from kilonova.api.image.recover import recover
from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.bus.port import Bus
from kilonova.bus.queues import WithQueues
from kilonova.bus.subjects import QueueKind, ask_subject, queue
from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.audit.asking import NodeInventory, Tidied
from kilonova.lifecycle.audit.finding import AuditReport, Finding, Mended, RepairReport
from kilonova.lifecycle.audit.kinds import KINDS
from kilonova.lifecycle.inventory import Welcome
from kilonova.model.ids import new_uuid
from kilonova.nodes.audit import Auditor, Seen, report
from kilonova.nodes.audit_images import YOUNG_S, ImageAudit
from kilonova.nodes.repair import at_nodes
from kilonova.nodes.repair.at_nodes import AT_NODES, Errand
from kilonova.nodes.repair.case import Case, LeftAlone, Mend
from kilonova.nodes.repair.networks import NETWORKS
from kilonova.nodes.repair.servers import SERVERS
from kilonova.nodes.repair.volumes import VOLUMES
from kilonova.nodes.sweeper import Sweeper

log = logging.getLogger(__name__)

IN_LEDGER: dict[str, Mend] = {**SERVERS, **NETWORKS, **VOLUMES}
IMAGES = ("bytes without image", "upload of nobody")
QUEUES = ("queue of nobody", "queue without reader")
PASSES = 3
"""What is mended may show what it has hidden: that is mended as well, so many times."""
SETTLED_WITHIN_S = 30.0
ANSWER_WITHIN_S = 30.0
LOOK_EVERY_S = 0.2


class Means(Struct, frozen=True):
    """What a repair acts with. `store`: where the bytes of images are."""

    ledger: Ledger
    bus: Bus
    terms: Callable[[float], OrderDesk]
    now: Callable[[], float]
    store: ImageStore


class Repair:
    """On control; one at a time."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._auditor = Auditor(means.ledger, means.bus, means.now, ImageAudit(means.store))
        self._turn = asyncio.Lock()

    async def audit(self) -> AuditReport:
        """What it would begin with."""
        return await self._auditor.audit()

    async def repair(self, unknown: bool = False) -> RepairReport:
        """`unknown`: what nodes have and the ledger never heard of goes too. Within a minute or two; can be asked for again."""
        async with self._turn:
            before = seen = await self._auditor.sure()
            done: dict[tuple[str, str, str], Mended] = {}
            for _ in range(PASSES):
                todo = [finding for finding in seen.findings if not (known := done.get(finding.name)) or not known.done]
                if not todo:
                    break
                words = await self._mend(seen, todo, unknown)
                for word in words:
                    done[word.kind, word.about, word.host] = word
                    log.warning("repair: %s %s: %s", word.kind, word.about, word.text, extra={"action": "repair"})
                seen = await self._settled([word for word in words if word.done])
                if not any(word.done for word in words):
                    break
            return RepairReport(before=report(before), mended=tuple(done.values()), after=report(seen))

    async def _settled(self, done: Sequence[Mended]) -> Seen:
        """As soon as what was done shows, and nothing is under way for it any more; at the latest after a while."""
        clock = asyncio.get_running_loop()
        until = clock.time() + SETTLED_WITHIN_S
        names, touched = {(word.kind, word.about, word.host) for word in done}, {word.about for word in done}
        while True:
            seen = await self._auditor.sure()
            moving = {name.rpartition("/")[2] for name in seen.in_motion}  # plans are ``router/ID``
            shows = not names & {finding.name for finding in seen.findings} and not touched & moving
            if shows or clock.time() > until:
                return seen
            await asyncio.sleep(LOOK_EVERY_S)

    async def _mend(self, seen: Seen, todo: Sequence[Finding], unknown: bool) -> list[Mended]:
        """Nodes first: an address or a name is free only once nobody uses it."""
        at_first = [finding for finding in todo if finding.kind in AT_NODES]
        words = await self._at_nodes(seen, at_first, unknown) if at_first else []
        if any(word.done for word in words):
            return words  # the rest is looked at again once this is over
        for finding in todo:
            if finding.kind in AT_NODES:
                continue
            try:
                text, done = await self._one(seen, finding, unknown), True
            except KilonovaError as reason:
                text, done = str(reason), False
            words.append(_said(finding, done, text))
        return words

    async def _one(self, seen: Seen, finding: Finding, unknown: bool) -> str:
        if (mend := IN_LEDGER.get(finding.kind)) is not None:
            return await self._means.ledger.write(partial(self._in_ledger, mend, finding, seen, unknown))
        if finding.kind in QUEUES:
            return await self._queue(finding)
        if finding.kind in IMAGES:
            await recover(self._means.ledger, self._means.store, self._means.now() - YOUNG_S)
            return "it is as after a start of control"
        if finding.kind == "order overdue":
            await Sweeper(self._means.ledger, self._means.terms, math.inf).sweep(self._means.now())
            return "it is ended, as at its deadline"
        raise LeftAlone(KINDS[finding.kind].means)

    def _in_ledger(self, mend: Mend, finding: Finding, seen: Seen, unknown: bool, tx: Transaction) -> str:
        return mend(Case(finding, seen, tx, OrderWorld(tx, self._means.terms(self._means.now())), unknown))

    async def _queue(self, finding: Finding) -> str:
        bus = self._means.bus
        if not isinstance(bus, WithQueues):
            raise LeftAlone("the broker cannot be asked")
        if finding.kind == "queue of nobody":
            await bus.drop_queue(finding.about)
            return "it is gone, with what was in it"
        kind, name = _queue_of(finding)
        await bus.ensure_queue(kind, name)
        return "it is there again"

    async def _at_nodes(self, seen: Seen, todo: Sequence[Finding], unknown: bool) -> list[Mended]:
        errands = [Errand(told, await self._means.ledger.write(partial(self._greet, told))) for told in seen.told]
        words: list[Mended] = []
        for finding in todo:
            try:
                errand = at_nodes.errand_of(finding, errands)
                words.append(_said(finding, True, at_nodes.add(finding, errand, seen, unknown)))
            except LeftAlone as reason:
                words.append(_said(finding, False, str(reason)))
        failed = {name: why for errand in errands for name, why in (await self._send(errand)).items()}
        return [_failed(word, failed) for word in words]

    def _greet(self, told: NodeInventory, tx: Transaction) -> Welcome:
        return at_nodes.greet(told, tx, OrderWorld(tx, self._means.terms(self._means.now())))

    async def _send(self, errand: Errand) -> dict[str, str]:
        """What could not be done: id or node → why."""
        tidy = errand.message()
        try:
            for removal in errand.removals:
                await self._means.bus.put(queue("compute", removal.host), removal, message_id=new_uuid())
            if tidy is None:
                return {}
            answer = await self._means.bus.ask(ask_subject(errand.node.node), tidy, ANSWER_WITHIN_S, Tidied)
        except KilonovaError as error:
            return {errand.node.node: str(error)}
        return answer.failed


def _said(finding: Finding, done: bool, text: str) -> Mended:
    return Mended(kind=finding.kind, about=finding.about, host=finding.host, done=done, text=text)


def _failed(word: Mended, failed: dict[str, str]) -> Mended:
    why = failed.get(word.about) or failed.get(word.host)
    return word if why is None or not word.done else structs.replace(word, done=False, text=why)


def _queue_of(finding: Finding) -> tuple[QueueKind, str]:
    """From the finding's host, which is the queue's host or node."""
    kind = finding.about.partition("-")[0]
    if kind == "compute":
        return "compute", finding.host
    return ("network" if kind == "network" else "volume"), finding.host
