"""Lists of servers: what a query string asks for, page by page."""

import re
from collections.abc import Mapping, Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import last, moment, page, query, truth
from kilonova.api.compute.changes.change import Asked, Document
from kilonova.api.compute.changes.v2_38 import STATUSES
from kilonova.api.compute.query_names import ADMIN_SERVER_FILTERS, SERVER_PARAMETERS
from kilonova.api.compute.saying import next_page
from kilonova.api.compute.server_view import brief, detailed
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.host import Host
from kilonova.model.server import Server, ServerFilter
from kilonova.model.server_address import ServerAddress

Query = Mapping[str, list[str]]
Found = tuple[Sequence[Server], Mapping[str, Sequence[ServerAddress]], dict[str, Host]]

OCCURRING = {"BUILD": "BUILD", "ACTIVE": "ACTIVE", "SHUTOFF": "SHUTOFF", "ERROR": "ERROR", "DELETED": "DELETED"}
SORT_KEYS = {
    "created_at": "created_at",
    "updated_at": "updated_at",
    "launched_at": "launched_at",
    "terminated_at": "terminated_at",
    "display_name": "name",
    "name": "name",
    "display_description": "description",
    "uuid": "id",
    "id": "id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "power_state": "power_state",
    "host": "host",
    "node": "node",
    "hostname": "hostname",
    "user_id": "user_id",
    "project_id": "project_id",
    "image_ref": "image_id",
    "key_name": "key_name",
    "availability_zone": "availability_zone",
    "config_drive": "config_drive",
    "launch_index": "launch_index",
    "reservation_id": "reservation_id",
    "progress": "progress",
    "locked": "locked",
}
NOT_BUILT = frozenset(
    [
        "task_state",
        "power_state",
        "progress",
        "created_at",
        "launched_at",
        "terminated_at",
        "locked",
        "not-tags",
        "not-tags-any",
        "hostname",
        "description",
        "display_description",
        "root_device_name",
        "kernel_id",
        "ramdisk_id",
        "launch_index",
        "access_ip_v4",
        "access_ip_v6",
        "auto_disk_config",
        "cell_name",
        "disable_terminate",
        "ephemeral_gb",
        "host_status",
    ]
)
"""Filters of Nova's that the ledger cannot apply; ignoring them would show servers that were not asked for."""


async def index(call: Call) -> Answer:
    wanted = wanted_servers(call)
    servers: Sequence[Server] = await call.world.ledger.read(lambda books: books.servers.find(wanted)) if wanted else ()
    return _page(call, [brief(call, server) for server in servers], wanted)


async def detail(call: Call) -> Answer:
    wanted = wanted_servers(call)
    if wanted is None:
        return _page(call, [], wanted)

    def look(books: Books) -> Found:
        servers = books.servers.find(wanted)
        addresses = books.servers.addresses([server.id for server in servers])
        hosts: dict[str, Host] = {host.name: host for host in books.hosts.hosts()} if call.who.is_admin else {}
        return servers, addresses, hosts

    servers, addresses, hosts = await call.world.ledger.read(look)
    documents = [detailed(call, server, addresses.get(server.id, ()), hosts) for server in servers]
    for document in documents:
        document.pop("server_groups", None)  # shown of one server, not in lists
    return _page(call, documents, wanted)


def _page(call: Call, documents: list[Document], wanted: ServerFilter | None) -> Answer:
    more = next_page(call, "servers", [document["id"] for document in documents], wanted.limit) if wanted else {}
    return Answer(200, {"servers": documents, **more})


