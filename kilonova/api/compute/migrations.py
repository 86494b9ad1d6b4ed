"""/os-migrations: the moves of all servers; and the live migrations of one server that are under way."""

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, moment, only, page, query, shown
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.query_names import MIGRATION_PARAMETERS
from kilonova.api.compute.saying import links, long_stamp, next_page
from kilonova.api.compute.servers import find
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound, Unsupported
from kilonova.model.migration import LIVE, RUNNING, Migration, MigrationFilter

PAGED_SINCE = (2, 59)


async def index(call: Call) -> Answer:
    asked = query(call, Asked.MIGRATION_QUERY, MIGRATION_PARAMETERS)
    since, before = (
        moment(value, name) if (value := last(asked, name)) else None for name in ("changes-since", "changes-before")
    )
    if since is not None and before is not None and before < since:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    marker, limit = page(asked)
    wanted = MigrationFilter(
        server_id=last(asked, "instance_uuid"),
        host=last(asked, "host"),
        source_host=last(asked, "source_compute"),
        status=last(asked, "status"),
        kind=last(asked, "migration_type"),
        project_id=last(asked, "project_id"),
        user_id=last(asked, "user_id"),
        changed_since=since,
        changed_before=before,
        marker=marker,
        limit=limit,
    )
    found = await call.world.ledger.read(lambda books: books.migrations.find(wanted))
    more = next_page(call, "migrations", [one.uuid for one in found], limit) if call.version >= PAGED_SINCE else {}
    return Answer(200, {"migrations": [_migration(call, one) for one in found], **more})


async def of_server(call: Call) -> Answer:
    """Since 2.23: those under way."""
    only(call)

    def look(books: Books) -> list[Migration]:
        server = find(call, books)
        return [one for one in books.migrations.find(MigrationFilter(server_id=server.id, kind=LIVE)) if one.status in RUNNING]

    return Answer(200, {"migrations": [_of_server(call, one) for one in await call.world.ledger.read(look)]})


async def show(call: Call) -> Answer:
    """Since 2.23."""
    only(call)
    return Answer(200, {"migration": _of_server(call, await call.world.ledger.read(lambda books: _running(call, books)))})


async def abort(call: Call) -> Answer:
    """Since 2.24."""
    await call.world.ledger.read(lambda books: _running(call, books))
    raise Unsupported("A live migration cannot be stopped in this cloud.")


async def act(call: Call) -> Answer:
    """Since 2.22: ``force_complete``."""
    if body(call, dict[str, None]) != {"force_complete": None}:
        raise BadRequest("There is no such action: the body must hold exactly force_complete.")
    await call.world.ledger.read(lambda books: _running(call, books))
    raise Unsupported("A live migration cannot be hurried in this cloud.")


def _running(call: Call, books: Books) -> Migration:
    """The migration of the path. Raises NotFound, also when it is none that is under way."""
    server = find(call, books)
    text = call.path["migration_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound(f"Migration {text[:80]} not found for instance {server.id}")
    one = books.migrations.of_server(server.id, int(text))
    if one.kind != LIVE:
        raise NotFound(f"Migration {one.id} for server {server.id} is not live-migration.")
    if one.status not in RUNNING:
        if call.method != "GET":
            raise Conflict(f"Migration {one.id} state of instance {server.id} is {one.status}.")
        raise NotFound(f"Migration {one.id} for server {server.id} is not in progress.")
    return one


def _migration(call: Call, one: Migration) -> Document:
    document: Document = {
        "id": one.id,
        "uuid": one.uuid,
        "instance_uuid": one.server_id,
        "migration_type": one.kind,
        "status": one.status,
        "source_compute": one.source_host,
        "source_node": one.source_host,
        "dest_compute": one.dest_host,
        "dest_node": one.dest_host,
        "dest_host": None,
        "old_instance_type_id": None,
        "new_instance_type_id": None,
        "user_id": one.user_id,
        "project_id": one.project_id,
        "created_at": long_stamp(one.created_at),
        "updated_at": long_stamp(one.updated_at),
    }
    if one.kind == LIVE and one.status in RUNNING:
        document["links"] = links(call, f"servers/{one.server_id}/migrations", str(one.id))
    return shown(call, Shown.MIGRATION, document, one)


def _of_server(call: Call, one: Migration) -> Document:
    document: Document = {
        "id": one.id,
        "uuid": one.uuid,
        "server_uuid": one.server_id,
        "status": one.status,
        "source_compute": one.source_host,
        "source_node": one.source_host,
        "dest_compute": one.dest_host,
        "dest_node": one.dest_host,
        "dest_host": None,
        "user_id": one.user_id,
        "project_id": one.project_id,
        "created_at": long_stamp(one.created_at),
        "updated_at": long_stamp(one.updated_at),
        **dict.fromkeys(PROGRESS),
    }
    return shown(call, Shown.SERVER_MIGRATION, document, one)


PROGRESS = (
    "memory_total_bytes",
    "memory_processed_bytes",
    "memory_remaining_bytes",
    "disk_total_bytes",
    "disk_processed_bytes",
    "disk_remaining_bytes",
)
