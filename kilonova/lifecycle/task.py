"""What every later action on a server has in common: how control orders it, what lies in the queue, how its end is noted.

An action is a saga on the server's compute node. Control writes, in one transaction: the task state, the action's row and the
order; the node does it and gives its last word; control writes down what has changed. While it is under way the server's task
state refuses other actions; a deadline ends it if no word comes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import Struct, structs

from kilonova.build.admit import OrderWorld
from kilonova.build.needs import ComputeWorld
from kilonova.build.record import Placed, grow
from kilonova.build.report import TaskDone, TaskFailed
from kilonova.errors import Conflict
from kilonova.model.caller import Caller
from kilonova.model.ids import HostName, NodeName, PortId, new_uuid
from kilonova.model.port import Port
from kilonova.model.server import Fault, Server
from kilonova.model.server_states import refuse_in_this_state
from kilonova.saga import Saga


class Asked(Placed, frozen=True, kw_only=True):
    """An action as it lies in the compute node's queue: the whole server as it must be now, and what was asked. Subclassed."""

    action: str
    """What os-instance-actions calls it."""
    was_vm_state: str
    was_power_state: int
    was_task_state: str | None = None
    before: Placed | None = None
    """The server as it was, for an action that changes what it is; None: as this record says."""
    again: bool = False
    """Its time is over, and the history says so: it is asked for until its node has said how it ended (see `ask_again`)."""


class Nics(Struct, frozen=True):
    """What an order that is under way says of its server's NICs: as they were to be when it was written."""

    ports: tuple[Port, ...] = ()
    old_port: Port | None = None


Order = TypeVar("Order", bound=Asked)
Record = TypeVar("Record", bound=Placed)


@dataclass(frozen=True)
class ServerAction:
    """One action: its saga, and what control does at its end. `failed` after the node has taken back what it made."""

    saga: Saga[Any, Any, Any]
    done: Callable[[Any, TaskDone, OrderWorld], None]
    failed: Callable[[Any, TaskFailed, OrderWorld], None]
    overdue: Callable[[Any, OrderWorld], None] | None = None
    """What control does when no word came in time; None: the server is in ERROR."""


@dataclass(frozen=True)
class Asking:
    """Who asks for what: `action` is its name in the table of states and in the history."""

    caller: Caller
    request_id: str
    action: str


def order_task(
    server: Server, asking: Asking, order: type[Order], task_state: str | None, world: OrderWorld, **details: Any
) -> Order:
    """On control: the order is written and the task state set. Raises Conflict when the server's state does not allow it."""
    refuse_in_this_state(server, asking.action)
    books, now = world.books, world.desk.now
    name = asking.action.removesuffix(" hard")
    books.actions.begin_plain(server, name, asking.request_id, asking.caller.user_id, now)
    known: dict[str, Any] = {
        "task_id": new_uuid(),
        "action": name,
        "request_id": asking.request_id,
        "was_vm_state": server.vm_state,
        "was_power_state": server.power_state,
        "was_task_state": server.task_state,
    }
    task = grow(as_it_is(server, world), order, **{**known, **details})
    if task_state is not None:
        books.servers.set_task(server.id, task_state, now)
    books.orders.queue_task(task)
    books.orders.announce(f"instance.{name}.start", server.id, {"uuid": server.id, "state": server.vm_state})
    return task


def as_it_is(server: Server, world: OrderWorld) -> Placed:
    """The server as the ledger says it must be at this moment: its record, with what has changed since it was built."""
    books, desk = world.books, world.desk
    record = books.servers.record(server.id)
    if record is None or server.host is None or server.node is None or not books.hosts.has_claim(server.id):
        raise Conflict(f"Instance {server.id} has no host.")
    deadline = desk.now + desk.action_limit_s
    ports = ports_to_be(server.id, world)
    network_node = _network_node(record, world) if ports else NodeName("")
    ticket = desk.ticket(record.image.id, server.host, deadline) if record.image else ""
    return grow(
        record,
        Placed,
        name=server.name,
        hostname=server.hostname,
        metadata=server.metadata,
        flavor=server.flavor,
        host=HostName(server.host),
        node=NodeName(server.node),
        attempt=books.servers.attempt(server.id),
        network_node=network_node,
        ports=ports,
        volumes=books.volumes.links_of_server(server.id),
        deadline=deadline,
        ordered_at=desk.now,
        image_ticket=ticket,
    )


def ports_to_be(server_id: str, world: OrderWorld) -> tuple[Port, ...]:
    """All of the server's but those on their way out, which nothing that is ordered now may bring back."""
    leaving = ports_leaving(server_id, world)
    return tuple(port for port in world.books.networks.server_ports_of(server_id) if port.id not in leaving)


