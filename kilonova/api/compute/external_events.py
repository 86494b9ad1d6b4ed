"""/os-server-external-events: what other services say has happened to a server. Here each part learns it by its own queue.

So an event is checked and answered as Nova does, and nothing else: whoever sends it, for want of a better way, need not know.
"""

from collections.abc import Mapping

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, uuid_text
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.schemas_admin import ExternalEvent, ExternalEvents
from kilonova.errors import BadRequest
from kilonova.model.server import Server

SINCE: Mapping[str, int] = {
    "network-changed": 1,
    "network-vif-plugged": 1,
    "network-vif-unplugged": 1,
    "network-vif-deleted": 1,
    "volume-extended": 51,
    "power-update": 76,
    "accelerator-request-bound": 82,
    "volume-reimaged": 93,
}
"""Event → the microversion that brought it."""
WITH_TAG = ("volume-extended", "power-update", "accelerator-request-bound", "volume-reimaged")
NO_HOST = 422


async def create(call: Call) -> Answer:
    """200 when all were taken, 207 when some were not; each says its own code."""
    events = body(call, ExternalEvents).events
    for event in events:
        if SINCE.get(event.name, 10**6) > call.version[1]:
            raise BadRequest(f"Invalid input for field/attribute name. Value: {event.name[:80]}. There is no such event.")
        uuid_text(event.server_uuid, "server_uuid")
    servers = await call.world.ledger.read(lambda books: {e.server_uuid: books.servers.whatever(e.server_uuid) for e in events})
    documents = [_told(event, servers[event.server_uuid]) for event in events]
    fine = all(document["code"] == 200 for document in documents)
    return Answer(200 if fine else 207, {"events": documents})


def _told(event: ExternalEvent, server: Server | None) -> Document:
    if server is None or server.deleted_at is not None:
        code = 404
    elif event.name in WITH_TAG and event.tag is UNSET:
        code = 400
    else:
        code = 200 if server.host is not None else NO_HOST
    document: Document = {
        "name": event.name,
        "server_uuid": event.server_uuid,
        "status": "completed" if code == 200 else "failed",
        "code": code,
    }
    if event.tag is not UNSET:
        document["tag"] = event.tag
    return document
