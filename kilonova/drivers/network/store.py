"""What the network node remembers across its own death: each server's ports and documents, each network's name.

One small file for each, replaced in one piece. It survives a killed process; after a power cut the namespaces are gone too,
and everything is wired again by the nodes that need it, so nothing here waits for the disk.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from kilonova.errors import BuildFailed
from kilonova.model.ids import NetworkId, ServerId
from kilonova.model.port import Port


class ServerWires(Struct, frozen=True, kw_only=True):
    """All that is known of one server here."""

    server_id: ServerId
    ports: tuple[Port, ...]
    documents: dict[str, bytes]
    """What the metadata service answers it: path → body."""


class NetworkPlace(Struct, frozen=True, kw_only=True):
    """Where a network lives on this machine."""

    network_id: NetworkId
    namespace: str
    index: int
    """Which of the small transfer nets to the outside is this network's."""


Kept = TypeVar("Kept", bound=Struct)


class Store:
    """The records, in memory and below `folder`. One process at a time."""

    def __init__(self, folder: Path) -> None:
        self._servers_dir, self._networks_dir = folder / "servers", folder / "networks"
        for place in (self._servers_dir, self._networks_dir):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._servers = {found.server_id: found for found in _load(self._servers_dir, ServerWires)}
        self._networks = {found.network_id: found for found in _load(self._networks_dir, NetworkPlace)}

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
        self._servers.pop(server.server_id, None)
        self._servers[server.server_id] = server

    def forget(self, server_id: ServerId) -> None:
        """Forget it; not known is no error."""
        if self._servers.pop(server_id, None) is not None:
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


def _load(folder: Path, kind: type[Kept]) -> Iterator[Kept]:
    for place in sorted(folder.glob("*.msgpack")):
        try:
            yield msgspec.msgpack.decode(place.read_bytes(), type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError):
            place.unlink()  # half a file after a power cut: its owner will ask again


def _file_name(identifier: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", identifier):
        raise BuildFailed("The server or its network has an id that cannot be used.")
    return identifier + ".msgpack"


def _replace(place: Path, content: bytes) -> None:
    fresh = place.with_name(place.name + ".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    fresh.replace(place)
