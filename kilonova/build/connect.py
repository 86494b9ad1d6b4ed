"""Steps 7 and 8: the compute node asks the network node and waits; and what the network node does. Both ends, one file."""

import time

from msgspec import Struct

from kilonova.build.needs import ComputeWorld, NetworkWorld
from kilonova.build.record import Disked, Wired, grow
from kilonova.build.report import BuildProgress
from kilonova.errors import BuildFailed, KilonovaError, TimedOut, Unavailable
from kilonova.metadata import documents
from kilonova.model.ids import ServerId
from kilonova.model.port import Port, Wire
from kilonova.model.span import Span


class NetworkWanted(Struct, frozen=True, kw_only=True):
    """compute → the network node's queue."""

    server_id: ServerId
    attempt: int
    ports: tuple[Port, ...]
    documents: dict[str, bytes]
    number: int = 0
    """As `WishNumbers`: what was wished for earlier counts no more. 0: nobody can tell."""


class NetworkGiven(Struct, frozen=True, kw_only=True):
    """The network node's answer. `refused` says why there are no wires. `queued` and `work` in seconds."""

    wires: tuple[Wire, ...] = ()
    refused: str = ""
    queued: float = 0.0
    work: float = 0.0


class NetworkNotWanted(Struct, frozen=True, kw_only=True):
    """compute → the network node's queue: this attempt needs no network any more; a newer one on another host may."""

    server_id: ServerId
    attempt: int


async def ask_for_network(build: Disked, world: ComputeWorld) -> Wired:
    """A message into the network node's queue, and the wait while the networks are assembled."""
    if not build.ports:
        return grow(build, Wired, wires=())
    world.tell(
        BuildProgress(server_id=build.server_id, host=build.host, attempt=build.attempt, at=time.time(), task_state="networking")
    )
    number, told = world.number_of_wish(build.attempt), documents(build)
    wanted = NetworkWanted(server_id=build.server_id, attempt=build.attempt, ports=build.ports, documents=told, number=number)
    asked_at = time.time()
    try:
        given = await world.ask_network(build.network_node, wanted, NetworkGiven)
    except Unavailable:
        raise TimedOut("The network node did not answer in time.") from None
    if given.refused:
        raise BuildFailed(given.refused)
    world.note((build.server_id, build.host), _assembled(asked_at, given))
    return grow(build, Wired, wires=given.wires)


async def release_network(build: Disked, world: ComputeWorld) -> None:
    """The network node forgets the server's ports; waited for, so that an address is never given out while it is still wired."""
    if build.ports:
        message = NetworkNotWanted(server_id=build.server_id, attempt=build.attempt)
        await world.ask_network(build.network_node, message, NetworkGiven)


async def wire_ports(wanted: NetworkWanted, world: NetworkWorld) -> NetworkGiven:
    """On the network node: bridge, DHCP entry, metadata and way out of every port; a refusal is an answer too."""
    try:
        wires = await world.network.wire(wanted.server_id, wanted.ports, wanted.documents)
    except KilonovaError as error:
        return NetworkGiven(refused=str(error))
    return NetworkGiven(wires=wires)


async def unwire_ports(message: NetworkNotWanted, world: NetworkWorld) -> NetworkGiven:
    """On the network node: as if the server's ports had never been."""
    await world.network.unwire(message.server_id)
    return NetworkGiven()


def _assembled(asked_at: float, given: NetworkGiven) -> Span:
    """The network node's own share of the wait."""
    return Span(
        step=7, name="wire_ports", place="network", started_at=asked_at + given.queued, queued=given.queued, work=given.work
    )
