"""What admins see of volume nodes: /os-services, /os-hosts, /scheduler-stats/get_pools, /capabilities."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.paging import read_flag
from kilonova.api.volume.access import convert
from kilonova.api.volume.schemas import ServiceChange
from kilonova.api.volume.views import stamp
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.lifecycle.volume_create import CAPABILITIES
from kilonova.model.volume import BACKEND, VolumeNode, host_of

VOLUME, SCHEDULER = "cinder-volume", "cinder-scheduler"
VERSION = "1.0"
Line = tuple[str, str, VolumeNode]
"""(binary, host as it is named, node)"""


async def list_services(call: Call) -> Answer:
    binary, host = call.param("binary") or call.param("service"), call.param("host")
    found = await call.world.ledger.read(lambda books: _lines(books, call))
    wanted = [one for one in found if binary in (None, one[0]) and (host is None or host in (one[1], one[1].partition("@")[0]))]
    return Answer(200, {"services": [_service(call, line) for line in wanted]})


async def change_service(call: Call) -> Answer:
    """enable, disable, disable-log-reason, freeze, thaw: the last word of the path."""
    action, body = call.path["action"], call.json(dict[str, Any])
    if action in ("freeze", "thaw"):
        raise BadRequest(
            f"Invalid input received: Host {str(body.get('host'))[:64]} is not replicated, so it cannot be {action}d."
        )
    if action not in ("enable", "disable", "disable-log-reason"):
        raise NotFound("Unknown action")
    said = convert(body, ServiceChange)
    binary, node = said.binary or said.service, said.host.partition("@")[0]
    if not binary:
        raise BadRequest("Missing required element 'binary' in request body.")
    if action == "disable-log-reason" and said.disabled_reason is None:
        raise BadRequest("Missing required element 'disabled_reason' in request body.")
    if binary != VOLUME:
        raise NotFound(f"Service {binary[:64]} could not be found on host {said.host[:64]}.")
    reason = said.disabled_reason if action == "disable-log-reason" else None
    enabled = action == "enable"
    await call.world.ledger.write(lambda books: books.volumes.nodes.set_enabled(node, enabled, reason, call.world.now()))
    shown: dict[str, Any] = {
        "host": said.host,
        "service": said.service,
        "binary": binary,
        "disabled": not enabled,
        "status": "enabled" if enabled else "disabled",
    }
    if action != "disable":
        shown["disabled_reason"] = reason
    return Answer(200, shown)


async def list_hosts(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _lines(books, call))
    zone = call.param("zone")
    hosts = [
        {
            "host_name": host,
            "service": binary,
            "zone": _zone(call),
            "service-status": "available" if node.up else "unavailable",
            "service-state": "enabled" if node.enabled else "disabled",
            "last-update": stamp(node.last_seen),
        }
        for binary, host, node in found
    ]
    return Answer(200, {"hosts": [one for one in hosts if zone in (None, one["zone"])]})


async def show_host(call: Call) -> Answer:
    """What it holds: in all, and for each project. Numbers as text, as Cinder has it."""

    def look(books: Books) -> list[dict[str, str]]:
        line = _volume_line(books, call, call.path["host"])
        node = line[2].name
        volumes = books.volumes.volumes.use_of_nodes().get(node, {})
        snapshots = books.volumes.snapshots.use_of_nodes().get(node, {})
        projects = sorted({*volumes, *snapshots})
        none = (0, 0)
        rows = [(project, volumes.get(project, none), snapshots.get(project, none)) for project in projects]
        whole = ("(total)", _sum([row[1] for row in rows]), _sum([row[2] for row in rows]))
        return [_use(line[1], *row) for row in (whole, *rows)]

    found = await call.world.ledger.read(look)
    return Answer(200, {"host": [{"resource": one} for one in found]})


async def list_pools(call: Call) -> Answer:
    detail, name = bool(read_flag(call, "detail")), call.param("name")

    def look(books: Books) -> list[tuple[VolumeNode, int]]:
        use = books.volumes.volumes.use_of_nodes()
        nodes = [one for one in books.volumes.nodes.all(call.world.now()) if one.up and one.enabled]
        return [(one, sum(gib for _, gib in use.get(one.name, {}).values())) for one in nodes]

    pools = []
    for node, used in await call.world.ledger.read(look):
        pool: dict[str, Any] = {"name": host_of(node.name)}
        if detail:
            pool["capabilities"] = _capabilities(node, used)
        if name in (None, pool["name"]):
            pools.append(pool)
    return Answer(200, {"pools": pools})


async def show_capabilities(call: Call) -> Answer:
    line = await call.world.ledger.read(lambda books: _volume_line(books, call, call.path["host"].partition("#")[0]))
    shown: dict[str, Any] = {
        "namespace": f"OS::Storage::Capabilities::{line[1]}",
        "vendor_name": CAPABILITIES["vendor_name"],
        "volume_backend_name": BACKEND,
        "pool_name": BACKEND,
        "driver_version": VERSION,
        "storage_protocol": CAPABILITIES["storage_protocol"],
        "display_name": None,
        "description": None,
        "visibility": None,
        "replication_targets": [],
        "properties": {},
    }
    return Answer(200, shown)


def _capabilities(node: VolumeNode, used_gib: int) -> dict[str, Any]:
    """A node does not tell how much room it has, and says so."""
    return {
        "timestamp": stamp(node.last_seen),
        "volume_backend_name": BACKEND,
        "vendor_name": CAPABILITIES["vendor_name"],
        "driver_version": VERSION,
        "storage_protocol": CAPABILITIES["storage_protocol"],
        "total_capacity_gb": "unknown",
        "free_capacity_gb": "unknown",
        "provisioned_capacity_gb": used_gib,
        "reserved_percentage": 0,
        "QoS_support": False,
        "multiattach": False,
        "thin_provisioning_support": True,
    }


def _lines(books: Books, call: Call) -> list[Line]:
    book, now = books.volumes.nodes, call.world.now()
    volume = [(VOLUME, f"{node.name}@{BACKEND}", node) for node in book.all(now)]
    return [*((SCHEDULER, node.name, node) for node in book.control(now)), *volume]


def _volume_line(books: Books, call: Call, host: str) -> Line:
    """Raises NotFound, also for a host that keeps no volumes."""
    for line in _lines(books, call):
        if line[0] == VOLUME and host in (line[1], line[2].name):
            return line
    raise NotFound(f"Host {host[:64]} could not be found.")


def _service(call: Call, line: Line) -> dict[str, Any]:
    binary, host, node = line
    shown: dict[str, Any] = {
        "binary": binary,
        "host": host,
        "zone": _zone(call),
        "status": "enabled" if node.enabled else "disabled",
        "state": "up" if node.up else "down",
        "updated_at": stamp(node.last_seen),
        "disabled_reason": node.disabled_reason,
    }
    if call.version[1] >= 7:
        shown["cluster"] = None
    if call.version[1] >= 49 and binary == VOLUME:
        shown["backend_state"] = "up" if node.up else "down"
    return shown


def _use(host: str, project: str, volumes: tuple[int, int], snapshots: tuple[int, int]) -> dict[str, str]:
    return {
        "host": host,
        "project": project,
        "volume_count": str(volumes[0]),
        "total_volume_gb": str(volumes[1]),
        "snapshot_count": str(snapshots[0]),
        "total_snapshot_gb": str(snapshots[1]),
    }


def _sum(pairs: list[tuple[int, int]]) -> tuple[int, int]:
    return sum(one[0] for one in pairs), sum(one[1] for one in pairs)


def _zone(call: Call) -> str:
    return call.world.volume_terms(call.world.now()).zone
