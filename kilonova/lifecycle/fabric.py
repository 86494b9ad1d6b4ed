"""Routers, floating IPs, security groups and changed ports, from the ledger to the network node. Both ends, one file.

The ledger knows how each of them must be (a plan, with a revision) and what the node has confirmed. Control sends whatever
is not confirmed, whole, until it is; the node makes it true and says so. Nothing is lost when either dies: what is not
confirmed is sent again, and what comes twice changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.ids import NodeName, ServerId
from kilonova.model.port import Port


class ServerPorts(Struct, frozen=True, kw_only=True):
    """All ports of a server that is wired, as they are now: addresses, security groups, allowed pairs."""

    server_id: ServerId
    revision: int
    ports: tuple[Port, ...]


class FabricWanted(Struct, frozen=True, kw_only=True):
    """control → the network node's queue: so it must be. `gone` names what must not be there any more."""

    groups: tuple[GroupPlan, ...] = ()
    networks: tuple[NetworkPlan, ...] = ()
    routers: tuple[RouterPlan, ...] = ()
    servers: tuple[ServerPorts, ...] = ()
    gone: tuple[Known, ...] = ()


class FabricStands(Struct, frozen=True, kw_only=True):
    """The network node's answer: what is true now, and (kind/id → sentence) what could not be made so."""

    stands: tuple[Known, ...] = ()
    refused: dict[str, str] = {}


class FabricBook(Protocol):
    """The ledger's end of it: what must be and what is confirmed."""

    def unconfirmed(self, most: int) -> FabricWanted | None:
        """What the node has not confirmed in its newest revision; None when all is."""
        ...

    def confirm(self, stands: Sequence[Known]) -> None:
        """The node has these; older revisions than the newest confirm nothing."""
        ...

    def refuse(self, refused: Mapping[str, str], now: float) -> None:
        """What the node could not make true: routers and floating IPs show it in their status."""
        ...

    def known_is(self, node: NodeName, known: Sequence[Known]) -> None:
        """A node has said what it has: whatever differs is unconfirmed again."""
        ...
