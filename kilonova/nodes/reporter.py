"""A node's reports on their way to control: hints as they come, last words until control has confirmed them.

While one batch is under way the next one gathers, so a busy node sends few, large ones.
"""

import asyncio
import logging
import time

import msgspec
from msgspec import Struct

from kilonova.build.report import BuildProgress, Confirmed, Report, ReportBatch
from kilonova.bus.port import Bus
from kilonova.bus.subjects import report_subject
from kilonova.errors import KilonovaError
from kilonova.model.ids import NodeName, ServerId
from kilonova.saga import Journal

log = logging.getLogger(__name__)

BATCH = 200
ANSWER_WITHIN_S = 5.0
PAUSE_S = 0.2
"""Before trying again when control did not confirm."""


class Reporter:
    """`tell` and `wake` never wait; `run` is the task that sends."""

    def __init__(self, node: NodeName, bus: Bus, journal: Journal) -> None:
        self._node, self._bus, self._journal = node, bus, journal
        self._progress: dict[ServerId, BuildProgress] = {}
        self._something = asyncio.Event()
        self._something.set()

    def tell(self, progress: BuildProgress) -> None:
        self._progress[progress.server_id] = progress
        self._something.set()

    def wake(self) -> None:
        """The journal has a new last word."""
        self._something.set()

    async def run(self) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            while await self._send_what_there_is():
                pass

    async def _send_what_there_is(self) -> bool:
        """True when there may be more."""
        rows = self._journal.reports(BATCH)
        batch = self._batch([body for _, body in rows])
        if batch is None:
            return False
        if rows:
            # Without power a node must not take back, as overdue, what control believes to be done: one wait for all of a batch.
            self._journal.settle()
        try:
            await self._bus.ask(report_subject(self._node), batch, ANSWER_WITHIN_S, Confirmed)
        except KilonovaError as error:
            log.warning("control did not confirm: %s", error, extra={"action": "report_kept"})
            await asyncio.sleep(PAUSE_S)
            return True
        if rows:
            self._journal.drop_reports(rows)
        return len(rows) == BATCH or self._something.is_set()

    def _batch(self, bodies: list[bytes]) -> Struct | None:
        """Last words as the journal has them, with the hints there are beside them; None when there is nothing to say."""
        words = [msgspec.msgpack.decode(body, type=Report) for body in bodies]
        spoken_for = {word.server_id for word in words}
        hints = [p for server_id, p in self._progress.items() if server_id not in spoken_for]
        self._progress.clear()
        return ReportBatch(node=self._node, reports=(*hints, *words)) if words or hints else None

    async def drain(self, limit_s: float) -> None:
        """Give everything to control before the process ends, if it can be had within `limit_s` seconds."""
        until = time.monotonic() + limit_s
        while self._journal.reports(1) and time.monotonic() < until:
            self._something.set()
            await asyncio.sleep(0.05)
