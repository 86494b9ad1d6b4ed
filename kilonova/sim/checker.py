"""Whether a simulated cloud has kept its promises: at rest by `check`, at every moment by a `Watcher`.

It takes nobody's word: sums are made from rows, states from histories, and both are held against what the drivers have.
"""

import asyncio
from collections.abc import Iterator

from kilonova.sim.checks import books, hands, histories, servers
from kilonova.sim.checks.view import View, look
from kilonova.sim.cloud import SimulatedCloud
from kilonova.sim.operations.promise import Violation, violation
from kilonova.sim.workload import Workload

REST_WITHIN_S = 1200.0
"""Loop time in which everything must have come to its end: the longest deadline, and the sweeper's time."""


async def check(cloud: SimulatedCloud, workload: Workload, rest_within_s: float = REST_WITHIN_S) -> list[Violation]:
    """At rest, after everything has healed; it ends with an empty cloud, by the API, as an operator would make it."""
    found = list(workload.violations)
    found += [violation(f"audit: {one.kind}", one.about, one.text, one.host) for one in await cloud.clean(rest_within_s)]
    found += judged(await look(cloud), workload)
    if not found:
        found += await _end(cloud, workload, rest_within_s)
    return found


def judged(view: View, workload: Workload) -> list[Violation]:
    """Everything that one moment's view shows to be wrong."""
    promises = workload.scene.promises
    found = [*servers.adopt(view, promises), *servers.broken_promises(view, promises)]
    return [*found, *books.out_of_balance(view), *hands.misfits(view), *histories.gaps(view, promises)]


async def _end(cloud: SimulatedCloud, workload: Workload, rest_within_s: float) -> list[Violation]:
    for promise in workload.scene.promises.of("server"):
        answer = await cloud.send("DELETE", f"/compute/v2.1/servers/{promise.id}")
        if answer.status_code not in (204, 404):
            return [violation("answer", promise.id, f"an admin's DELETE was answered {answer.status_code}", answer.text)]
        promise.deleted = "yes"
    found = [violation(f"audit: {one.kind}", one.about, one.text, one.host) for one in await cloud.clean(rest_within_s)]
    view = await look(cloud)
    return [*found, *judged(view, workload), *_left(view)]


def _left(view: View) -> Iterator[Violation]:
    """When all is deleted, nothing at all is left."""
    things = {
        "guests": view.guests,
        "disks": view.disks,
        "wires": view.wires,
        "volume files": view.files,
        "exports": view.exports,
        "claims": view.rows["claims"],
        "orders": view.rows["orders"],
    }
    for name, there in things.items():
        if there:
            yield violation("left", name, f"everything is deleted, and {len(there)} {name} are there", there)


class Watcher:
    """Looks while things happen: `look` at the drivers is cheap, `run` does it again and again."""

    def __init__(self, cloud: SimulatedCloud, workload: Workload) -> None:
        self._cloud, self._workload = cloud, workload
        self.violations: list[Violation] = []

    async def run(self, every_s: float = 0.05) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """Never two guests for one server."""
        seen: dict[str, str] = {}
        for role in self._cloud.computes.values():
            for host, hands_of in role.node.hosts.items():
                for server_id in await hands_of.hypervisor.guests():
                    if server_id in seen:
                        text = f"it has a guest on {seen[server_id]}, and one on {host}"
                        self.violations.append(violation("two guests", server_id, text))
                    seen[server_id] = host
