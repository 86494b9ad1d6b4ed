"""Whether a simulated cloud has kept its promises: at rest by `check`, at every moment by a `Watcher`.

It takes nobody's word: sums are made from rows, states from histories, and both are held against what the drivers have.
"""

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from sqlalchemy import bindparam, or_, select

from kilonova.drivers.hypervisor.simulated import SimulatedHypervisor
from kilonova.ledger.hosts import hosts
from kilonova.ledger.orders import orders
from kilonova.ledger.routing.tables import fabric as plans_of
from kilonova.ledger.transaction import Transaction
from kilonova.model.ids import ServerId
from kilonova.model.quota import UNLIMITED
from kilonova.sim.checks import books, emptying, fabric, hands, histories, quotas, servers, storage
from kilonova.sim.checks.view import View, look
from kilonova.sim.cloud import REAL_LIMIT_S, SimulatedCloud
from kilonova.sim.database import InlineLedger
from kilonova.sim.operations.promise import Violation, violation
from kilonova.sim.workload import Workload

FIRST_PAUSE_S, GROWS, LONGEST_PAUSE_S = 0.1, 1.3, 10.0

REST_WITHIN_S = 1200.0
"""Loop time in which everything must have come to its end: the longest deadline, and the sweeper's time."""
_UNCONFIRMED = select(plans_of.c.kind, plans_of.c.id).where(plans_of.c.settled.is_(False), plans_of.c.kind != "server")


async def check(cloud: SimulatedCloud, workload: Workload, rest_within_s: float = REST_WITHIN_S) -> list[Violation]:
    """At rest, after everything has healed; it ends with an empty cloud, by the API, as an operator would make it."""
    found = list(workload.violations)
    found += await _rest(cloud, rest_within_s)
    found += judged(await look(cloud), workload)
    if found:
        return found
    end = emptying.Emptying(cloud, lambda: _rest(cloud, rest_within_s))
    view = await end.run()
    made = cloud.furnished
    return [*end.violations, *emptying.left(view, made.network_id, made.image_id), *histories.gaps(view, workload.scene.promises)]


def judged(view: View, workload: Workload) -> list[Violation]:
    """Everything that one moment's view shows to be wrong."""
    promises = workload.scene.promises
    found = [*servers.adopt(view, promises), *servers.broken_promises(view, promises), *histories.gaps(view, promises)]
    found += [*books.out_of_balance(view), *hands.misfits(view), *quotas.drift(view)]
    return [*found, *storage.misfits(view, promises), *fabric.misfits(view, promises)]


async def _rest(cloud: SimulatedCloud, within_s: float) -> list[Violation]:
    """Looks ever more rarely: what has not ended soon waits for a deadline."""
    loop = asyncio.get_running_loop()
    end, real_end, pause_s = loop.time() + within_s, time.monotonic() + REAL_LIMIT_S, FIRST_PAUSE_S
    while True:
        moving = await _moving(cloud)
        findings = [] if moving else await cloud.audit()
        moving = moving or await _moving(cloud)
        if not moving and not findings:
            return []
        if loop.time() > end and time.monotonic() > real_end:
            found = [violation(f"audit: {one.kind}", one.about, one.text, one.host) for one in findings]
            return found or [violation("restless", name, "it does not come to an end") for name in moving]
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * GROWS, LONGEST_PAUSE_S)


async def _moving(cloud: SimulatedCloud) -> list[str]:
    """Whatever something is under way for: an order, a saga on a node, a plan that the network node has not confirmed.

    Also a node that control has not heard of since it came back: an audit asks only those it knows to be there.
    """
    ordered, plans = await cloud.ledger.read(
        lambda tx: (tx.orders.open_servers(), [f"{row.kind}/{row.id}" for row in tx.connection.execute(_UNCONFIRMED)])
    )
    sagas = [str(name) for role in cloud.computes.values() if role.alive for name in role.node.working_on()]
    kept = [str(name) for name in cloud.volume.node.working_on()] if cloud.volume.alive else []
    ready = await cloud.control.readiness()
    all_heard = ready["compute"] == sum(len(role.hosts) for role in cloud.computes.values()) and all(ready.values())
    return sorted({*ordered, *plans, *sagas, *kept, *(() if all_heard else ("a node that is not heard of",))})


EVERY_S = 0.05
LEDGER_EVERY = 10
"""So many looks at the drivers come before one at the ledger."""
IDLE_S = 5.0
"""A ledger that nothing was written to is looked at so often: only deadlines pass there."""
LATE_S = 15.0
"""How long after its deadline something may still be under way while control is well: the sweeper's period, unequal clocks."""
COUNTED = ("instances", "cores", "ram")
_LATE = select(orders.c.server_id, orders.c.kind, orders.c.message, orders.c.deadline).where(
    orders.c.deadline < bindparam("before")
)
_LIMITS_SET = "SELECT name, changes FROM quota_classes UNION ALL SELECT project_id, changes FROM quotas"
"""All that limits come from, as it lies in the database."""
_USED = (hosts.c.vcpus_used, hosts.c.ram_mb_used, hosts.c.disk_gb_used, hosts.c.servers)
_IN_DEBT = select(hosts.c.name, *_USED).where(or_(*(used < 0 for used in _USED)))


