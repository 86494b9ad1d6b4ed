"""What the network node remembers across its own death: each server's ports and documents, each network's name, and the
plans of routers, security groups and external networks.

One small file for each, replaced in one piece. It survives a killed process; after a power cut the namespaces are gone too,
and everything is wired again by the nodes that need it, so nothing here waits for the disk.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from kilonova.drivers.network.layout import addresses_of
from kilonova.errors import BuildFailed
from kilonova.model.fabric import GroupPlan, NetworkPlan, RouterPlan, RouterPort
from kilonova.model.ids import NetworkId, ServerId
from kilonova.model.port import Port


class ServerWires(Struct, frozen=True, kw_only=True):
    """All that is known of one server here."""

    server_id: ServerId
    ports: tuple[Port, ...]
    documents: dict[str, bytes]
    """What the metadata service answers it: path → body."""
    revision: int = 0
    """Of its ports; 0: as its build ordered them."""


class NetworkPlace(Struct, frozen=True, kw_only=True):
    """Where a network lives on this machine."""

    network_id: NetworkId
    namespace: str
    index: int
    """Which of the small transfer nets to the outside is this network's."""


class RouterRecord(Struct, frozen=True, kw_only=True):
    """A router and where it lives on this machine."""

    id: str
    plan: RouterPlan
    namespace: str

    @property
    def ends(self) -> tuple[RouterPort, ...]:
        """All its ports, the gateway too."""
        return (*self.plan.inside, self.plan.gateway) if self.plan.gateway else self.plan.inside

    @property
    def stands(self) -> bool:
        """False for one that is switched off or leads nowhere: then there is nothing of it on the machine."""
        return self.plan.up and bool(self.ends)


Kept = TypeVar("Kept", bound=Struct)


class Shelf(Generic[Kept]):
    """Records of one kind by their `id`, in memory and in a folder, one file for each."""

    def __init__(self, folder: Path, kind: type[Kept]) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._known: dict[str, Kept] = {_id_of(found): found for found in _load(folder, kind)}

    def get(self, identifier: str) -> Kept | None:
        """None when it is not known."""
        return self._known.get(identifier)

    def all(self) -> dict[str, Kept]:
        """A copy."""
        return dict(self._known)

    def keep(self, identifier: str, record: Kept) -> None:
        """Remember it in place of what was known. Raises BuildFailed, OSError."""
        _replace(self._folder / _file_name(identifier), msgspec.msgpack.encode(record))
        self._known[identifier] = record

    def forget(self, identifier: str) -> None:
        """Not known is no error."""
        if self._known.pop(identifier, None) is not None:
            (self._folder / _file_name(identifier)).unlink(missing_ok=True)


