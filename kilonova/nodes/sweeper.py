"""No state without a deadline: sends orders again that nobody answered, and ends builds and snapshots whose time is over."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.giveup import end_overdue
from kilonova.build.record import Placed
from kilonova.build.volumes import volume_terms
from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.task import Asked, end_overdue_task
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_ends import end_overdue as end_overdue_volume
from kilonova.lifecycle.volume_work import VolumeOrder

log = logging.getLogger(__name__)

EVERY_S = 1.0
SEND_AGAIN_AFTER_S = 30.0
PRUNE_EVERY_S = 600.0


class Sweeper:
    """`run` is the task. `traces_kept_s`: how long what happened to a server can be told."""

    def __init__(
        self,
        ledger: Ledger,
        terms: Callable[[float], OrderDesk],
        traces_kept_s: float,
        send_again_after_s: float = SEND_AGAIN_AFTER_S,
    ) -> None:
        self._ledger, self._terms, self._traces_kept_s = ledger, terms, traces_kept_s
        self._send_again_after_s = send_again_after_s
        self._pruned_at = time.time()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.sweep(time.time())
            except KilonovaError as error:
                log.warning("sweeper: %s", error, extra={"action": "sweep_again"})

    async def sweep(self, now: float) -> None:
        """Once. Looks first, so that an idle cloud writes nothing."""
        (late, late_tasks, late_volumes), silent, lost = await self._ledger.read(
            lambda tx: (
                (tx.orders.overdue(now), tx.orders.overdue_tasks(now, SERVER_ACTIONS), tx.orders.overdue_volumes(now)),
                tx.orders.silent_since(now - self._send_again_after_s),
                tx.images.overdue_snapshots(now),
            )
        )
        for placed in late:
            await self._ledger.write(partial(self._end, placed, now))
        for name, task in late_tasks:
            await self._ledger.write(partial(self._end_task, name, task, now))
        for order in late_volumes:
            await self._ledger.write(partial(self._end_volume_work, order, now))
        if silent:
            await self._ledger.write(lambda tx: tx.orders.send_again(now - self._send_again_after_s))
        for image_id in lost:
            await self._ledger.write(partial(self._fail_snapshot, image_id, now))
        if now - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = now
            await self._ledger.write(lambda tx: self._prune(tx, now))

    def _end(self, placed: Placed, now: float, tx: Transaction) -> None:
        end_overdue(placed, OrderWorld(tx, self._terms(now)))

    def _end_task(self, name: str, task: Asked, now: float, tx: Transaction) -> None:
        end_overdue_task(task, SERVER_ACTIONS[name], OrderWorld(tx, self._terms(now)))

    def _end_volume_work(self, order: VolumeOrder, now: float, tx: Transaction) -> None:
        end_overdue_volume(order, VolumeWorld(books=tx, terms=volume_terms(self._terms(now))))

    def _fail_snapshot(self, image_id: str, now: float, tx: Transaction) -> None:
        tx.images.fail_snapshot(image_id, now)

    def _prune(self, tx: Transaction, now: float) -> None:
        tx.actions.forget_before(now - self._traces_kept_s)
