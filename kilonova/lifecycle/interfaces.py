"""A NIC more, or one less, in a server that runs or is off. Control fixes the port first; the node wires it and plugs it in.

The network node is always told all ports of the server, as they are to be, so that what comes twice changes nothing.
"""

from kilonova.build.admit import OrderWorld
from kilonova.build.connect import NetworkGiven, NetworkWanted
from kilonova.build.documents import documents
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Placed, grow
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.build.wish import NicWish
from kilonova.errors import BadRequest, BuildFailed, NotFound, TimedOut, Unavailable
from kilonova.lifecycle.task import Asked, Asking, ServerAction, order_task, report_done
from kilonova.model.ids import PortId
from kilonova.model.port import Port
from kilonova.model.server import Server
from kilonova.saga import Saga


class AttachInterface(Asked, frozen=True, kw_only=True):
    """`ports` are all of the server's, the new one included."""

    new_port: PortId


class DetachInterface(Asked, frozen=True, kw_only=True):
    """`ports` are those that stay."""

    old_port: Port


def order_attach(server: Server, asking: Asking, world: OrderWorld, *, nic: NicWish) -> Port:
    """On control: the port is made, or the owner's own is bound; the address is fixed at once. Raises BadRequest, Conflict, …"""
    books, now = world.books, world.desk.now
    if nic.port_id is not None:
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
    """On control. Raises NotFound when the port is not this server's."""
    ports = world.books.networks.server_ports_of(server.id)
    old = next((port for port in ports if port.id == port_id), None)
    if old is None:
        raise NotFound(f"Port {port_id} could not be found.")
    stay = tuple(port for port in ports if port.id != port_id)
    order_task(server, asking, DetachInterface, None, world, old_port=old, ports=stay)


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
    .then(plug_in, undo=unplug)
    .then(report_attached)
)

DETACH_INTERFACE = (
    Saga.starting_with(DetachInterface, ComputeWorld, name="detach_interface", at="compute")
    .then(pull_out, undo=put_back)
    .then(unwire_one)
    .then(report_detached)
)


def note_attached(attach: AttachInterface, report: TaskDone, world: OrderWorld) -> None:
    """On control: the port is ACTIVE."""
    world.books.networks.set_server_ports_status(attach.server_id, "ACTIVE", report.at)


def note_not_attached(attach: AttachInterface, report: TaskFailed, world: OrderWorld) -> None:
    """On control: the port goes back to whom it came from."""
    world.books.networks.release_server_port(attach.server_id, attach.new_port)


def note_detached(detach: DetachInterface, report: TaskDone, world: OrderWorld) -> None:
    """On control: the port goes, or is its owner's again."""
    world.books.networks.release_server_port(detach.server_id, detach.old_port.id)


def note_not_detached(detach: DetachInterface, report: TaskFailed, world: OrderWorld) -> None:
    """On control: it stays; the history says why."""


def it_stays(task: Asked, world: OrderWorld) -> None:
    """On control, when no word came in time: the port stays this server's, as the guest may have it."""


INTERFACES = {
    "attach_interface": ServerAction(ATTACH_INTERFACE, note_attached, note_not_attached, it_stays),
    "detach_interface": ServerAction(DETACH_INTERFACE, note_detached, note_not_detached, it_stays),
}


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
