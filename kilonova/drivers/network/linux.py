"""The real network node: every network in a namespace of its own, with bridge, DHCP, metadata, anti-spoofing and a way out.

The records on disk say what must be; ``_settle`` makes one network so. To wire is: write the record, settle; to undo that:
write the old record, settle again. Guests and DHCP go on while this process is away; ``restore`` takes them over again.
Security groups, floating IPs and networks over more than one machine are not made here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from msgspec import Struct

from kilonova.drivers.network import links, namespaces
from kilonova.drivers.network.assembly import Assembly, Members
from kilonova.drivers.network.layout import BRIDGE, Layout, lay_out, members_of, tap_name
from kilonova.drivers.network.metadata import Documents, MetadataService
from kilonova.drivers.network.outside import Outside, link_prefix
from kilonova.drivers.network.store import ServerWires, Store
from kilonova.errors import BuildFailed
from kilonova.model.ids import NetworkId, ServerId
from kilonova.model.port import Port, Wire

_log = logging.getLogger(__name__)


class LinuxNetworkSettings(Struct, frozen=True, kw_only=True):
    """Where and how. Two clouds on one machine need a different `cloud`, and different `transfer` nets if both leave by it."""

    cloud: str
    """Four letters or digits: everything of this cloud on the machine has them in its name."""
    folder: Path
    uplink: str | None = None
    """None: no way out; ``host``: through this machine; else: through the network namespace of this name."""
    transfer: str = "100.64.0.0/16"
    dnsmasq: str = "dnsmasq"


class LinuxNetwork:
    """The networks of one cloud on this machine. Call `restore` once before anything else."""

    def __init__(self, settings: LinuxNetworkSettings) -> None:
        folder = settings.folder.resolve()
        # Others may pass through (DHCP runs without rights), only we may look; documents lie deeper, in folders that are ours.
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._prefix = link_prefix(settings.cloud)
        self._store = Store(folder)
        self._outside = Outside(settings.uplink, settings.cloud, settings.transfer, folder)
        self._assembly = Assembly(settings.cloud, folder, self._outside, settings.dnsmasq)
        self._metadata = MetadataService(self._documents)
        self._standing: dict[NetworkId, tuple[Layout, Members]] = {}
        self._owners: dict[NetworkId, dict[str, ServerId]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """Make these ports' networks and let the ports in; repeatable. Raises BuildFailed; then all is as it was before."""
        places = await self._change(server_id, ServerWires(server_id=server_id, ports=ports, documents=dict(documents)))
        return tuple(
            Wire(
                port_id=port.id,
                mac=port.mac,
                mtu=port.mtu,
                kind="tap",
                namespace=places[port.network_id],
                bridge=BRIDGE,
                tap=tap_name(port.id),
                addresses=port.addresses,
                metadata=any(":" not in address.ip for address in port.addresses),
            )
            for port in ports
        )

    async def unwire(self, server_id: ServerId) -> None:
        """Cut the server's ports off and forget them, and each network with its last port; none there is no error."""
        await self._change(server_id, None)

    async def inventory(self) -> set[ServerId]:
        """The servers that have a port here."""
        return self._store.servers()

    async def restore(self) -> None:
        """Take over what an earlier process left: networks that are owned are made whole, all else of this cloud is removed."""
        await asyncio.to_thread(links.prepare)
        wanted = {port.network_id for server_id in self._store.servers() for port in self._ports(server_id)}
        for network_id in wanted | set(self._store.networks()):
            try:
                await _to_the_end(self._settle(network_id))
            except BuildFailed:
                _log.warning("network %s could not be restored; its next wire tries again", network_id)
        for name in await self.orphans():
            await asyncio.to_thread(self._assembly.take_down, name)

    async def orphans(self) -> set[str]:
        """Names of what this cloud has on this machine without a record that owns it."""
        owned = {place.namespace for place in self._store.networks().values()}
        return await asyncio.to_thread(self._assembly.strays, owned)

    async def close(self, keep: bool) -> None:
        """`keep`: only stop answering metadata, the guests' networks go on. Else: everything of this cloud goes."""
        await self._metadata.close()
        if keep:
            return
        for server_id in self._store.servers():
            await asyncio.to_thread(self._store.forget, server_id)
        for network_id in self._store.networks():
            await _to_the_end(self._settle(network_id))
        for name in await self.orphans():
            await asyncio.to_thread(self._assembly.take_down, name)
        await asyncio.to_thread(self._outside.close)

    async def _change(self, server_id: ServerId, after: ServerWires | None) -> dict[NetworkId, str]:
        """Put the record `after` in place of what is known, and make it true. The namespace of each of its networks."""
        async with self._locked([f"server {server_id}"]):
            before = self._store.server(server_id)
            networks = {port.network_id for record in (before, after) if record for port in record.ports}
            async with self._locked(sorted(f"network {network_id}" for network_id in networks)), AsyncExitStack() as undo:
                undo.push_async_callback(self._make_true, server_id, after, before)
                await self._make_true(server_id, before, after)
                undo.pop_all()
            return {network_id: place.namespace for network_id, place in self._store.networks().items() if network_id in networks}

    async def _make_true(self, server_id: ServerId, before: ServerWires | None, after: ServerWires | None) -> None:
        """Remember `after` and settle every network of either. Raises BuildFailed."""
        if after is None or not after.ports:
            await asyncio.to_thread(self._store.forget, server_id)
        else:
            await asyncio.to_thread(self._store.keep, after)
        networks = {port.network_id for record in (before, after) if record for port in record.ports}
        for network_id in sorted(networks):
            await _to_the_end(self._settle(network_id))

    async def _settle(self, network_id: NetworkId) -> None:
        """Make this network what the records say: with these ports, or not there. Raises BuildFailed."""
        try:
            ports = self._store.ports_of(network_id)
            if ports:
                members = members_of(port for _, port in ports)
                self._owners[network_id] = {ip: owner for (owner, _), one in zip(ports, members, strict=True) for ip in one.ips}
                await self._stand(network_id, lay_out(network_id, (port for _, port in ports)), members)
            else:
                await self._fall(network_id)
        except OSError as error:
            _log.warning("network %s could not be settled: %s", network_id, error)
            raise BuildFailed("The network could not be assembled.") from error

    async def _stand(self, network_id: NetworkId, layout: Layout, members: Members) -> None:
        place = self._store.place(network_id, self._prefix)
        there = namespaces.exists(place.namespace)
        if not there:
            await self._metadata.leave(network_id)  # it listens in a namespace that somebody took away
        # Popped while it changes: after a failure nobody knows how far it came, and the next time makes all of it.
        known, before = self._standing.pop(network_id, (None, ()))
        if there and known == layout:
            await asyncio.to_thread(self._assembly.change_members, place, layout, before, members)
        else:
            await asyncio.to_thread(self._assembly.put_up, place, layout, members)
        self._standing[network_id] = (layout, members)
        if not self._metadata.listens(network_id):
            await self._metadata.listen(network_id, await asyncio.to_thread(self._assembly.listener, place))

    async def _fall(self, network_id: NetworkId) -> None:
        await self._metadata.leave(network_id)
        self._standing.pop(network_id, None)
        self._owners.pop(network_id, None)
        place = self._store.networks().get(network_id)
        if place is not None:
            await asyncio.to_thread(self._assembly.take_down, place.namespace)
            self._store.vacate(network_id)

    def _ports(self, server_id: ServerId) -> tuple[Port, ...]:
        known = self._store.server(server_id)
        return known.ports if known else ()

    def _documents(self, network_id: str, peer: str) -> Documents | None:
        owner = self._owners.get(NetworkId(network_id), {}).get(peer)
        known = self._store.server(owner) if owner else None
        return known.documents if known else None

    @asynccontextmanager
    async def _locked(self, names: list[str]) -> AsyncIterator[None]:
        """One change at a time for each of these; always a server first and then networks by name, so nobody waits in a ring."""
        async with AsyncExitStack() as held:
            for name in names:
                lock = self._locks.get(name)
                if lock is None:
                    lock = self._locks[name] = asyncio.Lock()
                await held.enter_async_context(lock)
            yield


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Do all of `work` even when the caller is cancelled meanwhile: a thread cannot be stopped, and undo must come after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen: the cancellation is what the caller gets
        raise
