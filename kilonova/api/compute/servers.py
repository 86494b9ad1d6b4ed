"""Servers: create, show, change, delete. Lists are in ``server_list.py``, the parts of a server in ``server_parts.py``."""

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, free_text, hostname_text, ip_text, only, server_id, shown, text, truth
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_57 import FILES_UNTIL
from kilonova.api.compute.saying import links
from kilonova.api.compute.schemas import NewServer, NewServerWithFiles, ServerChange, ServerUpdate
from kilonova.api.compute.server_view import Seen, detailed, look_at
from kilonova.api.compute.server_wish import wish
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.model.server import Server


async def create(call: Call) -> Answer:
    """202 when the order is in the ledger and its queue: the client is free to do other things."""
    asked = body(call, NewServer if call.version > FILES_UNTIL else NewServerWithFiles, Asked.SERVER_CREATE)
    wanted = wish(call, asked)
    try:
        ordered = await call.world.servers.order(wanted)
    except NotFound as missing:  # of a thing the body names, not of the path
        raise BadRequest(str(missing)) from None
    if truth(asked.server.return_reservation_id, "return_reservation_id"):
        return Answer(202, {"reservation_id": ordered.reservation_id})
    new = ordered.server_ids[0]
    where = links(call, "servers", new)
    server: Document = {
        "id": new,
        "links": where,
        "OS-DCF:diskConfig": asked.server.disk_config,
        "security_groups": [{"name": name} for name in wanted.security_groups],
        "adminPass": wanted.admin_password,
    }
    return Answer(202, {"server": server}, {"Location": where[0]["href"]})


async def show(call: Call) -> Answer:
    only(call)
    seen = await call.world.ledger.read(lambda books: look(call, books))
    return Answer(200, {"server": detailed(call, seen)})


async def update(call: Call) -> Answer:
    """Name, description, host name and access addresses; what is not named stays."""
    change = body(call, ServerUpdate, Asked.SERVER_UPDATE).server
    name = None if change.name is UNSET else text(change.name, "name")
    hostname = None if change.hostname is UNSET else hostname_text(change.hostname, "hostname")
    description = None if change.description is UNSET else free_text(change.description, "description") or ""
    ipv4, ipv6 = _access(change)
    now = call.world.now()

    def change_it(books: Books) -> Seen:
        found = find(call, books)
        if name is not None or hostname is not None or description is not None:
            books.servers.rename(found.id, name=name, description=description, hostname=hostname, now=now)
        if ipv4 is not None or ipv6 is not None:
            books.servers.set_access(found.id, ipv4=ipv4, ipv6=ipv6, now=now)
        if change.disk_config is not UNSET:
            books.servers.set_disk_config(found.id, change.disk_config, now)
        if change.pinned_availability_zone is not UNSET:
            _pin(books, found, change.pinned_availability_zone, now)
        return look(call, books)

    seen = await call.world.ledger.write(change_it)
    document = shown(call, Shown.SERVER_UPDATED, detailed(call, seen), seen.server)
    return Answer(200, {"server": document})


async def delete(call: Call) -> Answer:
    """Ordered, in whatever state the server is; a locked one only by an admin."""
    if not call.who.is_admin:
        refuse_locked(call, await call.world.ledger.read(lambda books: find(call, books)))
    await call.world.servers.delete(server_id(call), call.who, call.request_id)
    return Answer(204)


def find(call: Call, books: Books) -> Server:
    """The server of the path, if the caller may know it."""
    caller = call.who
    return books.servers.get(server_id(call), None if caller.is_admin else caller.project_id)


def refuse_locked(call: Call, server: Server) -> None:
    """Raises Conflict: a locked server obeys admins only."""
    if server.locked and not call.who.is_admin:
        raise Conflict(f"Instance {server.id} is locked")


def look(call: Call, books: Books) -> Seen:
    """The server of the path and what is shown with it."""
    seen = look_at(call, books, [find(call, books)])[0]
    group = books.server_groups.of_server(seen.server.id)
    return seen._replace(group=group)


def _pin(books: Books, server: Server, zone: str | None, now: float) -> None:
    """A server is bound to the zone it is in, or to none. Raises Conflict for another."""
    if zone is not None and server.requested_zone is not None and zone != server.requested_zone:
        raise Conflict(
            "Cannot change pinned availability zone directly. Unpin first by setting pinned_availability_zone to null."
        )
    if zone is not None and zone != (server.requested_zone or server.availability_zone):
        here = server.availability_zone
        raise Conflict(f"Server can only be pinned to its current availability zone '{here}', but '{zone[:80]}' was requested.")
    if zone != server.requested_zone:
        books.servers.pin_zone(server.id, zone, now)


def _access(change: ServerChange) -> tuple[str | None, str | None]:
    ipv4 = None if change.accessIPv4 is UNSET else change.accessIPv4 and ip_text(change.accessIPv4, "accessIPv4", 4)
    ipv6 = None if change.accessIPv6 is UNSET else change.accessIPv6 and ip_text(change.accessIPv6, "accessIPv6", 6)
    return ipv4, ipv6
