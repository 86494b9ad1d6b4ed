"""Steps 3 to 5, on control: choose and claim a host, fix the addresses, and put the order in that one node's queue.

Still the order transaction. When no host fits, the answer is 202 all the same, and the server is in ERROR with the reason.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from kilonova.build.admit import OrderWorld
from kilonova.build.company import company_of, group_of
from kilonova.build.news import news_of
from kilonova.build.record import Placed, Requested, grow
from kilonova.build.volumes import reserve_volumes, try_volumes
from kilonova.build.wish import NicWish, Wish
from kilonova.errors import BadRequest, NotFound
from kilonova.model.host import Host
from kilonova.model.ids import NodeName
from kilonova.model.port import Port
from kilonova.model.server import Fault
from kilonova.model.span import Span
from kilonova.model.volume_link import VolumeLink
from kilonova.scheduler import Choice, Need, choose, for_admin, for_owner
from kilonova.scheduler.company import ANYWHERE

NO_VALID_HOST = 500
"""The code of the fault, as Nova gives it."""


class Seat(Struct, frozen=True, kw_only=True):
    """One server on its way to a host."""

    wish: Wish
    nics: tuple[NicWish, ...]
    request: Requested
    spans: Callable[[], tuple[Span, ...]]
    """What was timed so far."""
    attempt: int = 1
    tried: frozenset[str] = frozenset()
    choice: Choice | None = None
    network_node: NodeName = NodeName("")
    ports: tuple[Port, ...] = ()
    placed: Placed | None = None
    fault: Fault | None = None


def choose_host(seat: Seat, world: OrderWorld) -> Seat:
    """The scheduler works out where the server should go, and why it cannot go elsewhere."""
    flavor, desk = seat.request.flavor, world.desk
    need = Need(
        vcpus=flavor.vcpus,
        ram_mb=flavor.ram_mb,
        disk_gb=flavor.disk_gb + flavor.ephemeral_gb,
        zone=seat.request.availability_zone,
        host=seat.request.only_host,
        tried=seat.tried,
        ratios=desk.ratios,
        company=company_of(seat.request, world.books) if seat.request.hints else ANYWHERE,
    )
    choice = choose(need, world.books.hosts.snapshot(desk.now))
    if choice.host is None:
        fault = Fault(code=NO_VALID_HOST, message=for_owner(need, choice), details=for_admin(choice), created_at=desk.now)
        return replace(seat, choice=choice, fault=fault)
    network_node = world.books.hosts.network_node(desk.now) if seat.nics else NodeName("")
    if network_node is None:
        message = "No valid host was found. No network node answers, and the server asks for a network."
        return replace(seat, choice=choice, fault=Fault(code=NO_VALID_HOST, message=message, created_at=desk.now))
    return replace(seat, choice=choice, network_node=network_node)


def claim_host(seat: Seat, world: OrderWorld) -> Seat:
    """The host's room is this server's from now on."""
    if seat.fault is None and seat.choice is not None and seat.choice.host is not None:
        world.books.hosts.claim(seat.choice.host.name, seat.request.server_id, seat.request.flavor)
    return seat


def give_addresses(seat: Seat, world: OrderWorld) -> Seat:
    """MAC and IP addresses are fixed here, before anything is wired. Without a host they are only tried: nonsense is refused."""
    host = seat.choice.host if seat.fault is None and seat.choice is not None else None
    ports = tuple(_port(nic, seat, host.name if host else "", world) for nic in seat.nics)
    if host is None:
        world.books.networks.release_server_ports(seat.request.server_id)
    return replace(seat, ports=ports if host else ())


def record_server(seat: Seat, world: OrderWorld) -> Seat:
    """The server is in the ledger: BUILD, or ERROR with the reason."""
    request, wish = seat.request, seat.wish
    extra = {
        "description": wish.description,
        "tags": wish.tags,
        "idempotency_key": wish.idempotency_key,
        "access_ipv4": wish.access_ipv4,
        "access_ipv6": wish.access_ipv6,
        "security_groups": wish.security_groups,
        "disk_config": wish.disk_config,
    }
    world.books.servers.insert(request, extra, seat.fault)
    if request.hints and (group := group_of(request.hints)):
        world.books.server_groups.join(group, request.server_id)
    world.books.actions.begin(request, "create", seat.spans(), wish.traceparent)
    if seat.fault is not None or seat.choice is None or seat.choice.host is None:
        try_volumes(wish, request.server_id, world)
        return seat
    volumes = reserve_volumes(wish, request.server_id, world) if wish.block_devices else ()
    return replace(seat, placed=_placed(seat, seat.choice.host, volumes, world))


def queue_order(seat: Seat, world: OrderWorld) -> Seat:
    """The message for the queue of that one compute node is written down with the rest; the relay drops it in."""
    books = world.books
    if seat.placed is None:
        assert seat.fault is not None
        books.actions.end(seat.request.server_id, seat.fault.message, world.desk.now)
        books.orders.announce("instance.create.error", seat.request.server_id, news_of(seat.request, "error", seat.fault))
        return seat
    books.servers.place(seat.placed)
    books.orders.queue_build(seat.placed, seat.wish.traceparent)
    if seat.attempt == 1:
        books.orders.announce("instance.create.start", seat.request.server_id, news_of(seat.request, "building", None))
    return seat


def _placed(seat: Seat, host: Host, volumes: tuple[VolumeLink, ...], world: OrderWorld) -> Placed:
    desk = world.desk
    deadline = desk.now + desk.build_limit_s
    image = seat.request.image
    known: dict[str, Any] = {
        "host": host.name,
        "node": host.node,
        "zone": host.availability_zone,
        "network_node": seat.network_node,
        "attempt": seat.attempt,
        "deadline": deadline,
        "ordered_at": desk.now,
        "ports": seat.ports,
        "volumes": volumes,
        "image_ticket": desk.ticket(image.id, host.name, deadline) if image else "",
    }
    return grow(seat.request, Placed, **known)


def _port(nic: NicWish, seat: Seat, host: str, world: OrderWorld) -> Port:
    caller, request, now = seat.wish.caller, seat.request, world.desk.now
    try:
        if nic.port_id is not None:
            project = None if caller.is_admin else caller.project_id
            return world.books.networks.bind_server_port(
                port_id=nic.port_id, project_id=project, server_id=request.server_id, host=host, now=now
            )
        assert nic.network_id is not None
        return world.books.networks.make_server_port(
            project_id=request.project_id,
            server_id=request.server_id,
            network_id=nic.network_id,
            fixed_ip=nic.fixed_ip,
            host=host,
            security_groups=seat.wish.security_groups,
            now=now,
        )
    except NotFound as missing:
        raise BadRequest(str(missing)) from None