class Watcher:
    """Looks while things happen, and keeps what it has seen in `violations`, each once.

    At a ledger with threads of its own it does not look: what it would see there is over when it is judged.
    """

    def __init__(self, cloud: SimulatedCloud, workload: Workload) -> None:
        self._cloud, self._workload = cloud, workload
        self._unwell_at = asyncio.get_running_loop().time()
        self._limits: dict[str, Mapping[str, int]] = {}
        self._used: dict[str, Mapping[str, int]] = {}
        self._ledger = cloud.ledger if isinstance(cloud.ledger, InlineLedger) else None
        self._limits_set: list[object] = []
        if self._ledger is not None:
            self._limits_set = self._ledger.rows(_LIMITS_SET)
            self._ledger.on_written = partial(self._look_at_limits, self._ledger)
        self._seen_changes, self._seen_at = -1, 0.0
        self._seen: dict[tuple[str, str], Violation] = {}

    @property
    def violations(self) -> list[Violation]:
        return list(self._seen.values())

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            for _ in range(LEDGER_EVERY):
                await self.look_at_guests()
                await asyncio.sleep(EVERY_S)
            await self.look_at_ledger()

    async def look_at_guests(self) -> None:
        """Never two guests of one server, over all hosts. One that is off, for want of power, say, only waits to be forgotten."""
        there = [
            (host, hands_of.hypervisor) for role in self._cloud.computes.values() for host, hands_of in role.node.hosts.items()
        ]
        seen: dict[ServerId, tuple[str, SimulatedHypervisor]] = {}
        for host, hypervisor in there:
            assert isinstance(hypervisor, SimulatedHypervisor)
            twice = () if seen.keys().isdisjoint(hypervisor.ids()) else sorted(seen.keys() & hypervisor.ids())
            off = {server_id for server_id in twice if not _is_on(hypervisor, server_id)}
            for server_id in twice:
                if server_id not in off and _is_on(seen[server_id][1], server_id):
                    self._note("two guests", server_id, f"it has a guest on {seen[server_id][0]}, and one on {host}")
            seen |= dict.fromkeys(hypervisor.ids() - off, (host, hypervisor))

    async def look_at_ledger(self) -> None:
        """Quotas are not passed, counters not negative, and no build, action or work on a volume outlasts its deadline."""
        ledger, loop_now = self._ledger, asyncio.get_running_loop().time()
        if ledger is None:
            return
        if self._workload.scene.excused():
            self._unwell_at = loop_now
        if ledger.changes == self._seen_changes and loop_now - self._seen_at < IDLE_S:
            return
        self._seen_changes, self._seen_at = ledger.changes, loop_now
        await ledger.read(lambda tx: self._look(tx, time.time(), loop_now - self._unwell_at))

    def _look(self, tx: Transaction, now: float, well_for_s: float) -> None:
        for order in tx.connection.execute(_LATE, {"before": now - LATE_S}):
            late_s = min(now - order.deadline, well_for_s)
            if late_s > LATE_S:
                text = f"{order.kind} {order.message} is under way {late_s:.0f} s after its deadline"
                self._note("deadline", order.server_id, text)
        for row in tx.connection.execute(_IN_DEBT):
            self._note("host counters", row.name, f"less than nothing is used of it: {row}")
        self._quotas(tx)

    def _look_at_limits(self, ledger: InlineLedger) -> None:
        """After each commit. What the old limits allowed is judged when they end: between two looks they may change twice."""
        limits_set = ledger.rows(_LIMITS_SET)
        if limits_set != self._limits_set:
            self._limits_set = limits_set
            ledger.look(self._quotas)

    def _quotas(self, tx: Transaction) -> None:
        for tenant in self._workload.scene.tenants:
            self._quota(tx, tenant.project_id)

    def _quota(self, tx: Transaction, project: str) -> None:
        """Usage may be above a limit that was lowered since; it may not grow there."""
        limits, used = tx.quotas.limits(project), tx.quotas.usage(project)
        most = {"instances": limits.instances, "cores": limits.cores, "ram": limits.ram}
        is_so = {"instances": used.instances, "cores": used.cores, "ram": used.ram}
        until_now, before = self._limits.get(project, most), self._used.get(project, is_so)
        for word in COUNTED:
            if until_now[word] != UNLIMITED and is_so[word] > max(until_now[word], before[word]):
                text = f"{is_so[word]} {word} are used, {before[word]} were, and at most {until_now[word]} were allowed"
                self._note("quota", project, text)
        self._limits[project], self._used[project] = most, is_so

    def _note(self, kind: str, about: str, text: str) -> None:
        self._seen.setdefault((kind, about), violation(kind, about, text))


def _is_on(hypervisor: SimulatedHypervisor, server_id: ServerId) -> bool:
    return hypervisor.power(server_id) in ("running", "paused")
