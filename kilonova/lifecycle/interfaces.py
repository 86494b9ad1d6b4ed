"""A NIC more, or one less, in a server that runs or is off. Control fixes the port first; the node wires it and plugs it in.

The network node is always told all ports of the server, as they are to be, so that what comes twice changes nothing. As they
are to be when the order is written: what is carried out only after others that were written later would undo those. So at the
end of each control looks at what is still under way for the server, and says once more what must be where others say otherwise.
A port is given back only when nothing is left that may bring it into the guest again.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from kilonova.build.admit import OrderWorld
from kilonova.build.connect import NetworkGiven, NetworkWanted
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Placed, grow
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.build.wish import NicWish
from kilonova.errors import BadRequest, BuildFailed, Conflict, NotFound, TimedOut, Unavailable
from kilonova.lifecycle.task import (
    Asked,
    Asking,
    Nics,
    ServerAction,
    as_it_is,
    ask_again,
    order_task,
    ports_leaving,
    ports_to_be,
    report_done,
)
from kilonova.metadata import documents
from kilonova.model.ids import PortId, new_uuid
from kilonova.model.port import Port
from kilonova.model.server import Server
from kilonova.saga import Saga


class AttachInterface(Asked, frozen=True, kw_only=True):
    """`ports` are all of the server's, the new one included."""

    new_port: PortId


class DetachInterface(Asked, frozen=True, kw_only=True):
    """`ports` are those that stay."""

    old_port: Port
    deleted: bool = False
    """There is no such port any more, so nothing puts it back."""


def order_attach(server: Server, asking: Asking, world: OrderWorld, *, nic: NicWish) -> Port:
    """On control: the port is made, or the owner's own is bound; the address is fixed at once. Raises BadRequest, Conflict, …"""
    books, now = world.books, world.desk.now
    if nic.port_id is not None:
        _refuse_leaving(server, nic.port_id, world)
        project = None if asking.caller.is_admin else server.project_id
        port = books.networks.bind_server_port(
            port_id=nic.port_id, project_id=project, server_id=server.id, host=server.host or "", now=now
        )
    else:
        port = books.networks.make_server_port(
            project_id=server.project_id,
            server_id=server.id,
            network_id=nic.network_id or _only_network(server, world),
            fixed_ip=nic.fixed_ip,
            host=server.host or "",
            security_groups=("default",),
            now=now,
        )
    order_task(server, asking, AttachInterface, None, world, new_port=port.id)
    return port


def order_detach(server: Server, asking: Asking, world: OrderWorld, *, port_id: str) -> None:
    """On control. Raises NotFound when the port is not this server's, Conflict when it is being detached already."""
    _refuse_leaving(server, port_id, world)
    ports = ports_to_be(server.id, world)
    old = next((port for port in ports if port.id == port_id), None)
    if old is None:
        raise NotFound(f"Port {port_id} could not be found.")
    stay = tuple(port for port in ports if port.id != port_id)
    order_task(server, asking, DetachInterface, None, world, old_port=old, ports=stay)


def order_out(server_id: str, port_id: str, world: OrderWorld) -> None:
    """On control: a server's port is about to be deleted, so its guest and the network node let go of it, whatever it does.

    Not while it is being built: see `order_out_after_build`.
    """
    books = world.books
    server = books.servers.whatever(server_id)
    old = next((port for port in books.networks.server_ports_of(server_id) if port.id == port_id), None)
    if server is None or old is None or not books.hosts.has_claim(server_id) or books.servers.is_deleting(server_id):
        return  # there is no guest, or it goes anyway
    if books.orders.placed(server_id) is None and port_id not in ports_leaving(server_id, world):
        _order_out(as_it_is(server, world), server, old, world)


def order_out_after_build(built: Placed, world: OrderWorld) -> None:
    """On control: a guest runs, and some of the ports in its order may have been deleted meanwhile."""
    books = world.books
    server = books.servers.of_attempt(built.server_id, built.attempt)
    gone = _ids(built.ports) - _ids(books.networks.server_ports_of(built.server_id))
    if server is None or not gone or books.servers.is_deleting(server.id):
        return
    now_is = replace(as_it_is(server, world), network_node=built.network_node)
    for old in built.ports:
        if old.id in gone:
            _order_out(now_is, server, old, world)


