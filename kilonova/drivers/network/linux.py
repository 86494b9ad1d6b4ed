"""The real network node: every network in a namespace of its own, with bridge, DHCP, metadata, filters and a way out.

The records on disk say what must be; ``networks.py`` makes one network so. To wire is: write the record, settle; to undo
that: write the old record, settle again. Guests, routers and DHCP go on while this process is away; ``restore`` takes them
over again. Routers and security groups come in by ``fabric.py``. Networks over more than one machine are not made here.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
from msgspec import Struct

from kilonova.drivers.network import links
from kilonova.drivers.network.assembly import Assembly
from kilonova.drivers.network.fabric import Fabric
from kilonova.drivers.network.layout import BRIDGE, tap_name
from kilonova.drivers.network.networks import Networks, to_the_end
from kilonova.drivers.network.outside import Outside, link_prefix
from kilonova.drivers.network.store import ServerWires, Store
from kilonova.errors import BuildFailed
from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.ids import NetworkId, ServerId
from kilonova.model.port import Port, Wire

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 5.0
REMEMBERED = 10_000
"""Changes of ports that are not wired here yet: their build is on its way, or has failed."""


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
        prefix = link_prefix(settings.cloud)
        self._store = Store(folder)
        self._outside = Outside(settings.uplink, settings.cloud, settings.transfer, folder)
        self._assembly = Assembly(settings.cloud, folder, self._outside, settings.dnsmasq)
        self._networks = Networks(self._store, self._assembly, prefix)
        self._fabric = Fabric(self._store, self._networks, self._assembly, prefix)
        self._newer: dict[ServerId, ServerWires] = {}
        """Ports that changed before they were wired."""
        self._looking: asyncio.Task[None] | None = None

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """Make these ports' networks and let the ports in; repeatable. Raises BuildFailed; then all is as it was before."""
        async with self._networks.locked([f"server {server_id}"]):
            # An order says how the ports were when it was written; what control has said of them since counts more.
            told = max(self._known(server_id), key=lambda known: known.revision, default=None)
            newer = {port.id: port for port in told.ports} if told and told.revision else {}
            after = ServerWires(
                server_id=server_id,
                ports=tuple(newer.get(port.id, port) for port in ports),
                documents=dict(documents),
                revision=told.revision if told else 0,
            )
            places = await self._change(server_id, after)
            self._newer.pop(server_id, None)
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
            for port in after.ports
        )

    async def unwire(self, server_id: ServerId) -> None:
        """Cut the server's ports off and forget them, and each network with its last port; none there is no error."""
        async with self._networks.locked([f"server {server_id}"]):
            await self._change(server_id, None)
            self._newer.pop(server_id, None)

    async def inventory(self) -> set[ServerId]:
        """The servers that have a port here."""
        return self._store.servers()

    async def take_ports(self, server_id: ServerId, revision: int, ports: tuple[Port, ...]) -> int:
        """All ports of the server are like this from now on, if that is news; the revision that counts. Raises BuildFailed."""
        async with self._networks.locked([f"server {server_id}"]):
            known = max((one.revision for one in self._known(server_id)), default=0)
            if revision < known:
                return known
            record = self._store.server(server_id)
            if record is None:
                self._newer[server_id] = ServerWires(server_id=server_id, ports=ports, documents={}, revision=revision)
                while len(self._newer) > REMEMBERED:
                    del self._newer[next(iter(self._newer))]
            else:
                await self._change(server_id, msgspec.structs.replace(record, ports=ports, revision=revision))
            return revision

    async def take_group(self, plan: GroupPlan) -> int:
        """The group's rules are these from now on, wherever a port is in it; the revision that counts. Raises BuildFailed."""
        return await self._fabric.take_group(plan)

    async def take_network(self, plan: NetworkPlan) -> int:
        """The external network is like this from now on; the revision that counts. Raises BuildFailed."""
        return await self._fabric.take_network(plan)

    async def take_router(self, plan: RouterPlan) -> int:
        """The router is like this from now on; the revision that counts. Raises BuildFailed; then it is made as far as can be."""
        return await self._fabric.take_router(plan)

    async def drop(self, gone: Known) -> None:
        """It must not be there any more, unless something newer was said of it. Raises BuildFailed."""
        if gone.kind == "server":
            self._newer.pop(ServerId(gone.id), None)  # its wires go when its build is taken back
        else:
            await self._fabric.drop(gone)

    async def known(self) -> tuple[Known, ...]:
        """What stands here, in which revision."""
        servers = (self._store.server(server_id) for server_id in sorted(self._store.servers()))
        changed = [Known(kind="server", id=one.server_id, revision=one.revision) for one in servers if one and one.revision]
        return (*self._fabric.known(), *changed)

    async def restore(self) -> None:
        """Take over what an earlier process left: networks that are owned are made whole, all else of this cloud is removed."""
        await asyncio.to_thread(links.prepare)
        wanted = {port.network_id for server_id in self._store.servers() for port in self._ports(server_id)}
        wanted |= self._fabric.networks()
        self._networks.expect()
        for network_id in wanted | set(self._store.networks()):
            try:
                await self._networks.settle_alone(network_id)
            except BuildFailed:
                _log.warning("network %s could not be restored; its next wire tries again", network_id)
        await self._fabric.restore()
        await self._sweep()
        self._looking = asyncio.create_task(self._look_after(), name="networks that stand")

    async def orphans(self) -> set[str]:
        """Names of what this cloud has on this machine without a record that owns it."""
        owned = {place.namespace for place in self._store.networks().values()} | self._fabric.namespaces()
        return await asyncio.to_thread(self._assembly.strays, owned)

    async def strays(self) -> Mapping[str, str]:
        """For the audit: what `orphans` names."""
        return dict.fromkeys(await self.orphans(), "a namespace, link or DHCP folder of this cloud that no network owns")

    async def end_stray(self, name: str) -> None:
        """It goes, unless a network owns it by now."""
        if name in await self.orphans():
            await asyncio.to_thread(self._assembly.take_down, name)

    async def close(self, keep: bool) -> None:
        """`keep`: only stop answering metadata, the guests' networks go on. Else: everything of this cloud goes."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._networks.close()
        if keep:
            return
        for server_id in self._store.servers():
            await asyncio.to_thread(self._store.forget, server_id)
        await self._fabric.forget_all()
        for network_id in self._store.networks():
            await self._networks.settle_alone(network_id)
        await self._sweep()
        await asyncio.to_thread(self._outside.close)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._networks.mend()
            if self._networks.made:
                await self._fabric.mend()

    async def _sweep(self) -> None:
        for name in await self.orphans():
            await asyncio.to_thread(self._assembly.take_down, name)

    async def _change(self, server_id: ServerId, after: ServerWires | None) -> dict[NetworkId, str]:
        """Put the record `after` in place of what is known, and make it true. The namespace of each of its networks.

        The server's lock is held.
        """
        before = self._store.server(server_id)
        networks = {port.network_id for record in (before, after) if record for port in record.ports}
        names = sorted(f"network {network_id}" for network_id in networks)
        async with self._networks.locked(names), AsyncExitStack() as undo:
            undo.push_async_callback(self._make_true, server_id, after, before)
            await self._make_true(server_id, before, after)
            undo.pop_all()
        self._networks.settle_soon(_groups_that_change(before, after), networks)
        if self._networks.made:
            await self._fabric.mend()
        return {network_id: place.namespace for network_id, place in self._store.networks().items() if network_id in networks}

    async def _make_true(self, server_id: ServerId, before: ServerWires | None, after: ServerWires | None) -> None:
        """Remember `after` and settle every network of either. Raises BuildFailed."""
        if after is None or not after.ports:
            await asyncio.to_thread(self._store.forget, server_id)
        else:
            await asyncio.to_thread(self._store.keep, after)
        networks = {port.network_id for record in (before, after) if record for port in record.ports}
        for network_id in sorted(networks):
            await to_the_end(self._networks.settle(network_id))

    def _known(self, server_id: ServerId) -> list[ServerWires]:
        """What was said of this server's ports: those that are wired, and those that changed before."""
        return [known for known in (self._store.server(server_id), self._newer.get(server_id)) if known]

    def _ports(self, server_id: ServerId) -> tuple[Port, ...]:
        known = self._store.server(server_id)
        return known.ports if known else ()


def _groups_that_change(*records: ServerWires | None) -> Iterable[str]:
    return {group for record in records if record for port in record.ports for group in port.groups}
