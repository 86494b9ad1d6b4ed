"""Routers, groups and external networks where nothing is made of them: only which revision of each was heard of last.

That is all that control must be told to leave the node in peace. It filters and routes nothing.
"""

from abc import ABC, abstractmethod
from pathlib import Path

from kilonova.drivers.simulation import Memory
from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.ids import ServerId
from kilonova.model.port import Port


class RememberedFabric(ABC):
    """That part of a Network. `state` keeps it over a restart."""

    def __init__(self, state: Path | None) -> None:
        self._heard = Memory(state)

    async def take_group(self, plan: GroupPlan) -> int:
        """Remember the revision, if it is newer; the one that counts."""
        return self._take("group", plan.id, plan.revision)

    async def take_network(self, plan: NetworkPlan) -> int:
        """As `take_group`."""
        return self._take("network", plan.id, plan.revision)

    async def take_router(self, plan: RouterPlan) -> int:
        """As `take_group`."""
        return self._take("router", plan.id, plan.revision)

    @abstractmethod
    async def inventory(self) -> set[ServerId]:
        """The servers that have ports here."""

    async def take_ports(self, server_id: ServerId, revision: int, ports: tuple[Port, ...]) -> int:
        """As `take_group`; of a server without ports here, which may be gone by now, nothing is remembered."""
        return self._take("server", server_id, revision) if server_id in await self.inventory() else revision

    async def drop(self, gone: Known) -> None:
        """Forget it, unless something newer was heard of."""
        if self._revision(gone.kind, gone.id) <= gone.revision:
            self._heard.drop(_key(gone.kind, gone.id))

    async def known(self) -> tuple[Known, ...]:
        """What was heard of."""
        found = []
        for key, word in self._heard.words.items():
            kind, _, identifier = key.partition("/")
            found.append(Known(kind=kind, id=identifier, revision=int(word)))
        return tuple(found)

    def forget(self, server_id: ServerId) -> None:
        """The server has no ports here any more."""
        self._heard.drop(_key("server", server_id))

    def forget_all(self) -> None:
        """Nothing was ever heard of."""
        for key in tuple(self._heard.words):
            self._heard.drop(key)

    def _take(self, kind: str, identifier: str, revision: int) -> int:
        known = self._revision(kind, identifier)
        if revision > known:
            self._heard.put(_key(kind, identifier), str(revision))
        return max(known, revision)

    def _revision(self, kind: str, identifier: str) -> int:
        return int(self._heard.words.get(_key(kind, identifier), "0"))


def _key(kind: str, identifier: str) -> ServerId:
    return ServerId(f"{kind}/{identifier}")
