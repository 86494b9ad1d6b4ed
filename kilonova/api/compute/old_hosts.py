"""/os-hosts until 2.42: the hosts by the parts of the cloud that run on them, and how full a compute host is."""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.schemas_admin import HostChange
from kilonova.api.compute.zones import COMPUTE
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound, Unsupported
from kilonova.model.host import Host, Role
from kilonova.model.server import Server, ServerFilter

STATUSES = {"enable": True, "disable": False}


async def index(call: Call) -> Answer:
    """Those that are enabled, in one zone if asked."""
    zone = last(call.query, "zone")
    roles = await call.world.ledger.read(lambda books: books.hosts.roles())
    found = [role for role in roles if role.enabled and zone in (None, "", role.zone)]
    return Answer(200, {"hosts": [{"host_name": role.host, "service": _service(role), "zone": role.zone} for role in found]})


async def show(call: Call) -> Answer:
    """What it has, what is claimed, and by which projects."""

    def look(books: Books) -> tuple[Host, list[Server]]:
        host = _find(call, books)
        return host, list(books.servers.find(ServerFilter(host=host.name)))

    host, servers = await call.world.ledger.read(look)
    rows = [
        _resource(host.name, "(total)", host.vcpus, host.ram_mb, host.disk_gb),
        _resource(host.name, "(used_now)", host.vcpus_used, host.ram_mb_used, host.disk_gb_used),
        _sum(host.name, "(used_max)", servers),
    ]
    for project in dict.fromkeys(server.project_id for server in servers):
        rows.append(_sum(host.name, project, (server for server in servers if server.project_id == project)))
    return Answer(200, {"host": rows})


async def update(call: Call) -> Answer:
    """Whether it takes new servers."""
    asked = body(call, HostChange)
    status, mode = _switch(asked.status, "status"), _switch(asked.maintenance_mode, "maintenance_mode")
    if status is None and mode is None:
        raise BadRequest("Invalid input for field/attribute status. It must be enable or disable.")

    def change(books: Books) -> Role:
        host = _find(call, books)
        if mode is not None or status is None:
            raise Unsupported("Hosts have no maintenance mode in this cloud; disable the host instead.")
        return books.hosts.set_enabled(host.service_id, status, None)

    role = await call.world.ledger.write(change)
    return Answer(200, {"host": role.host, "status": "enabled" if role.enabled else "disabled"})


async def power(call: Call) -> Answer:
    """startup, shutdown, reboot: the machine itself is none of this cloud's business."""
    await call.world.ledger.read(lambda books: _find(call, books))
    raise Unsupported("The power of hosts cannot be switched in this cloud.")


def _switch(value: str | UnsetType, name: str) -> bool | None:
    if value is UNSET:
        return None
    word = value.strip().lower()
    if word not in STATUSES:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:80]}. It must be enable or disable.")
    return STATUSES[word]


def _find(call: Call, books: Books) -> Host:
    wanted = call.path["host_name"]
    for host in books.hosts.hosts():
        if host.name == wanted:
            return host
    raise NotFound(f"Compute host {wanted[:80]} could not be found.")


def _service(role: Role) -> str:
    return "compute" if role.binary == COMPUTE else role.binary.rpartition("-")[2]


def _resource(host: str, project: str, cpu: int, memory_mb: int, disk_gb: int) -> Document:
    return {"resource": {"host": host, "project": project, "cpu": cpu, "memory_mb": memory_mb, "disk_gb": disk_gb}}


def _sum(host: str, project: str, servers: Iterable[Server]) -> Document:
    flavors = [server.flavor for server in servers]
    disk = sum(flavor.disk_gb + flavor.ephemeral_gb for flavor in flavors)
    return _resource(host, project, sum(f.vcpus for f in flavors), sum(f.ram_mb for f in flavors), disk)
