"""Routers, external networks and security groups on a real network node: remembered first, then made true.

A plan with an older revision than the one that counts is left alone. The node itself sees to it that a plan that comes late
does not bring back what was dropped (lifecycle/fabric.py).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from kilonova.drivers.network import routers
from kilonova.drivers.network.assembly import Assembly
from kilonova.drivers.network.networks import Networks, to_the_end
from kilonova.drivers.network.store import RouterRecord, Store
from kilonova.errors import BuildFailed
from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.ids import NetworkId

_log = logging.getLogger(__name__)


class Fabric:
    """`prefix`: what the names of this cloud's namespaces begin with."""

    def __init__(self, store: Store, networks: Networks, assembly: Assembly, prefix: str) -> None:
        self._store, self._networks, self._assembly, self._prefix = store, networks, assembly, prefix
        self._failed: set[tuple[str, str]] = set()
        """Remembered, and not (wholly) true: not told as standing, so that it is sent again."""

    async def take_group(self, plan: GroupPlan) -> int:
        """See LinuxNetwork, as for all below."""
        return await self._take("group", plan.id, plan.revision, lambda: self._set_group(plan.id, plan))

    async def take_network(self, plan: NetworkPlan) -> int:
        return await self._take("network", plan.id, plan.revision, lambda: self._set_network(plan.id, plan))

    async def take_router(self, plan: RouterPlan) -> int:
        return await self._take("router", plan.id, plan.revision, lambda: self._set_router(plan.id, plan))

    async def drop(self, gone: Known) -> None:
        setters: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "group": lambda: self._set_group(gone.id, None),
            "network": lambda: self._set_network(NetworkId(gone.id), None),
            "router": lambda: self._set_router(gone.id, None),
        }
        if gone.kind not in setters or gone.revision < self._revision(gone.kind, gone.id):
            return
        async with self._networks.locked([f"plan {gone.kind} {gone.id}"]):
            await setters[gone.kind]()
        self._failed.discard((gone.kind, gone.id))

    def known(self) -> list[Known]:
        """What stands, in which revision."""
        found = [Known(kind="group", id=key, revision=plan.revision) for key, plan in self._store.groups.all().items()]
        found += [Known(kind="network", id=key, revision=plan.revision) for key, plan in self._store.externals.all().items()]
        found += [Known(kind="router", id=key, revision=one.plan.revision) for key, one in self._store.routers.all().items()]
        return [one for one in found if (one.kind, one.id) not in self._failed]

    def networks(self) -> set[NetworkId]:
        """All networks that routers lead to."""
        return {end.network_id for record in self._store.routers.all().values() for end in record.ends}

    def namespaces(self) -> set[str]:
        """The names of the routers' namespaces."""
        return {record.namespace for record in self._store.routers.all().values() if record.stands}

    async def restore(self) -> None:
        """Make every router whole; its networks stand."""
        self._networks.made |= self.networks()
        await self.mend()

    async def mend(self) -> None:
        """Routers get wires into those of their networks whose namespace is new."""
        while fresh := self._networks.made & self.networks():
            self._networks.made -= fresh
            for router_id, record in self._store.routers.all().items():
                if fresh.isdisjoint(end.network_id for end in record.ends):
                    continue
                try:
                    async with self._networks.locked([f"plan router {router_id}"]):
                        await to_the_end(self._stand(record))
                except BuildFailed as error:
                    self._failed.add(("router", router_id))
                    _log.warning("router %s could not be restored: %s", router_id, error)
        self._networks.made.clear()

    async def forget_all(self) -> None:
        """No router, no group, no external network any more; what stands of routers goes."""
        for record in self._store.routers.all().values():
            await asyncio.to_thread(self._assembly.take_down, record.namespace)
            self._store.routers.forget(record.id)
        for group in self._store.groups.all():
            self._store.groups.forget(group)
        for network_id in self._store.externals.all():
            self._store.externals.forget(network_id)

    async def _take(self, kind: str, identifier: str, revision: int, make: Callable[[], Coroutine[Any, Any, None]]) -> int:
        async with self._networks.locked([f"plan {kind} {identifier}"]):
            newest = self._revision(kind, identifier)
            if revision < newest:
                return newest
            self._failed.add((kind, identifier))
            try:
                await make()
            except OSError as error:
                _log.warning("%s %s could not be made: %s", kind, identifier, error)
                raise BuildFailed("The network could not be assembled.") from error
            self._failed.discard((kind, identifier))
        return revision

    def _revision(self, kind: str, identifier: str) -> int:
        if kind == "router":
            record = self._store.routers.get(identifier)
            return record.plan.revision if record else 0
        plan = self._store.groups.get(identifier) if kind == "group" else self._store.externals.get(identifier)
        return plan.revision if plan else 0

    async def _set_group(self, group: str, plan: GroupPlan | None) -> None:
        if plan is None:
            self._store.groups.forget(group)
        else:
            self._store.groups.keep(group, plan)
        for network_id in sorted(self._networks.using(group)):
            await self._networks.settle_alone(network_id)

    async def _set_network(self, network_id: NetworkId, plan: NetworkPlan | None) -> None:
        if plan is None:
            self._store.externals.forget(network_id)
        else:
            self._store.externals.keep(network_id, plan)
        await self._networks.settle_alone(network_id)

    async def _set_router(self, router_id: str, plan: RouterPlan | None) -> None:
        """First the networks it leads to make room, then it moves; networks it has left take their gateways back last."""
        before = self._store.routers.get(router_id)
        if plan is None:
            self._store.routers.forget(router_id)
        else:
            place = before.namespace if before else self._store.router_place(router_id, self._prefix)
            after = RouterRecord(id=router_id, plan=plan, namespace=place)
            self._store.routers.keep(router_id, after)
            for network_id in sorted({end.network_id for end in after.ends}):
                await self._networks.settle_alone(network_id)
                self._networks.made.discard(network_id)
        trouble: BuildFailed | None = None
        try:
            if plan is not None:
                await to_the_end(self._stand(after))
            elif before is not None:
                await to_the_end(asyncio.to_thread(self._assembly.take_down, before.namespace))
        except BuildFailed as error:
            trouble = error
        for network_id in sorted({end.network_id for end in before.ends} if before else ()):
            await self._networks.settle_alone(network_id)
        if trouble is not None:
            raise trouble

    async def _stand(self, record: RouterRecord) -> None:
        """Raises BuildFailed."""
        try:
            if not record.stands:
                await asyncio.to_thread(self._assembly.take_down, record.namespace)
                return
            rooms = {end.network_id: self._networks.namespace(end.network_id) for end in record.ends}
            await asyncio.to_thread(routers.put_up, record, rooms, self._assembly)
        except OSError as error:
            _log.warning("router %s could not be made: %s", record.id, error)
            raise BuildFailed("The router could not be assembled.") from error
