"""/os-instance_usage_audit_log: whether each host has told its usage for the last month. None is asked to here, so none has."""

from datetime import UTC, datetime

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import only
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.zones import COMPUTE
from kilonova.errors import BadRequest

FORMS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")


async def index(call: Call) -> Answer:
    only(call)
    return Answer(200, {"instance_usage_audit_logs": await _log(call, datetime.fromtimestamp(call.world.now(), UTC))})


async def show(call: Call) -> Answer:
    """Of the last month that was over at that time."""
    only(call)
    return Answer(200, {"instance_usage_audit_log": await _log(call, _moment(call.path["before"]))})


async def _log(call: Call, before: datetime) -> Document:
    roles = await call.world.ledger.read(lambda books: books.hosts.roles())
    hosts = sorted({role.host for role in roles if role.binary == COMPUTE})
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    begin = end.replace(year=end.year - (end.month == 1), month=(end.month - 2) % 12 + 1)
    done = "ALL" if not hosts else f"0 of {len(hosts)}"
    return {
        "period_beginning": str(begin),
        "period_ending": str(end),
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(hosts),
        "hosts_not_run": hosts,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"{done} hosts done. 0 errors.",
        "log": {},
    }


def _moment(text: str) -> datetime:
    for form in FORMS:
        try:
            when = datetime.strptime(text, form)
        except ValueError:
            continue
        if when.year > 1:
            return when
    raise BadRequest(f"Invalid timestamp for date {text[:80]}")