class Store:
    """The records, in memory and below `folder`. One process at a time."""

    def __init__(self, folder: Path) -> None:
        self._servers_dir, self._networks_dir = folder / "servers", folder / "networks"
        for place in (self._servers_dir, self._networks_dir):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._servers = {found.server_id: found for found in _load(self._servers_dir, ServerWires)}
        self._networks = {found.network_id: found for found in _load(self._networks_dir, NetworkPlace)}
        self.groups = Shelf(folder / "groups", GroupPlan)
        self.externals = Shelf(folder / "externals", NetworkPlan)
        self.routers = Shelf(folder / "routers", RouterRecord)
        self._in_group = Addresses()
        for known in self._servers.values():
            self._in_group.count(known.ports, 1)

    def in_group(self, group: str) -> frozenset[str]:
        """Every address of every port in this security group."""
        return self._in_group.of(group)

    def ends_on(self, network_id: NetworkId) -> list[RouterPort]:
        """The ports that routers have on this network."""
        return [end for record in self.routers.all().values() for end in record.ends if end.network_id == network_id]

    def router_place(self, router_id: str, prefix: str) -> str:
        """The name of the router's namespace: 15 characters that no other router has."""
        used = {record.namespace for key, record in self.routers.all().items() if key != router_id}
        digest = hashlib.sha256(router_id.encode()).hexdigest()
        # No hexadecimal digit after the prefix, so it is no network's name.
        return next(name for name in (f"{prefix}r{digest[at : at + 7]}" for at in range(50)) if name not in used)

    def server(self, server_id: ServerId) -> ServerWires | None:
        """What is known of this server."""
        return self._servers.get(server_id)

    def servers(self) -> set[ServerId]:
        """All servers that are known."""
        return set(self._servers)

    def keep(self, server: ServerWires) -> None:
        """Remember it, in place of what was known; the newest comes last in `ports_of`. Raises BuildFailed, OSError."""
        place = self._servers_dir / _file_name(server.server_id)
        _replace(place, msgspec.msgpack.encode(server))
        before = self._servers.pop(server.server_id, None)
        self._in_group.count(before.ports if before else (), -1)
        self._in_group.count(server.ports, 1)
        self._servers[server.server_id] = server

    def forget(self, server_id: ServerId) -> None:
        """Forget it; not known is no error."""
        known = self._servers.pop(server_id, None)
        if known is not None:
            self._in_group.count(known.ports, -1)
            (self._servers_dir / _file_name(server_id)).unlink(missing_ok=True)

    def ports_of(self, network_id: NetworkId) -> list[tuple[ServerId, Port]]:
        """All ports on one network."""
        return [
            (known.server_id, port)
            for known in list(self._servers.values())
            for port in known.ports
            if port.network_id == network_id
        ]

    def networks(self) -> dict[NetworkId, NetworkPlace]:
        """All networks that have a place, also those whose last port has just gone."""
        return dict(self._networks)

    def place(self, network_id: NetworkId, prefix: str) -> NetworkPlace:
        """The network's place; a new one gets a free name that begins with `prefix`, and the first free transfer net."""
        known = self._networks.get(network_id)
        if known is not None:
            return known
        used = {place.namespace for place in self._networks.values()}
        digits = network_id.replace("-", "").lower()
        wanted = (prefix + digits[start : start + 8] for start in range(0, max(1, len(digits) - 7)))
        name = next((name for name in wanted if name not in used), None)
        if name is None or not re.fullmatch(r"[a-z0-9-]{3,15}", name):
            raise BuildFailed("The network's id cannot be used.")
        taken = {place.index for place in self._networks.values()}
        index = next(number for number in range(len(taken) + 1) if number not in taken)
        place = NetworkPlace(network_id=network_id, namespace=name, index=index)
        _replace(self._networks_dir / _file_name(network_id), msgspec.msgpack.encode(place))
        self._networks[network_id] = place
        return place

    def vacate(self, network_id: NetworkId) -> None:
        """The network has no place any more."""
        if self._networks.pop(network_id, None) is not None:
            (self._networks_dir / _file_name(network_id)).unlink(missing_ok=True)


class Addresses:
    """The addresses of the ports in each security group, counted as ports come and go."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._sets: dict[str, frozenset[str]] = {}

    def count(self, ports: Iterable[Port], by: int) -> None:
        """These ports come (1) or go (-1)."""
        for port in ports:
            for group in port.groups:
                counts = self._counts.setdefault(group, Counter())
                for address in addresses_of(port):
                    counts[address] += by
                    if not counts[address]:
                        del counts[address]
                self._sets.pop(group, None)
                if not counts:
                    del self._counts[group]

    def of(self, group: str) -> frozenset[str]:
        """Single IPs, and CIDRs of allowed pairs."""
        if group not in self._sets:
            self._sets[group] = frozenset(self._counts.get(group, ()))
        return self._sets[group]


def _load(folder: Path, kind: type[Kept]) -> Iterator[Kept]:
    for place in sorted(folder.glob("*.msgpack")):
        try:
            yield msgspec.msgpack.decode(place.read_bytes(), type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError):
            place.unlink()  # half a file after a power cut: its owner will ask again


def _id_of(record: Struct) -> str:
    return str(record.id)  # type: ignore[attr-defined] # every record on a shelf has one


def _file_name(identifier: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", identifier):
        raise BuildFailed("The server or its network has an id that cannot be used.")
    return identifier + ".msgpack"


def _replace(place: Path, content: bytes) -> None:
    fresh = place.with_name(place.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(place)
