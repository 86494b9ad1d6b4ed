"""Allocation candidates: where a request could go, as the scheduler's room allows. Claims nothing.

A host is a tree of one provider. So every group of a request must be met by the same host, and groups that must be isolated from
each other find none.
"""

import re
from dataclasses import replace
from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.placement.asking import BAD_VALUE, Filter, filter_of, only
from kilonova.api.placement.looking import providers
from kilonova.errors import BadRequest
from kilonova.model.placement import Provider

_SINCE = {"resources": 10, "limit": 16, "required": 17, "member_of": 21, "in_tree": 31, "group_policy": 25}
_SINCE_LATE = {"root_required": 35, "same_subtree": 36}
_GROUPED = re.compile(r"(resources|required|member_of|in_tree)([0-9]+|[a-zA-Z0-9_-]{1,64})")


async def candidates(call: Call) -> Answer:
    """GET /allocation_candidates, since 1.10"""
    groups = _groups(call)
    limit = _limit(call)
    isolated = call.param("group_policy") == "isolate" and len(groups.keys() - {""}) > 1
    wanted = _together(groups)
    root = filter_of(_renamed(call, "root_required", "required")) if call.param("root_required") else Filter()
    found: list[Provider] = []
    if not isolated:
        everyone = await call.world.ledger.read(lambda books: providers(call, books))
        found = [one for one in everyone if root.fits(one) and _fits(one, groups) and one.has_room(wanted)][:limit]
    requests = [_request(call, one, wanted, groups) for one in found]
    return Answer(
        200, {"allocation_requests": requests, "provider_summaries": {one.id: _summary(call, one, wanted) for one in found}}
    )


def _groups(call: Call) -> dict[str, Filter]:
    """Suffix → what that group asks for; the group without a suffix is "". Raises BadRequest."""
    minor = call.version[1]
    plain = {name for name, first in {**_SINCE, **_SINCE_LATE}.items() if minor >= first}
    suffixes = {match[2] for name in call.query.keys() - plain if (match := _GROUPED.fullmatch(name)) and _may(match[2], minor)}
    only(
        call, [*plain, *(f"{name}{suffix}" for suffix in suffixes for name in ("resources", "required", "member_of", "in_tree"))]
    )
    groups = {suffix: filter_of(call, suffix) for suffix in ("", *sorted(suffixes))}
    if not any(group.resources for group in groups.values()):
        raise BadRequest("Invalid query string parameters: 'resources' is a required property", BAD_VALUE)
    policy = call.param("group_policy")
    if policy not in (None, "none", "isolate"):
        raise BadRequest("Invalid query string parameters: group_policy must be 'none' or 'isolate'", BAD_VALUE)
    if policy is None and len(suffixes) > 1:
        raise BadRequest(
            "The \"group_policy\" parameter is required when specifying more than one 'resources{N}' parameter.", BAD_VALUE
        )
    for suffix in suffixes:
        if not groups[suffix].resources and minor < 36:
            raise BadRequest(f"All traits and aggregates need a request for resources: group {suffix} has none.", BAD_VALUE)
    return groups


def _may(suffix: str, minor: int) -> bool:
    """Numbers since 1.25, any text since 1.33."""
    return minor >= 33 or (minor >= 25 and suffix.isdigit() and suffix[0] != "0")


def _limit(call: Call) -> int | None:
    text = call.param("limit")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise BadRequest("Invalid query string parameters: limit must be a number of 1 or more", BAD_VALUE)
    return int(text)


def _renamed(call: Call, old: str, new: str) -> Call:
    return replace(call, query={new: call.query[old]})


def _together(groups: dict[str, Filter]) -> dict[str, int]:
    """All amounts, class by class: they come from one host."""
    wanted: dict[str, int] = {}
    for group in groups.values():
        for name, amount in group.resources.items():
            wanted[name] = wanted.get(name, 0) + amount
    return wanted


def _fits(one: Provider, groups: dict[str, Filter]) -> bool:
    return all(group.fits(one) for group in groups.values())


def _request(call: Call, one: Provider, wanted: dict[str, int], groups: dict[str, Filter]) -> dict[str, Any]:
    if call.version < (1, 12):
        return {"allocations": [{"resource_provider": {"uuid": one.id}, "resources": wanted}]}
    mappings = {suffix: [one.id] for suffix, group in groups.items() if group.resources}
    return {"allocations": {one.id: {"resources": wanted}}, **({"mappings": mappings} if call.version >= (1, 34) else {})}


def _summary(call: Call, one: Provider, wanted: dict[str, int]) -> dict[str, Any]:
    minor = call.version[1]
    rooms = {
        name: {"capacity": inventory.capacity, "used": inventory.used}
        for name, inventory in one.inventories.items()
        if name in wanted or minor >= 27
    }
    traits = {"traits": sorted(one.traits)} if minor >= 17 else {}
    tree = {"parent_provider_uuid": None, "root_provider_uuid": one.id} if minor >= 29 else {}
    return {"resources": rooms, **traits, **tree}
