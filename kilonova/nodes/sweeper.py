"""No state without a deadline: sends orders again that nobody answered, and ends what its time is over for."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import cache, partial

from kilonova.build.admit import OrderDesk, OrderWorld
from kilonova.build.giveup import end_overdue
from kilonova.build.record import Placed
from kilonova.build.volumes import volume_terms
from kilonova.errors import KilonovaError
from kilonova.ledger.ledger import Ledger
from kilonova.ledger.transaction import Transaction
from kilonova.lifecycle.actions import SERVER_ACTIONS
from kilonova.lifecycle.remove import end_overdue_removal
from kilonova.lifecycle.resize import confirm_undecided
from kilonova.lifecycle.task import Asked, end_overdue_task
from kilonova.lifecycle.volume_books import VolumeWorld
from kilonova.lifecycle.volume_ends import end_overdue as end_overdue_volume
from kilonova.lifecycle.volume_unended import end_snapshot, end_volume
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.server import Server

log = logging.getLogger(__name__)

EVERY_S = 1.0
SEND_AGAIN_AFTER_S = 30.0
PRUNE_EVERY_S = 600.0
LOOK_EVERY_S = 60.0
"""How often what has no order is looked through; more often where it has less than four times as long."""


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
        self._pruned_at = self._looked_at = time.time()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.sweep(time.time())
            except KilonovaError as error:
                log.warning("sweeper: %s", error, extra={"action": "sweep_again"})

    async def sweep(self, now: float) -> None:
        """Once. Asks first whether there is anything: an idle cloud writes nothing, and reads one row."""
        published_before = now - self._send_again_after_s
        due = await self._ledger.read(lambda tx: tx.orders.due(now, published_before))
        if due.over:
            await self._end_what_is_over(now)
        if due.silent:
            await self._ledger.write(partial(self._send_again, published_before))
        if due.leaving:
            await self._let_go_of_servers(now)
        await self._end_what_nobody_ends(now)
        if now - self._pruned_at > PRUNE_EVERY_S:
            self._pruned_at = now
            await self._ledger.write(partial(self._prune, now))

    async def _end_what_is_over(self, now: float) -> None:
        """Builds, actions, work on volumes and snapshots whose deadline has passed."""
        late, late_tasks, late_volumes, lost = await self._ledger.read(
            lambda tx: (
                tx.orders.overdue(now),
                tx.orders.overdue_tasks(now, SERVER_ACTIONS),
                tx.orders.overdue_volumes(now),
                tx.images.overdue_snapshots(now),
            )
        )
        for placed in late:
            await self._ledger.write(partial(self._end, placed, now))
        for name, task in late_tasks:
            await self._ledger.write(partial(self._end_task, name, task, now))
        for order in late_volumes:
            await self._ledger.write(partial(self._end_volume_work, order, now))
        for image_id in lost:
            await self._ledger.write(partial(self._fail_snapshot, image_id, now))

    async def _let_go_of_servers(self, now: float) -> None:
        """Those that their owner has deleted, and whose node has fallen silent since, or cannot finish."""
        limit_s = self._terms(now).action_limit_s

        def late(tx: Transaction) -> list[Server]:
            up = cache(lambda host: tx.hosts.is_up(host, now))  # a crowd of deletions is on few hosts
            return [one for one in tx.orders.leaving() if (one.updated_at or 0) < now - limit_s or not up(one.host or "")]

        for server in await self._ledger.read(late):
            await self._ledger.write(partial(self._let_go, server, now))

    async def _end_what_nobody_ends(self, now: float) -> None:
        """Reservations that nobody completed, statuses without an order, resizes that nobody decided."""
        desk = self._terms(now)
        limits = [limit for limit in (desk.reservation_limit_s, desk.resize_confirm_window_s) if limit > 0]
        if now - self._looked_at < min(LOOK_EVERY_S, *(limit / 4 for limit in limits)):
            return
        self._looked_at = now
        window_s = desk.resize_confirm_window_s
        unended, undecided = await self._ledger.read(
            lambda tx: (
                tx.volumes.unended(now - desk.reservation_limit_s),
                tx.migrations.undecided(now - window_s) if window_s > 0 else (),
            )
        )
        for volume_id in unended.volumes:
            await self._ledger.write(partial(self._end_volume, volume_id, now))
        for snapshot_id in unended.snapshots:
            await self._ledger.write(partial(self._end_volume_snapshot, snapshot_id, now))
        for server_id in undecided:
            await self._ledger.write(partial(self._confirm_resize, server_id, now))

    def _let_go(self, server: Server, now: float, tx: Transaction) -> None:
        end_overdue_removal(server, OrderWorld(tx, self._terms(now)))

    def _end_volume(self, volume_id: str, now: float, tx: Transaction) -> None:
        end_volume(volume_id, VolumeWorld(books=tx, terms=volume_terms(self._terms(now))))

    def _end_volume_snapshot(self, snapshot_id: str, now: float, tx: Transaction) -> None:
        end_snapshot(snapshot_id, VolumeWorld(books=tx, terms=volume_terms(self._terms(now))))

    def _confirm_resize(self, server_id: str, now: float, tx: Transaction) -> None:
        server = tx.servers.whatever(server_id)
        if server is not None and server.deleted_at is None:
            confirm_undecided(server, OrderWorld(tx, self._terms(now)))

    def _end(self, placed: Placed, now: float, tx: Transaction) -> None:
        if tx.orders.placed(placed.server_id) == placed:  # else it was answered, or deleted, since we looked
            end_overdue(placed, OrderWorld(tx, self._terms(now)))

    def _end_task(self, name: str, task: Asked, now: float, tx: Transaction) -> None:
        if tx.orders.task(task.task_id, SERVER_ACTIONS) is not None:
            end_overdue_task(task, SERVER_ACTIONS[name], OrderWorld(tx, self._terms(now)))

    def _end_volume_work(self, order: VolumeOrder, now: float, tx: Transaction) -> None:
        end_overdue_volume(order, VolumeWorld(books=tx, terms=volume_terms(self._terms(now))))

    def _fail_snapshot(self, image_id: str, now: float, tx: Transaction) -> None:
        tx.images.fail_snapshot(image_id, now)

    def _send_again(self, published_before: float, tx: Transaction) -> None:
        tx.orders.send_again(published_before)

    def _prune(self, now: float, tx: Transaction) -> None:
        tx.actions.forget_before(now - self._traces_kept_s)
