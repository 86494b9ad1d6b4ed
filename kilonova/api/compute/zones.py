"""Availability zones: which there are, and for admins what is in them."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import only
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.saying import long_stamp
from kilonova.model.host import Role

COMPUTE = "nova-compute"


async def index(call: Call) -> Answer:
    only(call)
    roles = await call.world.ledger.read(lambda books: books.hosts.roles())
    return Answer(200, {"availabilityZoneInfo": [_zone(zone, roles, None) for zone in _zones(roles, compute_only=True)]})


async def detail(call: Call) -> Answer:
    only(call)
    roles = await call.world.ledger.read(lambda books: books.hosts.roles())
    return Answer(
        200, {"availabilityZoneInfo": [_zone(zone, roles, _hosts(zone, roles)) for zone in _zones(roles, compute_only=False)]}
    )


def _zones(roles: Sequence[Role], *, compute_only: bool) -> list[str]:
    return sorted({role.zone for role in roles if role.binary == COMPUTE or not compute_only})


def _zone(zone: str, roles: Sequence[Role], hosts: Document | None) -> Document:
    available = any(role.enabled for role in roles if role.zone == zone)
    return {"zoneName": zone, "zoneState": {"available": available}, "hosts": hosts}


def _hosts(zone: str, roles: Sequence[Role]) -> Document:
    hosts: Document = {}
    for role in roles:
        if role.zone == zone:
            state = {"available": role.up, "active": role.enabled, "updated_at": long_stamp(role.updated_at)}
            hosts.setdefault(role.host, {})[role.binary] = state
    return hosts