def _order_out(now_is: Placed, server: Server, old: Port, world: OrderWorld) -> None:
    """Without a row in the history: nobody has asked for this action, and nobody waits for it."""
    detach = grow(
        now_is,
        DetachInterface,
        task_id=new_uuid(),
        request_id=f"req-{new_uuid()}",
        action="detach_interface",
        was_vm_state=server.vm_state,
        was_power_state=server.power_state,
        old_port=old,
        ports=tuple(port for port in now_is.ports if port.id != old.id),
        deleted=True,
    )
    ask_again(detach, world)


async def wire_all(attach: AttachInterface, world: ComputeWorld) -> AttachInterface:
    """The network node lets the new port in."""
    await _tell_network(attach, attach.ports, world)
    return attach


async def wire_the_others(attach: AttachInterface, world: ComputeWorld) -> None:
    """As if the new port had never been."""
    await _tell_network(attach, tuple(port for port in attach.ports if port.id != attach.new_port), world)


async def plug_in(attach: AttachInterface, world: ComputeWorld) -> AttachInterface:
    """The NIC appears in the running guest; one that is off has it when it starts."""
    await _plug(attach, attach.ports, attach.new_port, world)
    return attach


async def unplug(attach: AttachInterface, world: ComputeWorld) -> None:
    """It is gone again."""
    await world.hypervisor(attach.host).unplug_nic(attach.server_id, attach.new_port)


async def report_attached(attach: AttachInterface, world: ComputeWorld) -> AttachInterface:
    """The node's last word."""
    return await report_done(attach, world)


async def pull_out(detach: DetachInterface, world: ComputeWorld) -> DetachInterface:
    """The running guest lets go of the NIC."""
    await world.hypervisor(detach.host).unplug_nic(detach.server_id, detach.old_port.id)
    return detach


async def put_back(detach: DetachInterface, world: ComputeWorld) -> None:
    """As an undo: the port is the server's still, so the running guest has its NIC again."""
    if not detach.deleted:
        await _plug(detach, (*detach.ports, detach.old_port), detach.old_port.id, world)


async def unwire_one(detach: DetachInterface, world: ComputeWorld) -> DetachInterface:
    """The network node keeps only the ports that stay."""
    await _tell_network(detach, detach.ports, world)
    return detach


async def report_detached(detach: DetachInterface, world: ComputeWorld) -> DetachInterface:
    """The node's last word."""
    return await report_done(detach, world)


ATTACH_INTERFACE = (
    Saga.starting_with(AttachInterface, ComputeWorld, name="attach_interface", at="compute")
    .then(wire_all, undo=wire_the_others, unsure=True)
    .then(plug_in, undo=unplug, by_others=True)  # a reboot that was ordered later and came earlier has started it with the NIC
    .then(report_attached)
)

DETACH_INTERFACE = (
    Saga.starting_with(DetachInterface, ComputeWorld, name="detach_interface", at="compute")
    .then(pull_out, undo=put_back, by_others=True)  # or without it
    .then(unwire_one)
    .then(report_detached)
)


def note_attached(attach: AttachInterface, report: TaskDone, world: OrderWorld) -> None:
    """On control: the port is ACTIVE."""
    world.books.networks.set_server_ports_status(attach.server_id, "ACTIVE", report.at)
    _it_stays(attach, attach.new_port, world)


def note_not_attached(attach: AttachInterface, report: TaskFailed, world: OrderWorld) -> None:
    """On control: the port goes back to whom it came from, once the guest and the network node have let go of it."""
    _it_goes(attach, attach.new_port, world, sure=not report.left)


def note_detached(detach: DetachInterface, report: TaskDone, world: OrderWorld) -> None:
    """On control: the port goes, or is its owner's again."""
    if _is_there(detach, world):
        _it_goes(detach, detach.old_port.id, world, sure=True)
    else:
        _stay_out(detach, world, sure=True)


def note_not_detached(detach: DetachInterface, report: TaskFailed, world: OrderWorld) -> None:
    """On control: it stays; the history says why. One that was deleted meanwhile goes all the same.

    So does one that could not be put back: nobody knows whether the guest has it, and it was to go.
    """
    if not _is_there(detach, world):
        _stay_out(detach, world, sure=False)
    elif pull_out.__name__ in report.left:
        _it_goes(detach, detach.old_port.id, world, sure=False)
    else:
        _it_stays(detach, detach.old_port.id, world)


def attach_overdue(attach: AttachInterface, world: OrderWorld) -> None:
    """On control: the port stays this server's, as the guest may have it, and its node is asked until it has spoken."""
    if attach.new_port in _ids(world.books.networks.server_ports_of(attach.server_id)):
        ask_again(attach, world)


