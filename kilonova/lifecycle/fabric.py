"""Routers, floating IPs, security groups and changed ports, from the ledger to the network node. Both ends, one file.

The ledger knows how each of them must be (a plan, with a revision) and what the node has confirmed. Control sends whatever
is not confirmed, whole, until it is; the node makes it true and says so. Nothing is lost when either dies: what is not
confirmed is sent again, and what comes twice changes nothing.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct

from kilonova.build.needs import NetworkWorld
from kilonova.errors import KilonovaError
from kilonova.model.fabric import GroupPlan, Known, NetworkPlan, RouterPlan
from kilonova.model.ids import ServerId
from kilonova.model.port import Port

Plan = TypeVar("Plan", GroupPlan, NetworkPlan, RouterPlan)


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


async def make_fabric(wanted: FabricWanted, world: NetworkWorld) -> FabricStands:
    """On the network node: all of it, one after the other; what cannot be made so is said, and does not stop the rest.

    What goes, goes first, so that an address is free for whoever has it next; groups stand before the ports that are in
    them, networks before the routers that lead there. A plan that comes late does not bring back what has gone since: told
    is the revision in which it went.
    """
    network = world.network
    stands: list[Known] = []
    refused: dict[str, str] = {}

    async def made(kind: str, identifier: str, work: Awaitable[int]) -> None:
        try:
            stands.append(Known(kind=kind, id=identifier, revision=await work))
        except KilonovaError as error:
            refused[f"{kind}/{identifier}"] = str(error)

    async def planned(kind: str, plan: Plan, take: Callable[[Plan], Awaitable[int]]) -> None:
        gone = world.gone(kind, plan.id)
        if plan.revision > gone:
            await made(kind, plan.id, take(plan))
        else:
            stands.append(Known(kind=kind, id=plan.id, revision=gone))

    async def dropped(gone: Known) -> int:
        world.note_gone(gone)
        await network.drop(gone)
        return gone.revision

    for gone in sorted(wanted.gone, key=lambda one: one.kind != "router"):
        await made(gone.kind, gone.id, dropped(gone))
    for group in wanted.groups:
        await planned("group", group, network.take_group)
    for external in wanted.networks:
        await planned("network", external, network.take_network)
    for server in wanted.servers:
        await made("server", server.server_id, network.take_ports(server.server_id, server.revision, server.ports))
    for router in wanted.routers:
        await planned("router", router, network.take_router)
    return FabricStands(stands=tuple(stands), refused=refused)
