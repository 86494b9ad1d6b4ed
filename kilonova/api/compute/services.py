"""The running parts of the cloud, and whether hosts take new servers."""

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, only, shown, truth, uuid_text, whole
from kilonova.api.compute.changes.change import Document, Shown
from kilonova.api.compute.changes.v2_53 import number_of
from kilonova.api.compute.saying import long_stamp
from kilonova.api.compute.schemas import OldServiceUpdate, ServiceUpdate
from kilonova.api.compute.zones import COMPUTE
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.host import Role


async def index(call: Call) -> Answer:
    binary, host = last(call.query, "binary"), last(call.query, "host")
    only(call, "binary", "host", since=75)
    roles = await call.world.ledger.read(lambda books: books.hosts.roles())
    found = [role for role in roles if binary in (None, role.binary) and host in (None, role.host)]
    return Answer(200, {"services": [_service(call, role) for role in found]})


async def update(call: Call) -> Answer:
    """Enable or disable a host, with a reason; say that it is down whatever it says itself."""
    if call.version < (2, 53):
        return await _update_by_name(call)
    asked = body(call, ServiceUpdate)
    if asked.status is UNSET and asked.forced_down is UNSET:
        raise BadRequest("No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    if asked.status != "disabled" and asked.disabled_reason is not UNSET:
        raise BadRequest("Specifying 'disabled_reason' when status is 'enabled' is invalid.")
    reason = asked.disabled_reason if asked.disabled_reason is not UNSET else None
    forced = None if asked.forced_down is UNSET else truth(asked.forced_down, "forced_down")
    service_id = uuid_text(call.path["service_id"], "service_id")

    def change(books: Books) -> Role:
        role = next((role for role in books.hosts.roles() if role.id == service_id), None)
        if asked.status is not UNSET:
            role = _set(books, role, service_id, asked.status == "enabled", reason)
        return _force(books, role, service_id, forced) if forced is not None else _known(role, service_id)

    return Answer(200, {"service": _service(call, await call.world.ledger.write(change))})


async def delete(call: Call) -> Answer:
    """A host that is gone for good is forgotten. While it answers it would come back, so that is refused."""
    given = call.path["service_id"]
    wanted = uuid_text(given, "service_id") if call.version >= (2, 53) else str(whole(given, "id"))

    def forget(books: Books) -> None:
        numbered = (role for role in books.hosts.roles() if wanted in (role.id, str(number_of(role.id))))
        role = _known(next(numbered, None), given)
        if role.binary != COMPUTE:
            raise BadRequest(f"Only {COMPUTE} services can be deleted: a {role.binary} is forgotten by itself.")
        books.hosts.forget(role.id, call.world.now())

    await call.world.ledger.write(forget)
    return Answer(204)


async def _update_by_name(call: Call) -> Answer:
    """Until 2.52: PUT /os-services/enable, /disable, /disable-log-reason, /force-down."""
    how = call.path["service_id"]
    if how == "force-down" and call.version >= (2, 11):
        return await _force_by_name(call)
    if how not in ("enable", "disable", "disable-log-reason"):
        raise NotFound(f"Unknown action {how[:80]}")
    asked = body(call, OldServiceUpdate)
    if how == "disable-log-reason" and asked.disabled_reason is UNSET:
        raise BadRequest("Missing disabled reason field")
    reason = asked.disabled_reason if asked.disabled_reason is not UNSET and how == "disable-log-reason" else None

    def change(books: Books) -> Role:
        named = (role for role in books.hosts.roles() if role.host == asked.host and role.binary == asked.binary)
        return _set(books, next(named, None), asked.host, how == "enable", reason)

    role = await call.world.ledger.write(change)
    document: Document = {"host": role.host, "binary": role.binary, "status": _status(role)}
    if reason is not None:
        document["disabled_reason"] = reason
    return Answer(200, {"service": document})


async def _force_by_name(call: Call) -> Answer:
    asked = body(call, OldServiceUpdate)
    if asked.forced_down is UNSET:
        raise BadRequest("Missing forced_down field")
    forced = truth(asked.forced_down, "forced_down")

    def change(books: Books) -> Role:
        named = (role for role in books.hosts.roles() if role.host == asked.host and role.binary == asked.binary)
        return _force(books, next(named, None), asked.host, forced)

    role = await call.world.ledger.write(change)
    return Answer(200, {"service": {"host": role.host, "binary": role.binary, "forced_down": role.forced_down}})


def _known(role: Role | None, wanted: str) -> Role:
    if role is None:
        raise NotFound(f"Service {wanted[:80]} could not be found.")
    return role


def _force(books: Books, role: Role | None, wanted: str, forced: bool) -> Role:
    role = _known(role, wanted)
    if role.binary != COMPUTE:
        raise BadRequest(f"Updating a {role.binary} service is not supported. Only {COMPUTE} services can be updated.")
    return books.hosts.set_forced_down(role.id, forced)


def _set(books: Books, role: Role | None, wanted: str, enabled: bool, reason: str | None) -> Role:
    role = _known(role, wanted)
    if role.binary != COMPUTE:
        raise BadRequest(f"Updating a {role.binary} service is not supported. Only {COMPUTE} services can be updated.")
    return books.hosts.set_enabled(role.id, enabled, reason)


def _status(role: Role) -> str:
    return "enabled" if role.enabled else "disabled"


def _service(call: Call, role: Role) -> Document:
    document: Document = {
        "id": role.id,
        "binary": role.binary,
        "host": role.host,
        "zone": role.zone,
        "status": _status(role),
        "state": "up" if role.up else "down",
        "updated_at": long_stamp(role.updated_at),
        "disabled_reason": role.disabled_reason,
        "forced_down": role.forced_down,
    }
    return shown(call, Shown.SERVICE, document, role)
