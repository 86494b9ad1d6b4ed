"""The networks of one cloud as the records say they must be: each is settled by itself, under its own lock.

A network stands while a port of a server or of a router is on it. What changes in one (a port comes into a group) and
matters in another (whose rules name that group) is brought there soon after, by a task of its own.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from weakref import WeakValueDictionary

from kilonova.drivers.network import namespaces
from kilonova.drivers.network.assembly import Assembly, Wanted, wanted
from kilonova.drivers.network.groups import remotes
from kilonova.drivers.network.layout import Layout, lay_out, members_of
from kilonova.drivers.network.metadata import Documents, MetadataService
from kilonova.drivers.network.store import Store
from kilonova.errors import BuildFailed
from kilonova.model.ids import NetworkId, ServerId

_log = logging.getLogger(__name__)
TRIES = 5
AGAIN_S = 1.0


class Networks:
    """`prefix`: what the names of this cloud's namespaces begin with."""

    def __init__(self, store: Store, assembly: Assembly, prefix: str) -> None:
        self._store, self._assembly, self._prefix = store, assembly, prefix
        self._metadata = MetadataService(self._documents)
        self._standing: dict[NetworkId, Wanted] = {}
        self._owners: dict[NetworkId, dict[str, ServerId]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._soon: set[NetworkId] = set()
        self._later: asyncio.Task[None] | None = None
        self.made: set[NetworkId] = set()
        """Networks whose namespace is new: routers have no wire into it yet. Whoever lays the wires takes them out."""

    @asynccontextmanager
    async def locked(self, names: Iterable[str]) -> AsyncIterator[None]:
        """One change at a time for each of these.

        Always a server or a router first and then networks by name, so nobody waits in a ring.
        """
        async with AsyncExitStack() as held:
            for name in names:
                lock = self._locks.get(name)
                if lock is None:
                    lock = self._locks[name] = asyncio.Lock()
                await held.enter_async_context(lock)
            yield

    async def settle_alone(self, network_id: NetworkId) -> None:
        """Settle it under its lock. Raises BuildFailed."""
        async with self.locked([f"network {network_id}"]):
            await to_the_end(self.settle(network_id))

    async def settle(self, network_id: NetworkId) -> None:
        """Make this network what the records say: with these ports, or not there. Its lock is held. Raises BuildFailed."""
        try:
            ports, ends = self._store.ports_of(network_id), self._store.ends_on(network_id)
            if not ports and not ends:
                await self._fall(network_id)
                return
            members = members_of(port for _, port in ports)
            self._owners[network_id] = {ip: owner for (owner, _), one in zip(ports, members, strict=True) for ip in one.ips}
            layout = self._layout(network_id)
            known = {group: plan for port in members for group in port.groups if (plan := self._store.groups.get(group))}
            in_group = {group: self._store.in_group(group) for group in remotes(known, known)}
            await self._stand(network_id, wanted(layout, members, known, in_group))
        except OSError as error:
            _log.warning("network %s could not be settled: %s", network_id, error)
            raise BuildFailed("The network could not be assembled.") from error

    async def mend(self) -> None:
        """What stands is looked at: what has died or was taken away by hand is there again. What cannot be is left for later."""
        for network_id in list(self._standing):
            async with self.locked([f"network {network_id}"]):
                await to_the_end(self._mend(network_id))

    def expect(self) -> None:
        """Before the first of them is settled: what is told to all of them together shall not leave one out meanwhile."""
        for network_id, place in self._store.networks().items():
            with suppress(BuildFailed):  # to settle it says so
                self._assembly.expect(place, self._layout(network_id))

    def settle_soon(self, groups: Iterable[str], but: Iterable[NetworkId] = ()) -> None:
        """Who is in these groups has changed: bring it to every network whose rules name one of them, `but` these."""
        changed = set(groups)
        self._soon |= {one for one, known in self._standing.items() if changed & known.in_group.keys()} - set(but)
        if self._soon and (self._later is None or self._later.done()):
            self._later = asyncio.create_task(self._settle_those(), name="settle networks")

    def using(self, group: str) -> set[NetworkId]:
        """The networks where a port is in this group."""
        return {one for one, known in self._standing.items() if any(group in port.groups for port in known.members)}

    def namespace(self, network_id: NetworkId) -> str:
        """Where the network lives. Raises BuildFailed."""
        return self._store.place(network_id, self._prefix).namespace

    async def settled(self) -> None:
        """Wait until nothing is under way for later."""
        if self._later is not None:
            await asyncio.wait({self._later})

    async def close(self) -> None:
        """Stop answering metadata; the networks stand."""
        await self.settled()
        await self._metadata.close()

    async def _settle_those(self) -> None:
        tries = TRIES
        while self._soon:
            network_id = self._soon.pop()
            try:
                await self.settle_alone(network_id)
                tries = TRIES
            except BuildFailed:
                if tries := tries - 1:
                    self._soon.add(network_id)
                    await asyncio.sleep(AGAIN_S)
                else:
                    _log.warning("network %s does not know who is in its groups; its next change tells it", network_id)

    def _layout(self, network_id: NetworkId) -> Layout:
        """Raises BuildFailed."""
        ports = (port for _, port in self._store.ports_of(network_id))
        return lay_out(network_id, ports, self._store.ends_on(network_id), self._store.externals.get(network_id))

    async def _stand(self, network_id: NetworkId, target: Wanted) -> None:
        place = self._store.place(network_id, self._prefix)
        there = namespaces.exists(place.namespace)
        if not there:
            await self._metadata.leave(network_id)  # it listens in a namespace that somebody took away
        # Popped while it changes: after a failure nobody knows how far it came, and the next time makes all of it.
        before = self._standing.pop(network_id, None)
        if there and before is not None and before.layout == target.layout:
            await asyncio.to_thread(self._assembly.change, place, before, target)
        else:
            await asyncio.to_thread(self._assembly.put_up, place, target)
        self._standing[network_id] = target
        self.made |= set() if there else {network_id}
        if not self._metadata.listens(network_id):
            await self._metadata.listen(network_id, await asyncio.to_thread(self._assembly.listener, place))

    async def _mend(self, network_id: NetworkId) -> None:
        target, place = self._standing.get(network_id), self._store.networks().get(network_id)
        if target is None or place is None:
            return
        try:
            missing = await asyncio.to_thread(self._assembly.missing, place, target)
            if not missing:
                return
            _log.warning(
                "the %s of network %s is gone and is made again", missing, network_id, extra={"action": "network_mended"}
            )
            await asyncio.to_thread(self._assembly.mend, place, target)
            if missing != "DHCP":  # its socket was bound to what is gone
                await self._metadata.leave(network_id)
                await self._metadata.listen(network_id, await asyncio.to_thread(self._assembly.listener, place))
                self.made.add(network_id)
        except (OSError, BuildFailed) as error:
            _log.warning("network %s could not be mended: %s", network_id, error, extra={"action": "network_not_mended"})

    async def _fall(self, network_id: NetworkId) -> None:
        await self._metadata.leave(network_id)
        self._standing.pop(network_id, None)
        self._owners.pop(network_id, None)
        place = self._store.networks().get(network_id)
        if place is not None:
            await asyncio.to_thread(self._assembly.take_down, place.namespace)
            self._store.vacate(network_id)

    def _documents(self, network_id: str, peer: str) -> Documents | None:
        owner = self._owners.get(NetworkId(network_id), {}).get(peer)
        known = self._store.server(owner) if owner else None
        return known.documents if known else None


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do all of `work` even when the caller is cancelled meanwhile: a thread cannot be stopped, and undo must come after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: the cancellation is what the caller gets
        raise
