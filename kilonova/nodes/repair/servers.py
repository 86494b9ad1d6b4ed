"""What is mended in the ledger of servers, hosts, orders and history: by the functions that the stories use."""

from collections.abc import Mapping

from msgspec.structs import replace

from kilonova.build.giveup import end_overdue
from kilonova.build.report import ServerRuns
from kilonova.build.start import announce_running
from kilonova.lifecycle.remove import order_removal
from kilonova.lifecycle.resize import both_sizes
from kilonova.model import server as states
from kilonova.model.ids import new_uuid
from kilonova.model.server import Fault, Server
from kilonova.nodes.repair.case import Case, LeftAlone, Mend

LOST = "What was to be done was lost inside the cloud; nothing is known of its end."
TIME_LEFT_S = 10.0
"""A build with less time than this is not begun again."""


def _server(case: Case, server_id: str) -> Server:
    server = case.tx.servers.whatever(server_id)
    if server is None or server.deleted_at is not None:
        raise LeftAlone("its server is gone by now")
    return server


def _give_room_back(case: Case) -> str:
    server = case.tx.servers.whatever(case.about)
    if server is not None and server.deleted_at is None:
        raise LeftAlone("its server is there by now")
    case.refuse_busy(case.about)
    case.refuse_silent(case.finding.host)
    case.tx.hosts.free(case.about)
    return f"its room on {case.finding.host} is free again"


def _hold_room(case: Case) -> str:
    """Anew on the server's host, of the size that it holds."""
    server = _server(case, case.about)
    case.refuse_busy(case.about)
    claimed = case.tx.hosts.claims().get(case.about)
    if claimed is not None and claimed != server.host and _is_there(case, claimed):
        raise LeftAlone(f"its guest or its disks are on {claimed}, where its room is held: which is right is not known")
    if server.host is None:
        raise LeftAlone("it has no host")
    resized = server.vm_state == states.RESIZED and server.other_flavor is not None
    size = both_sizes(server.other_flavor, server.flavor) if resized and server.other_flavor else server.flavor
    case.tx.hosts.free(server.id)
    case.tx.hosts.claim(server.host, server.id, size)
    return f"its room is held on {server.host}"


def _is_there(case: Case, host: str) -> bool:
    for inventory in case.seen.told:
        for one in inventory.hosts:
            if one.facts.host == host and case.about in {*one.guests, *one.with_disks}:
                return True
    return False


def _count_host(case: Case) -> str:
    case.book.recount_host(case.about)
    return "its counters are the sum of its claims"


def _count_quota(case: Case) -> str:
    for server in case.seen.view.servers:
        if server.project_id == case.about and (now_is := case.tx.servers.whatever(server.id)) is not None:
            case.book.recount_size(server.id, *now_is.held)
    return "the sizes of its servers are written down again"


def _build_again(case: Case) -> str:
    server = _server(case, case.about)
    case.refuse_busy(server.id)
    placed = case.tx.servers.record(server.id)
    if placed is None or server.host is None:
        _fail(case, server)
        case.tx.networks.release_server_ports(server.id)
        return "it had no host: it is in ERROR, and says why"
    if _guest_of(case, server) == "running" and case.tx.hosts.has_claim(server.id):
        case.tx.orders.queue_build(placed, "")
        runs = ServerRuns(server_id=server.id, host=placed.host, attempt=placed.attempt, at=case.now)
        announce_running(runs, case.world)
        return "its guest runs: it is ACTIVE, as if its node had said so"
    if case.now + TIME_LEFT_S < placed.deadline and case.tx.hosts.has_claim(server.id):
        again = replace(placed, attempt=placed.attempt + 1, ordered_at=case.now)  # the node may take this attempt for over
        case.tx.servers.place(again)
        case.tx.orders.queue_build(again, "")
        return f"its build on {placed.host} is ordered again"
    end_overdue(placed, case.world)
    return f"its time is over: it is in ERROR, and {placed.host} takes back what it has made"


def _guest_of(case: Case, server: Server) -> str | None:
    """Its power state on its host, None when it has no guest there."""
    hosts = (one for inventory in case.seen.told for one in inventory.hosts if one.facts.host == server.host)
    return next((one.guests.get(server.id) for one in hosts), None)


def _remove_again(case: Case) -> str:
    server = _server(case, case.about)
    case.refuse_busy(server.id)
    order_removal(server, f"req-{new_uuid()}", server.user_id, case.world)
    return "its removal is ordered again"


def _end_task(case: Case) -> str:
    """As its deadline would have."""
    server = _server(case, case.about)
    case.refuse_busy(server.id)
    if (server.task_state or "").startswith("image_"):
        case.tx.servers.set_task(server.id, None, case.now)
        case.tx.actions.cut_short(server.id, LOST, case.now)
        return "it is as it was: only an image of it was under way"
    _fail(case, server)
    return "it is in ERROR, and says why"


def _fail(case: Case, server: Server) -> None:
    details = f"task state {server.task_state}, found by an audit"
    case.tx.servers.fails(server.id, Fault(code=500, message=LOST, details=details, created_at=case.now))
    case.tx.actions.cut_short(server.id, LOST, case.now)


def _order_removal_of_rest(case: Case) -> str:
    """What a failed or deleted server still has on its host."""
    server = case.tx.servers.whatever(case.about)
    if server is None or server.host is None or server.node is None:
        raise LeftAlone("the ledger does not say where it was")
    if case.finding.host not in ("", server.host):
        raise LeftAlone(f"it was on {server.host}, not here")
    if server.id in case.tx.orders.open_servers():
        return "its removal is ordered already"
    case.tx.orders.queue_removal(server, case.tx.servers.attempt(server.id), server.node, "found by an audit")
    return f"what {server.host} has of it is to be removed"


def _end_order(case: Case) -> str:
    for order in case.seen.view.orders:
        if order.kind == "build" and order.server_id == case.about:
            case.tx.orders.task_over(order.id)
    return "the order is ended"


def _send_again(case: Case) -> str:
    published = next((order.published_at for order in case.seen.view.orders if order.id == case.about), None)
    if published is not None:
        case.tx.orders.send_again(published + 0.001)
    return "it is sent again"


def _end_action(case: Case) -> str:
    for server_id in case.owners():
        case.refuse_busy(server_id)
        case.tx.actions.end(server_id, LOST, case.now, case.about)
    return "it is ended in the server's history"


def _end_move(case: Case) -> str:
    for server_id in case.owners():
        case.refuse_busy(server_id)
    case.book.end_move(case.about, case.now)
    return "its status is error"


def _forget_member(case: Case) -> str:
    case.book.forget_member(case.about)
    return "it is in no group any more"


def _forget_roles(case: Case) -> str:
    case.book.forget_roles(case.about)
    return "the assignment is gone"


SERVERS: Mapping[str, Mend] = {
    "claim without server": _give_room_back,
    "claim elsewhere": _hold_room,
    "server without claim": _hold_room,
    "host counters": _count_host,
    "quota": _count_quota,
    "build without order": _build_again,
    "removal without order": _remove_again,
    "task without order": _end_task,
    "order without server": _end_order,
    "order that is nowhere": _send_again,
    "action without end": _end_action,
    "resize without order": _end_move,
    "group member without server": _forget_member,
    "role assignment of nobody": _forget_roles,
    "saga without server": _order_removal_of_rest,
}