def detach_overdue(detach: DetachInterface, world: OrderWorld) -> None:
    """On control: the port stays this server's until the node has spoken, and goes then."""
    ask_again(detach if _is_there(detach, world) else replace(detach, deleted=True), world)


def _it_stays(task: Asked, port_id: PortId, world: OrderWorld) -> None:
    """The port is the server's: when `task` is over its guest has the NIC, and the network node the port."""
    ports = ports_to_be(task.server_id, world)
    if port_id not in _ids(ports):
        return  # it has gone since, or is on its way
    others = world.books.orders.tasks_of(task.server_id, Nics)
    if any(port_id not in _ids(one.ports) for one in others):
        _once_more(grow(task, AttachInterface, new_port=port_id, ports=ports), world)


def _it_goes(task: Asked, port_id: PortId, world: OrderWorld, *, sure: bool) -> None:
    """The port is the server's no more. `sure`: neither its guest nor the network node has it when `task` is over."""
    ports = ports_to_be(task.server_id, world)
    old = next((port for port in ports if port.id == port_id), None)
    if old is None:
        return  # it has gone, or is on its way
    others = world.books.orders.tasks_of(task.server_id, Nics)
    if not sure or any(port_id in _ids(one.ports) for one in others):
        stay = tuple(port for port in ports if port.id != port_id)
        _once_more(grow(task, DetachInterface, old_port=old, ports=stay), world)
    else:
        world.books.networks.release_server_port(task.server_id, port_id)


def _is_there(detach: DetachInterface, world: OrderWorld) -> bool:
    """False: the port was deleted through the Network API."""
    return detach.old_port.id in _ids(world.books.networks.server_ports_of(detach.server_id))


def _stay_out(detach: DetachInterface, world: OrderWorld, *, sure: bool) -> None:
    """The port is nobody's. `sure`: neither the guest nor the network node has it when `detach` is over."""
    others = world.books.orders.tasks_of(detach.server_id, Nics)
    if not sure or any(detach.old_port.id in _ids(one.ports) for one in others):
        _once_more(replace(detach, deleted=True, ports=ports_to_be(detach.server_id, world)), world)


def _once_more(task: Asked, world: OrderWorld) -> None:
    """Not at once, but when orders are sent again that nobody has answered: what is in its way takes that long, if it is lost."""
    anew = replace(task, task_id=new_uuid())
    ask_again(anew, world)
    world.books.orders.sent([anew.task_id], (), world.desk.now)


INTERFACES = {
    "attach_interface": ServerAction(ATTACH_INTERFACE, note_attached, note_not_attached, attach_overdue),
    "detach_interface": ServerAction(DETACH_INTERFACE, note_detached, note_not_detached, detach_overdue),
}


def _ids(ports: Iterable[Port]) -> set[PortId]:
    return {port.id for port in ports}


def _refuse_leaving(server: Server, port_id: str, world: OrderWorld) -> None:
    if port_id in ports_leaving(server.id, world):
        raise Conflict(f"Port {port_id} is being detached.")


def _only_network(server: Server, world: OrderWorld) -> str:
    networks = world.books.networks.networks_for_auto(server.project_id)
    if len(networks) != 1:
        raise BadRequest("Specify the network or the port of the interface: there is not exactly one to choose.")
    return networks[0][0]


async def _plug(task: Placed, ports: tuple[Port, ...], port_id: PortId, world: ComputeWorld) -> None:
    wires = await _tell_network(task, ports, world)
    wire = next(wire for wire in wires.wires if wire.port_id == port_id)
    await world.hypervisor(task.host).plug_nic(task.server_id, wire)


async def _tell_network(task: Placed, ports: tuple[Port, ...], world: ComputeWorld) -> NetworkGiven:
    """All ports of the server as they are to be; the network node's answer. Raises BuildFailed, TimedOut."""
    as_to_be = grow(task, Placed, ports=ports)
    wanted = NetworkWanted(
        server_id=task.server_id,
        attempt=task.attempt,
        ports=ports,
        documents=documents(as_to_be),
        number=world.number_of_wish(task.attempt),
    )
    try:
        given = await world.ask_network(task.network_node, wanted, NetworkGiven)
    except Unavailable:
        raise TimedOut("The network node did not answer in time.") from None
    if given.refused:
        raise BuildFailed(given.refused)
    return given
