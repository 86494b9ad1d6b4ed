"""When a build fails: another host, or ERROR with a reason and everything given back. On control, in one transaction."""

from msgspec.structs import replace

from kilonova.build.admit import OrderWorld
from kilonova.build.news import news_of
from kilonova.build.place import Seat, choose_host, claim_host
from kilonova.build.record import Placed, Requested
from kilonova.build.report import ServerNotBuilt
from kilonova.build.wish import NicWish, Wish
from kilonova.model.caller import Caller
from kilonova.model.server import Fault

MAX_ATTEMPTS = 3
"""Hosts that are tried, the first included: Nova's number."""


def give_up_or_try_elsewhere(report: ServerNotBuilt, world: OrderWorld) -> None:
    """The host has taken back what it made. Is there another one, and time?"""
    books = world.books
    server = books.servers.of_attempt(report.server_id, report.attempt)
    placed = books.orders.placed(report.server_id)
    if server is None or placed is None or placed.attempt != report.attempt:
        return  # deleted meanwhile, ended by its deadline, or told before
    books.actions.carried(report.server_id, report.attempt, report.spans)
    books.orders.answered(report.server_id, report.attempt)
    books.hosts.free(report.server_id)
    if report.left:
        books.orders.queue_removal(server, report.attempt, placed.node, "not everything could be undone")
    if not report.final and placed.attempt < MAX_ATTEMPTS and world.desk.now < placed.deadline:
        again = _elsewhere(placed, world)
        if again is not None:
            books.servers.place(again)
            books.orders.queue_build(again, "")
            return
    end_in_error(placed, f"Build of instance {placed.server_id} aborted: {report.reason}", report.failed_step, world)
    if not report.left:
        books.volumes.release_server(report.server_id, world.desk.now)


def end_overdue(placed: Placed, world: OrderWorld) -> None:
    """No word came before the deadline: ERROR now, and the node takes back what it may have made as soon as it can be reached."""
    books = world.books
    server = books.servers.of_attempt(placed.server_id, placed.attempt)
    books.orders.answered(placed.server_id, placed.attempt)
    if server is None:
        return
    books.orders.queue_removal(server, placed.attempt, placed.node, "its deadline is over")
    waited = int(placed.deadline - placed.created_at)
    books.servers.fails(
        placed.server_id,
        Fault(
            code=500,
            message=f"The server was not built within {waited} s: its host did not report the end of the build in time.",
            details=f"host {placed.host}, attempt {placed.attempt}, last task {server.task_state}",
            created_at=world.desk.now,
        ),
    )
    books.actions.end(placed.server_id, "The deadline of the build is over.", world.desk.now)
    books.orders.announce("instance.create.error", placed.server_id, news_of(placed, "error", None))


def end_in_error(build: Requested, reason: str, failed_step: str, world: OrderWorld) -> None:
    """The server stays, in ERROR, and says why; its ports and its claim go."""
    books, now = world.books, world.desk.now
    host = build.host if isinstance(build, Placed) else ""
    fault = Fault(code=500, message=reason, details=f"step {failed_step} on host {host}", created_at=now)
    books.servers.fails(build.server_id, fault)
    books.networks.release_server_ports(build.server_id)
    books.actions.end(build.server_id, reason, now)
    books.orders.announce("instance.create.error", build.server_id, news_of(build, "error", fault))


def _elsewhere(placed: Placed, world: OrderWorld) -> Placed | None:
    """The next host for the same server with the same addresses, or None."""
    wish = Wish(
        caller=Caller(user_id=placed.user_id, user_name="", project_id=placed.project_id),
        request_id=placed.request_id,
        name=placed.name,
        flavor_id=placed.flavor.id,
        image_id=placed.image.id if placed.image else None,
    )
    seat = Seat(
        wish=wish,
        nics=tuple(NicWish(port_id=port.id) for port in placed.ports),
        request=placed,
        spans=tuple,
        attempt=placed.attempt + 1,
        tried=frozenset({placed.host}) | frozenset(placed.tried),
    )
    seat = claim_host(choose_host(seat, world), world)
    if seat.fault is not None or seat.choice is None or seat.choice.host is None:
        return None
    host, desk = seat.choice.host, world.desk
    world.books.networks.move_server_ports(placed.server_id, host.name, desk.now)
    ticket = desk.ticket(placed.image.id, host.name, placed.deadline) if placed.image else ""
    return replace(
        placed,
        host=host.name,
        node=host.node,
        zone=host.availability_zone,
        network_node=seat.network_node or placed.network_node,
        attempt=placed.attempt + 1,
        tried=(*placed.tried, placed.host),
        ordered_at=desk.now,
        image_ticket=ticket,
    )