def ports_leaving(server_id: str, world: OrderWorld) -> set[PortId]:
    """Those that are being detached."""
    return {one.old_port.id for one in world.books.orders.tasks_of(server_id, Nics) if one.old_port is not None}


def _network_node(record: Placed, world: OrderWorld) -> NodeName:
    """One that answers; else the one it was built with; else any: a server may have got its first port only later."""
    hosts = world.books.hosts
    name = hosts.network_node(world.desk.now) or record.network_node or hosts.any_network_node()
    if not name:
        raise Conflict("There is no network node.")
    return name


async def report_done(record: Record, world: ComputeWorld, **facts: str) -> Record:
    """On the node: its last word on the action, kept until control has it."""
    import time

    world.keep(
        TaskDone(
            server_id=record.server_id,
            host=record.host,
            attempt=record.attempt,
            at=time.time(),
            task_id=record.task_id,
            facts=facts,
        )
    )
    return record


def note_task(report: TaskDone | TaskFailed, actions: Mapping[str, ServerAction], world: OrderWorld) -> None:
    """On control: the end of an action. One that is over already (its deadline, the server's end) changes nothing."""
    books, now = world.books, world.desk.now
    found = books.orders.task(report.task_id, actions)
    if found is None:
        return
    name, task = found
    books.orders.task_over(report.task_id)
    server = books.servers.of_attempt(report.server_id, report.attempt)
    if server is None or books.servers.is_deleting(report.server_id):
        return
    books.actions.carried(report.server_id, report.attempt, report.spans, task.request_id)
    if isinstance(report, TaskDone):
        actions[name].done(task, report, world)
    else:
        actions[name].failed(task, report, world)
    if task.again:
        return  # nobody waits for it any more
    if isinstance(report, TaskDone):
        books.actions.end(report.server_id, None, now, task.request_id)
        books.orders.announce(f"instance.{task.action}.end", server.id, {"uuid": server.id})
    else:
        books.actions.end(report.server_id, report.reason, now, task.request_id)
        books.orders.announce(f"instance.{task.action}.error", server.id, {"uuid": server.id, "reason": report.reason})


def end_overdue_task(task: Asked, action: ServerAction, world: OrderWorld) -> None:
    """No word came before the deadline: the server is in ERROR with the reason; the next hello says what is really there."""
    books = world.books
    books.orders.task_over(task.task_id)
    if books.servers.of_attempt(task.server_id, task.attempt) is None or books.servers.is_deleting(task.server_id):
        return
    (action.overdue or nobody_knows)(task, world)
    if task.again:
        return  # that is known already
    books.actions.end(task.server_id, _no_word(task), world.desk.now, task.request_id)
    books.orders.announce(f"instance.{task.action}.error", task.server_id, {"uuid": task.server_id, "reason": _no_word(task)})


def ask_again(task: Asked, world: OrderWorld, task_id: str = "") -> bool:
    """The order lies in its node's queue again, with new time: what it left in the guest is known once there is a word.

    Under another `task_id` the node does it once more, also what it has done or given up already. False, and nothing is asked:
    the server is gone, or on another host.
    """
    now, server = world.desk.now, world.books.servers.of_attempt(task.server_id, task.attempt)
    if server is None or server.host != task.host:
        return False
    late = structs.replace(
        task, task_id=task_id or task.task_id, again=True, ordered_at=now, deadline=now + world.desk.action_limit_s
    )
    world.books.orders.queue_task(late)
    return True


def nobody_knows(task: Asked, world: OrderWorld) -> None:
    """What most actions do when no word came: what the guest is now, nobody can say, so it is in ERROR."""
    fault = Fault(code=500, message=_no_word(task), details=f"host {task.host}", created_at=world.desk.now)
    world.books.servers.fails(task.server_id, fault)


def _no_word(task: Asked) -> str:
    return f"The action {task.action} was not over within its time: the server's host did not report its end."


def back_to_before(task: Asked, report: TaskFailed, world: OrderWorld) -> None:
    """What most actions do when they fail: the server is as it was, and the history says what went wrong."""
    world.books.servers.power_is(task.server_id, task.was_vm_state, task.was_power_state, world.desk.now)


def back_or_error(task: Asked, report: TaskFailed, world: OrderWorld) -> None:
    """As it was, when everything could be taken back; otherwise nobody knows what the guest is, and it is in ERROR."""
    if report.left:
        into_error(task, report, world)
    else:
        back_to_before(task, report, world)


def into_error(task: Asked, report: TaskFailed, world: OrderWorld) -> None:
    """What an action does that has taken the guest away and could not bring it back."""
    fault = Fault(
        code=500, message=report.reason, details=f"step {report.failed_step} on host {task.host}", created_at=world.desk.now
    )
    world.books.servers.fails(task.server_id, fault)
