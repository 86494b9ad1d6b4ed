"""What was asked of a server, and what came of it."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import last, moment, only, page, query, server_id, shown
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_21 import OF_DELETED_SINCE
from kilonova.api.compute.query_names import ACTION_PARAMETERS
from kilonova.api.compute.saying import long_stamp, next_page
from kilonova.api.compute.server_view import host_hash
from kilonova.api.compute.servers import find
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.server import Action, ActionEvent, Server


async def index(call: Call) -> Answer:
    asked = query(call, Asked.ACTION_QUERY, ACTION_PARAMETERS)
    marker, limit = page(asked)
    since, before = (
        None if last(asked, n) is None else moment(last(asked, n) or "", n) for n in ("changes-since", "changes-before")
    )
    actions = [
        action
        for action in (await call.world.ledger.read(lambda books: _look(call, books)))[1]
        if (since is None or _changed(action) >= since) and (before is None or _changed(action) <= before)
    ]
    if marker is not None:
        places = [place for place, action in enumerate(actions) if action.request_id == marker]
        if not places:
            raise BadRequest(f"Marker [{marker[:80]}] not found")
        actions = actions[places[0] + 1 :]
    actions = actions[:limit]
    documents = [_action(call, action) for action in actions]
    more = next_page(call, "links", [action.request_id for action in actions], limit) if call.version >= (2, 58) else {}
    # Nova names the links of this list plainly "links".
    return Answer(200, {"instanceActions": documents, **({"links": more["links_links"]} if more else {})})


async def show(call: Call) -> Answer:
    only(call)
    wanted = call.path["request_id"]
    server, actions = await call.world.ledger.read(lambda books: _look(call, books))
    action = next((action for action in actions if action.request_id == wanted), None)
    if action is None:
        raise NotFound(f"Action for request_id {wanted[:80]} on instance {server.id} not found")
    document = _action(call, action)
    document["events"] = [_event(call, server, event) for event in action.events]
    return Answer(200, {"instanceAction": document})


def _look(call: Call, books: Books) -> tuple[Server, Sequence[Action]]:
    server = _also_deleted(call, books) if call.version >= OF_DELETED_SINCE else find(call, books)
    return server, books.servers.actions(server.id)


def _also_deleted(call: Call, books: Books) -> Server:
    server = books.servers.whatever(server_id(call))
    if server is None or not (call.who.is_admin or server.project_id == call.who.project_id):
        raise NotFound(f"Instance {server_id(call)} could not be found.")
    return server


def _changed(action: Action) -> float:
    return action.updated_at if action.updated_at is not None else action.started_at


def _action(call: Call, action: Action) -> Document:
    document: Document = {
        "action": action.action,
        "instance_uuid": action.server_id,
        "request_id": action.request_id,
        "user_id": action.user_id,
        "project_id": action.project_id,
        "start_time": long_stamp(action.started_at),
        "message": action.message,
        "updated_at": long_stamp(_changed(action)),
    }
    return shown(call, Shown.ACTION, document, action)


def _event(call: Call, server: Server, event: ActionEvent) -> Document:
    """Owners see what went wrong; where it did, only as a hash."""
    document: Document = {
        "event": event.event,
        "start_time": long_stamp(event.started_at),
        "finish_time": long_stamp(event.finished_at),
        "result": event.result,
        "hostId": host_hash(server.project_id, event.host),
        "details": event.details,
    }
    if call.who.is_admin:
        document["traceback"] = None
        document["host"] = event.host or ""
    return shown(call, Shown.EVENT, document, event)
