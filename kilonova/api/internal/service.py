"""The internal routes: readiness, images for and from hosts that show a ticket, the trace of a server, and the audit."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import to_builtins

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.errors import compute_body
from kilonova.api.internal.snapshots import receive_handler
from kilonova.api.internal.tickets import Tickets
from kilonova.api.rights import Right
from kilonova.api.service import Service
from kilonova.errors import NotFound
from kilonova.lifecycle.audit import AuditReport, RepairReport

Audit = Callable[[], Awaitable[AuditReport]]
Repair = Callable[[bool], Awaitable[RepairReport]]


async def ready(call: Call) -> Answer:
    """200 when a server could be built, 503 until then; how many hosts and network nodes there are."""
    state = await call.world.readiness()
    good = state["compute"] > 0 and state["network"] > 0
    return Answer(200 if good else 503, {**state, "ready": good})


async def trace(call: Call) -> Answer:
    """Every hop of the newest action of a server, or of ``?request_id=``; also of one that is gone. Hosts for admins only."""
    server_id, request_id = call.path["server_id"], call.param("request_id")
    server, found = await call.world.ledger.read(
        lambda books: (books.servers.whatever(server_id), books.actions.spans(server_id, request_id))
    )
    if server is None or (server.project_id != call.who.project_id and not call.who.is_admin) or found is None:
        raise NotFound(f"No trace of server {server_id}.")
    action, spans = found
    hops = [_hop(to_builtins(span), call.who.is_admin) for span in sorted(spans, key=lambda s: (s.step, s.started_at))]
    reason = server.fault.message if server.fault else action.message
    state = {"id": server.id, "name": server.name, "status": server.status, "task_state": server.task_state, "reason": reason}
    return Answer(200, {"server": state, "action": action.action, "request_id": action.request_id, "hops": hops})


def image_handler(tickets: Tickets) -> Handler:
    """Image data for a host, whole and as it was uploaded."""

    async def image(call: Call) -> Answer:
        image_id = call.path["image_id"]
        tickets.check(call.headers.get("x-kilonova-ticket", ""), image_id, call.world.now())
        size = await call.world.images.size(image_id)
        stream = call.world.images.read(image_id)
        return Answer(200, None, {"Content-Length": str(size)}, "application/octet-stream", stream)

    return image


def audit_handler(audit: Audit) -> Handler:
    """What the ledger says compared with what every node has."""

    async def compare(call: Call) -> Answer:
        return Answer(200, to_builtins(await audit()))

    return compare


def repair_handler(repair: Repair) -> Handler:
    """POST /internal/audit/repair: what was found, what was done, what is left. ``?unknown=yes``: see docs/operating.md."""

    async def mend(call: Call) -> Answer:
        return Answer(200, to_builtins(await repair(call.param("unknown") == "yes")))

    return mend


def service(tickets: Tickets, audit: Audit, repair: Repair) -> Service:
    image, receive = image_handler(tickets), receive_handler(tickets)
    compare, mend = audit_handler(audit), repair_handler(repair)
    return Service(
        name="internal",
        mount="/internal",
        routes={
            "/ready": {"GET": ready},
            "/images/{image_id}": {"GET": image, "PUT": receive},
            "/traces/{server_id}": {"GET": trace},
            "/audit": {"GET": compare},
            "/audit/repair": {"POST": mend},
        },
        rights={
            ready: Right.ANYONE,
            image: Right.ANYONE,
            receive: Right.ANYONE,
            trace: Right.READER,
            compare: Right.ADMIN,
            mend: Right.ADMIN,
        },
        error_body=compute_body,
    )


def _hop(hop: dict[str, Any], admin: bool) -> dict[str, Any]:
    if not admin:
        hop.pop("host", None)
    return hop
