"""The end of a server, in whatever state it is: ordered by control, carried out by its node, repeated until it is done.

Nothing here is undone: a removal that fails is tried again, for ever, because the owner has already let go.
"""

import time

from msgspec import Struct

from kilonova.build.admit import OrderWorld
from kilonova.build.books import Books
from kilonova.build.connect import NetworkGiven, NetworkNotWanted
from kilonova.build.export import close_exports
from kilonova.build.needs import ComputeWorld
from kilonova.build.report import ServerGone
from kilonova.model.ids import HostName, NodeName, ServerId
from kilonova.model.server import Server
from kilonova.model.volume_link import VolumeLink
from kilonova.saga import Saga


class Removal(Struct, frozen=True, kw_only=True):
    """What lies in the compute node's queue: take away whatever there is of this server."""

    server_id: ServerId
    host: HostName
    node: NodeName
    network_node: NodeName
    """Empty when it has no ports."""
    attempt: int
    reason: str
    volumes: tuple[VolumeLink, ...] = ()
    """Those that are, or may be, served to it."""


async def end_guest(gone: Removal, world: ComputeWorld) -> Removal:
    """The guest's process ends at once."""
    await world.hypervisor(gone.host).destroy(gone.server_id)
    return gone


async def leave_network(gone: Removal, world: ComputeWorld) -> Removal:
    """The network node forgets its ports, before their addresses can be given to anybody else."""
    if gone.network_node:
        message = NetworkNotWanted(server_id=gone.server_id, attempt=gone.attempt)
        await world.ask_network(gone.network_node, message, NetworkGiven)
    return gone


async def release_volumes(gone: Removal, world: ComputeWorld) -> Removal:
    """Its volumes are not served to it any more, before they can be given to anybody else."""
    await close_exports(gone, gone.volumes, world)
    return gone


async def wipe_disks(gone: Removal, world: ComputeWorld) -> Removal:
    """Everything it has on the host's disk goes."""
    await world.disks(gone.host).remove(gone.server_id)
    return gone


async def report_gone(gone: Removal, world: ComputeWorld) -> Removal:
    """The node's last word; kept until control has it in the ledger."""
    world.keep(ServerGone(server_id=gone.server_id, host=gone.host, attempt=gone.attempt, at=time.time()))
    return gone


REMOVE = (
    Saga.starting_with(Removal, ComputeWorld, name="remove", at="compute")
    .then(end_guest)
    .then(leave_network)
    .then(release_volumes)
    .then(wipe_disks)
    .then(report_gone)
)


def order_removal(server: Server, request_id: str, user_id: str, world: OrderWorld) -> None:
    """On control: works in every state. Without a host there is nothing to take away, and it is gone at once."""
    books, now = world.books, world.desk.now
    placed = books.orders.placed(server.id)
    if placed is not None:
        books.orders.answered(server.id, placed.attempt)
    books.orders.no_more_tasks(server.id)
    books.images.fail_snapshots_of(server.id, now)
    books.migrations.cut_short(server.id, now)
    books.servers.deleting(server.id, now)
    books.actions.cut_short(server.id, "The server was deleted before this was over.", now)
    books.actions.begin_plain(server, "delete", request_id, user_id, now)
    books.orders.announce("instance.delete.start", server.id, {"uuid": server.id, "state": server.vm_state})
    if server.host is None or server.node is None or not books.hosts.has_claim(server.id):
        books.networks.release_server_ports(server.id)
        books.volumes.release_server(server.id, now)
        _let_its_owner_go(server.id, books, now)
        return
    books.orders.queue_removal(server, books.servers.attempt(server.id), server.node, "deleted by its owner")
    if not books.hosts.is_up(server.host, now):
        _let_its_owner_go(server.id, books, now)


def end_overdue_removal(server: Server, world: OrderWorld) -> None:
    """Its node has fallen silent since, or cannot finish: for its owner it is gone. The order, and what is held, stay."""
    books = world.books
    if books.servers.is_deleting(server.id):
        _let_its_owner_go(server.id, books, world.desk.now)


def _let_its_owner_go(server_id: str, books: Books, now: float) -> None:
    """It is deleted. Nobody need wait for a host that may never come back; an order stays in the queue for when it does."""
    books.servers.gone(server_id, now)
    books.actions.deleted(server_id, now)
    books.orders.announce("instance.delete.end", server_id, {"uuid": server_id, "state": "deleted"})


def note_gone(report: ServerGone, world: OrderWorld) -> None:
    """On control: what the server held is free again. For an older attempt on another host only the order is done with."""
    books, now = world.books, world.desk.now
    books.orders.removed(report.server_id, report.attempt)
    server = books.servers.whatever(report.server_id)
    if server is None or server.host != report.host or books.servers.attempt(report.server_id) != report.attempt:
        return  # what went was left over; the server has its place elsewhere
    books.hosts.free(report.server_id)
    books.networks.release_server_ports(report.server_id)
    books.volumes.release_server(report.server_id, now)
    books.actions.carried(report.server_id, report.attempt, report.spans)
    if books.servers.is_deleting(report.server_id):
        _let_its_owner_go(report.server_id, books, now)
