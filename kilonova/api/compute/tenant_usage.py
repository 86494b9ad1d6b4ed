"""/os-simple-tenant-usage: what projects have used in a span of time, server by server if asked."""

from datetime import UTC, datetime

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import MAX_PAGE, last, only, page
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.saying import long_stamp, next_page
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.server import Server
from kilonova.model.usage import Period, ProjectUsage, by_project, disk_of, hours_of

PAGED_SINCE = (2, 40)
FORMS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")


async def index(call: Call) -> Answer:
    """Of all projects."""
    only(call, "start", "end", "detailed", *_paging(call), since=75)
    period = _period(call)
    servers, more = await _servers(call, period, None, "tenant_usages")
    detailed = last(call.query, "detailed") == "1"
    usages = [_usage(usage, call.world.now(), detailed) for usage in by_project(servers, period)]
    return Answer(200, {"tenant_usages": usages, **more})


async def show(call: Call) -> Answer:
    """Of one project; an empty object where it has used nothing."""
    only(call, "start", "end", *_paging(call), since=75)
    project = call.path["project_id"]
    if project != call.who.project_id and not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-simple-tenant-usage:show to be performed.")
    period = _period(call)
    servers, more = await _servers(call, period, project, "tenant_usage")
    usages = [_usage(usage, call.world.now(), True) for usage in by_project(servers, period)]
    return Answer(200, {"tenant_usage": usages[0] if usages else {}, **more})


async def _servers(call: Call, period: Period, project: str | None, what: str) -> tuple[list[Server], Document]:
    marker, limit = page(call.query) if call.version >= PAGED_SINCE else (None, MAX_PAGE)
    found = await call.world.ledger.read(lambda books: books.servers.active_in(period, project, marker, limit))
    paged = call.version >= PAGED_SINCE
    return list(found), next_page(call, what, [server.id for server in found], limit) if paged else {}


def _paging(call: Call) -> tuple[str, ...]:
    return ("limit", "marker") if call.version >= PAGED_SINCE else ()


def _period(call: Call) -> Period:
    """From `start` to `end`, each now if not given, and nothing of the future. With neither it is of no length, and no error."""
    now = call.world.now()
    given = [next(iter(call.query.get(name, [])), "") for name in ("start", "end")]
    start, end = (_moment(value, now) for value in given)
    if any(given) and not start < end:
        raise BadRequest("Invalid start time. The start time cannot occur after the end time.")
    return Period(start, min(end, now))


def _moment(value: str, now: float) -> float:
    if not value:
        return now
    for form in FORMS:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            continue
    raise BadRequest("Invalid datetime string: Datetime is in invalid format")


def _usage(usage: ProjectUsage, now: float, detailed: bool) -> Document:
    document: Document = {
        "tenant_id": usage.project_id,
        "total_local_gb_usage": usage.disk,
        "total_vcpus_usage": usage.vcpus,
        "total_memory_mb_usage": usage.ram,
        "total_hours": usage.hours,
        "start": long_stamp(usage.period.start),
        "stop": long_stamp(usage.period.end),
    }
    if detailed:
        document["server_usages"] = [_server(server, usage.period, now) for server in usage.servers]
    return document


def _server(server: Server, period: Period, now: float) -> Document:
    started = server.launched_at if server.launched_at is not None else server.created_at
    ended = server.terminated_at
    return {
        "instance_id": server.id,
        "name": server.name,
        "tenant_id": server.project_id,
        "flavor": server.flavor.name,
        "memory_mb": server.flavor.ram_mb,
        "local_gb": disk_of(server),
        "vcpus": server.flavor.vcpus,
        "hours": hours_of(server, period),
        "started_at": long_stamp(started),
        "ended_at": long_stamp(ended),
        "state": "terminated" if ended is not None else server.vm_state,
        "uptime": max(0, int((now if ended is None else ended) - started)),
    }
