"""Actions that guard a server: its lock, and the security groups of its ports."""

from typing import Any

from msgspec import Struct

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import free_text, text
from kilonova.api.compute.changes.v2_73 import REASON_SINCE
from kilonova.api.compute.schemas import Lock
from kilonova.api.compute.server_acting import told
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, Forbidden, NotFound
from kilonova.model.network import Listing, NetworkPort, SecurityGroup
from kilonova.model.network_wish import PortChanges
from kilonova.model.server import Server


class GroupName(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a security group; its id is taken too."""

    name: str


async def lock(call: Call, server: Server, argument: Any) -> Answer:
    """Until it is unlocked, only admins may change it."""
    asked = told(call, argument, Lock | None) if call.version >= REASON_SINCE else None  # type: ignore[arg-type]
    reason = None if asked is None else free_text(asked.locked_reason, "locked_reason")
    now, by = call.world.now(), "owner" if server.project_id == call.who.project_id else "admin"
    await call.world.ledger.write(lambda books: books.servers.set_locked(server.id, True, reason, now, by))
    return Answer(202)


async def unlock(call: Call, server: Server, argument: Any) -> Answer:
    """What an admin of another project has locked, only an admin unlocks."""
    if server.locked and server.locked_by == "admin" and not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
    now = call.world.now()
    await call.world.ledger.write(lambda books: books.servers.set_locked(server.id, False, None, now))
    return Answer(202)


async def add_group(call: Call, server: Server, argument: Any) -> Answer:
    """All ports of the server are in this group too. https://docs.openstack.org/api-ref/compute/#add-security-group-to-a-server"""
    name = text(told(call, argument, GroupName).name, "name")

    def add(books: Books) -> None:
        ports = _ports(call, books, server)
        group = _group(call, books, server, name)
        for port in ports:
            if group.id not in port.security_groups:
                _change(call, books, port, [*port.security_groups, group.id])

    await call.world.ledger.write(add)
    return Answer(202)


async def remove_group(call: Call, server: Server, argument: Any) -> Answer:
    """No port of the server is in this group any more. Raises NotFound when none was."""
    name = text(told(call, argument, GroupName).name, "name")

    def remove(books: Books) -> None:
        group = _group(call, books, server, name)
        inside = [port for port in _ports(call, books, server) if group.id in port.security_groups]
        if not inside:
            raise NotFound(f"Security group {name} not associated with the instance {server.id}")
        for port in inside:
            _change(call, books, port, [one for one in port.security_groups if one != group.id])

    await call.world.ledger.write(remove)
    return Answer(202)


def _ports(call: Call, books: Books, server: Server) -> list[NetworkPort]:
    ports = list(books.networks.ports.find(Listing(filters={"device_id": (server.id,)}), call.who))
    if not ports:
        raise BadRequest("instance_id " + server.id + " could not be found as device id on any ports")
    return ports


def _group(call: Call, books: Books, server: Server, name: str) -> SecurityGroup:
    """By id or by name, in the server's project. Raises NotFound, Conflict when the name is not enough."""
    groups = [one for one in books.networks.groups.find(Listing(), call.who) if one.project_id == server.project_id]
    found = [one for one in groups if one.id == name] or [one for one in groups if one.name == name]
    if not found:
        raise NotFound(f"Security group {name} not found for project {server.project_id}.")
    if len(found) > 1:
        raise Conflict(f"Multiple security groups found matching '{name}'. Use an ID to be more specific.")
    return found[0]


def _change(call: Call, books: Books, port: NetworkPort, groups: list[str]) -> None:
    changes = PortChanges(security_groups=groups)
    try:
        books.networks.ports.change(port.id, changes, call.who, call.world.now())
    except Conflict as refused:
        raise BadRequest(str(refused)) from None


GUARD = {"lock": lock, "unlock": unlock, "addSecurityGroup": add_group, "removeSecurityGroup": remove_group}
