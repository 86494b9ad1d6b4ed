"""Ports and routers by name only: no link is made, no packet passed or refused. For fleets in one process."""

from collections.abc import Mapping, Set
from pathlib import Path

from kilonova.drivers.network.remembered import RememberedFabric
from kilonova.drivers.simulation import Faults, Memory, NoFaults, Remains
from kilonova.model.ids import PortId, ServerId
from kilonova.model.port import Port, Wire

_NONE = "none"
"""In place of the ids of a server's ports."""


class SimulatedNetwork(RememberedFabric, Remains):
    """A simulated network node. `state` keeps who has ports over a restart; `faults` makes it fail."""

    def __init__(self, state: Path | None = None, faults: Faults | None = None) -> None:
        super().__init__(state and state.with_name(f"{state.name}.fabric"))
        Remains.__init__(self)
        self._memory = Memory(state)
        self._faults = faults or NoFaults()

    async def wire(self, server_id: ServerId, ports: tuple[Port, ...], documents: Mapping[str, bytes]) -> tuple[Wire, ...]:
        """A wire per port, of kind ``simulated``; metadata is said to answer."""
        self._faults.before("network.wire", server_id)
        word = ",".join(port.id for port in ports) or _NONE
        if self._memory.words.get(server_id) != word:
            self._memory.put(server_id, word)
        return tuple(
            Wire(port_id=port.id, mac=port.mac, mtu=port.mtu, kind="simulated", addresses=port.addresses, metadata=True)
            for port in ports
        )

    async def unwire(self, server_id: ServerId) -> None:
        """Forget them; none there is no error."""
        self._faults.before("network.unwire", server_id)
        self._memory.drop(server_id)
        self.forget(server_id)

    async def inventory(self) -> set[ServerId]:
        """The servers that have ports here."""
        return set(self._memory.words)

    def ports(self, server_id: ServerId) -> Set[PortId]:
        """Those that are wired here. For onlookers."""
        word = self._memory.words.get(server_id, _NONE)
        return frozenset() if word == _NONE else frozenset(PortId(port) for port in word.split(","))

    async def close(self, keep: bool) -> None:
        """`keep`: nothing to do, the memory is on disk already; else everybody is forgotten."""
        for server_id in () if keep else tuple(self._memory.words):
            self._memory.drop(server_id)
        if not keep:
            self.forget_all()
