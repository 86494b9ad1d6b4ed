"""The hosts as hypervisors: what each is, and whether it is alive."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import last, page, query, shown, truth
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_53 import number_of
from kilonova.api.compute.query_names import HYPERVISOR_PARAMETERS
from kilonova.api.compute.saying import next_page
from kilonova.api.compute.zones import COMPUTE
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.host import Host
from kilonova.model.server import ServerFilter

Servers = Mapping[str, list[Document]]
"""Host name → its servers, short."""


class Seen(NamedTuple):
    """`services`: host name → the id of its compute service. `servers` None: they were not asked for."""

    hosts: Sequence[Host]
    services: Mapping[str, str]
    servers: Servers | None


async def index(call: Call) -> Answer:
    return await _list(call, detailed=False)


async def detail(call: Call) -> Answer:
    return await _list(call, detailed=True)


async def show(call: Call) -> Answer:
    asked = query(call, Asked.HYPERVISOR_QUERY, HYPERVISOR_PARAMETERS)
    with_servers = truth(last(asked, "with_servers") or False, "with_servers")

    seen = await call.world.ledger.read(lambda books: _look(books, [_find(call, books.hosts.hosts())], with_servers))
    return Answer(200, {"hypervisor": _detailed(call, seen.hosts[0], seen)})


async def statistics(call: Call) -> Answer:
    """Until 2.87: the sum over all hosts that take servers."""
    hosts = [host for host in await _hosts(call) if host.enabled]
    total = {
        "count": len(hosts),
        "vcpus": sum(host.vcpus for host in hosts),
        "vcpus_used": sum(host.vcpus_used for host in hosts),
        "memory_mb": sum(host.ram_mb for host in hosts),
        "memory_mb_used": sum(host.ram_mb_used for host in hosts),
        "free_ram_mb": sum(host.ram_mb - host.ram_mb_used for host in hosts),
        "local_gb": sum(host.disk_gb for host in hosts),
        "local_gb_used": sum(host.disk_gb_used for host in hosts),
        "free_disk_gb": sum(host.disk_gb - host.disk_gb_used for host in hosts),
        "disk_available_least": sum(host.disk_gb - host.disk_gb_used for host in hosts),
        "running_vms": sum(host.servers for host in hosts),
        "current_workload": 0,
    }
    return Answer(200, {"hypervisor_statistics": total})


async def uptime(call: Call) -> Answer:
    """Until 2.87. How long a host runs is not reported here, so it is said to be unknown."""
    host = _find(call, await _hosts(call))
    if not host.up:
        raise BadRequest(f"Compute service of {host.name} is unavailable at this time.")
    return Answer(200, {"hypervisor": {**_brief(call, host, None), "uptime": ""}})


async def search(call: Call) -> Answer:
    """Until 2.52: hosts whose name holds the last but one part of the path."""
    return Answer(
        200, {"hypervisors": [_brief(call, host, None) for host in _matching(await _hosts(call), call.path["hypervisor_id"])]}
    )


async def servers(call: Call) -> Answer:
    """Until 2.52: the servers on those hosts."""

    wanted = call.path["hypervisor_id"]
    seen = await call.world.ledger.read(lambda books: _look(books, _matching(books.hosts.hosts(), wanted), True))
    return Answer(200, {"hypervisors": [_brief(call, host, seen) for host in seen.hosts]})


async def _hosts(call: Call) -> Sequence[Host]:
    return await call.world.ledger.read(lambda books: books.hosts.hosts())


async def _list(call: Call, *, detailed: bool) -> Answer:
    asked = query(call, Asked.HYPERVISOR_QUERY, HYPERVISOR_PARAMETERS)
    marker, limit = page(asked)
    pattern = last(asked, "hypervisor_hostname_pattern")
    with_servers = truth(last(asked, "with_servers") or False, "with_servers")
    if pattern is not None and ("limit" in asked or marker is not None):
        raise BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")

    def look(books: Books) -> Seen:
        hosts = sorted(books.hosts.hosts(), key=lambda host: host.id)
        if pattern is not None:
            hosts = _matching(hosts, pattern)
        hosts = _after(hosts, marker)[:limit]
        return _look(books, hosts, with_servers)

    seen = await call.world.ledger.read(look)
    view = _detailed if detailed else _brief
    more = next_page(call, "hypervisors", [host.id for host in seen.hosts], limit) if call.version >= (2, 33) else {}
    return Answer(200, {"hypervisors": [view(call, host, seen) for host in seen.hosts], **more})


def _after(hosts: list[Host], marker: str | None) -> list[Host]:
    if marker is None:
        return hosts
    for place, host in enumerate(hosts):
        if marker in (host.id, str(number_of(host.id))):
            return hosts[place + 1 :]
    raise BadRequest(f"marker [{marker[:80]}] not found")


def _matching(hosts: Sequence[Host], pattern: str) -> list[Host]:
    found = [host for host in hosts if pattern in host.name]
    if not found:
        raise NotFound(f"No hypervisor matching '{pattern[:80]}' could be found.")
    return found


def _find(call: Call, hosts: Sequence[Host]) -> Host:
    wanted = call.path["hypervisor_id"]
    for host in hosts:
        if wanted == (host.id if call.version >= (2, 53) else str(number_of(host.id))):
            return host
    raise NotFound(f"Hypervisor with ID '{wanted[:80]}' could not be found.")


def _look(books: Books, hosts: Sequence[Host], with_servers: bool) -> Seen:
    services = {role.host: role.id for role in books.hosts.roles() if role.binary == COMPUTE}
    servers: Servers | None = {host.name: _servers(books, host) for host in hosts} if with_servers else None
    return Seen(hosts, services, servers)


def _servers(books: Books, host: Host) -> list[Document]:
    found = books.servers.find(ServerFilter(host=host.name))
    return [{"uuid": server.id, "name": f"instance-{server.id[:8]}"} for server in found]


def _brief(call: Call, host: Host, seen: Seen | None) -> Document:
    return shown(call, Shown.HYPERVISOR_BRIEF, _newest(host, seen), host)


def _detailed(call: Call, host: Host, seen: Seen) -> Document:
    service: Document = {
        "id": seen.services.get(host.name, host.id),
        "host": host.name,
        "disabled_reason": host.disabled_reason,
    }
    document: Document = {
        **_newest(host, seen),
        "hypervisor_type": host.hypervisor_type,
        "hypervisor_version": host.hypervisor_version,
        "host_ip": host.host_ip,
        "service": service,
        "uptime": None,
    }
    return shown(call, Shown.HYPERVISOR, document, host)


def _newest(host: Host, seen: Seen | None) -> Document:
    document: Document = {
        "id": host.id,
        "hypervisor_hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "enabled" if host.enabled else "disabled",
    }
    if seen is not None and seen.servers is not None:
        document["servers"] = seen.servers.get(host.name, [])
    return document