def wanted_servers(call: Call) -> ServerFilter | None:
    """What the query asks for; None when nothing can match. Raises BadRequest or Forbidden."""
    asked = query(call, Asked.SERVER_QUERY, SERVER_PARAMETERS)
    admin = call.who.is_admin
    if not admin:
        asked = {name: values for name, values in asked.items() if name not in ADMIN_SERVER_FILTERS}
    unbuilt = sorted(asked.keys() & NOT_BUILT)
    if unbuilt:
        raise BadRequest(f"Servers cannot be searched by {unbuilt[0]} in this cloud.")
    statuses, deleted = _statuses(asked, admin)
    if statuses is None:
        return None
    marker, limit = page(asked)
    return ServerFilter(
        project_id=_project(call, asked),
        user_id=last(asked, "user_id"),
        name=_pattern(last(asked, "name") or last(asked, "display_name"), "name"),
        statuses=statuses,
        vm_states=tuple(asked.get("vm_state", ())),
        host=last(asked, "host") or last(asked, "node"),
        image_id=_last_part(last(asked, "image") or last(asked, "image_ref")),
        flavor_id=_last_part(last(asked, "flavor") or last(asked, "instance_type_id")),
        ids=tuple(asked.get("uuid", ())),
        ip=_pattern(last(asked, "ip") or last(asked, "ip6"), "ip"),
        reservation_id=last(asked, "reservation_id"),
        changed_since=_moment(asked, "changes-since"),
        changed_before=_moment(asked, "changes-before"),
        deleted=deleted,
        availability_zone=last(asked, "availability_zone"),
        key_name=last(asked, "key_name"),
        config_drive=_optional_truth(asked, "config_drive"),
        tags_all=_tags(asked, "tags"),
        tags_any=_tags(asked, "tags-any"),
        sort=_sort(asked, admin),
        marker=marker,
        limit=limit,
    )


def _project(call: Call, asked: Query) -> str | None:
    """Admins may look into all projects, or another one; everybody else sees their own."""
    everywhere = last(asked, "all_tenants")
    if everywhere is None or (everywhere != "" and not truth(everywhere, "all_tenants")):
        return call.who.project_id
    if not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed.")
    return last(asked, "project_id") or last(asked, "tenant_id")


def _statuses(asked: Query, admin: bool) -> tuple[tuple[str, ...] | None, bool]:
    """(statuses, deleted); statuses None: nothing can match, () means any."""
    deleted = admin and truth(last(asked, "deleted") or False, "deleted")
    words = [word.upper() for word in asked.get("status", ())]
    for word in words:
        if word not in STATUSES:
            raise BadRequest(f"Invalid status value: {word[:80]}")
    if "DELETED" in words:
        if not admin:
            raise Forbidden("Only administrators may list deleted instances")
        deleted = True
    occurring = tuple(word for word in words if word in OCCURRING)
    return (None if words and not occurring else occurring), deleted


def _sort(asked: Query, admin: bool) -> tuple[tuple[str, str], ...]:
    keys = asked.get("sort_key", [])
    directions = asked.get("sort_dir", [])
    if len(directions) > max(len(keys), 1):
        raise BadRequest("Sort direction size exceeds sort key size")
    order: dict[str, str] = {}
    for place, key in enumerate(keys or ["created_at"]):
        field = SORT_KEYS.get(key)
        if field is None or (field in ("host", "node") and not admin):
            raise BadRequest(f"Invalid input for query parameters sort_key. Value: {key[:80]}.")
        direction = directions[place] if place < len(directions) else (directions[0] if directions else "desc")
        if direction not in ("asc", "desc"):
            raise BadRequest(
                f"Invalid input for query parameters sort_dir. Value: {direction[:80]}. It is not one of ['asc', 'desc']."
            )
        order[field] = direction
    first = next(iter(order.values()))
    order.setdefault("created_at", first)
    order.setdefault("id", first)
    return tuple(order.items())


def _pattern(value: str | None, name: str) -> str | None:
    """Names and addresses are searched by regular expression."""
    if not value:
        return None
    if len(value) > 255:
        raise BadRequest(f"Invalid input for query parameters {name}. It is too long.")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError):
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {value}. It is not a 'regex'.") from None
    return value


def _moment(asked: Query, name: str) -> float | None:
    value = last(asked, name)
    return None if value is None else moment(value, name)


def _optional_truth(asked: Query, name: str) -> bool | None:
    value = last(asked, name)
    return None if value is None else truth(value, name)


def _tags(asked: Query, name: str) -> tuple[str, ...]:
    value = last(asked, name)
    return tuple(tag for tag in value.split(",") if tag) if value else ()


def _last_part(reference: str | None) -> str | None:
    return reference.rstrip("/").rsplit("/", 1)[-1] if reference else None
