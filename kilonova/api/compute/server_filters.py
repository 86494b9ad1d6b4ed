"""What a query string asks of a list of servers, as a ServerFilter. Which page of it, and how servers look, is said elsewhere."""

import re
from collections.abc import Mapping

from kilonova.api.call import Call
from kilonova.api.compute.asking import FALSE, TRUE, last, moment, page, pattern, query, truth
from kilonova.api.compute.changes.change import Asked
from kilonova.api.compute.changes.v2_38 import STATUSES
from kilonova.api.compute.changes.v2_83 import OWNER_FILTERS, OWNER_FILTERS_SINCE
from kilonova.api.compute.query_names import ADMIN_SERVER_FILTERS, JOINED_TABLES, SERVER_PARAMETERS
from kilonova.api.compute.server_sort import read_sort
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.server import ServerFilter

Query = Mapping[str, list[str]]
HOSTNAME_SINCE = (2, 90)
PATTERNS = {
    "name": "name",
    "display_name": "name",
    "description": "description",
    "display_description": "description",
    "hostname": "hostname",
    "key_name": "key_name",
    "availability_zone": "zone",
    "reservation_id": "reservation_id",
    "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
    "node": "host",
    "power_state": "power_state",
    "launch_index": "launch_index",
    "locked_by": "locked_by",
}
"""Filters that are regular expressions, as in Nova → the field that each is searched in."""
CONSTANT = {
    "root_device_name": "/dev/vda",
    "kernel_id": "",
    "ramdisk_id": "",
    "cell_name": "",
    "auto_disk_config": "False",
    "disable_terminate": "False",
}
"""What is the same for every server here: such a filter finds all or nothing."""
MOMENTS = ("created_at", "launched_at", "terminated_at")


def wanted_servers(call: Call) -> ServerFilter | None:
    """What the query asks for; None when nothing can match. Raises BadRequest or Forbidden."""
    asked = _allowed(call, query(call, Asked.SERVER_QUERY, SERVER_PARAMETERS))
    admin = call.who.is_admin
    statuses, deleted = _statuses(asked, admin)
    if statuses is None or not _constants_match(asked):
        return None
    since, before = _moment(asked, "changes-since"), _moment(asked, "changes-before")
    if since is not None and before is not None and before < since:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    marker, limit = page(asked)
    return ServerFilter(
        project_id=_project(call, asked),
        user_id=last(asked, "user_id"),
        statuses=statuses,
        vm_states=tuple(asked.get("vm_state", ())),
        task_states=tuple(asked.get("task_state", ())),
        host=last(asked, "host"),
        image_id=_last_part(last(asked, "image") or last(asked, "image_ref")),
        flavor_id=_last_part(last(asked, "flavor") or last(asked, "instance_type_id")),
        ids=tuple(asked.get("uuid", ())),
        ip=pattern(last(asked, "ip") or last(asked, "ip6"), "ip"),
        patterns=_patterns(asked),
        moments=tuple((name, when) for name in MOMENTS if (when := _moment(asked, name)) is not None),
        changed_since=since,
        changed_before=before,
        deleted=None if deleted is None and (since, before) != (None, None) else bool(deleted),
        config_drive=_optional_truth(asked, "config_drive"),
        locked=_locked(asked),
        progress=_progress(asked),
        tags_all=_tags(asked, "tags"),
        tags_any=_tags(asked, "tags-any"),
        not_tags_all=_tags(asked, "not-tags"),
        not_tags_any=_tags(asked, "not-tags-any"),
        sort=read_sort(asked, admin, call.version),
        marker=marker,
        limit=limit,
    )


def _allowed(call: Call, asked: Query) -> Query:
    """What others may not search by is ignored, as in Nova; what no server can be searched by is refused."""
    if not call.who.is_admin:
        refused = ADMIN_SERVER_FILTERS | (frozenset() if call.version >= OWNER_FILTERS_SINCE else OWNER_FILTERS)
        refused -= {"hostname"} if call.version >= HOSTNAME_SINCE else frozenset()
        return {name: values for name, values in asked.items() if name not in refused}
    for name in asked:
        if name in JOINED_TABLES:
            raise BadRequest(f"Invalid filter field: {name}.")
    return asked


def _project(call: Call, asked: Query) -> str | None:
    """Admins may look into all projects, or another one; everybody else sees their own."""
    everywhere = last(asked, "all_tenants")
    if everywhere is None or (everywhere != "" and not truth(everywhere, "all_tenants")):
        return call.who.project_id
    if not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:servers:index:get_all_tenants to be performed.")
    return last(asked, "project_id") or last(asked, "tenant_id")


def _statuses(asked: Query, admin: bool) -> tuple[tuple[str, ...] | None, bool | None]:
    """(statuses, deleted); statuses None: nothing can match, () means any. Deleted None: it was not asked."""
    deleted: bool | None = None
    if admin and "deleted" in asked:
        deleted = str(last(asked, "deleted")).strip().lower() in TRUE
    words = [word.upper() for word in asked.get("status", ())]
    known = tuple(word for word in words if word in STATUSES)
    if words and not known:
        raise BadRequest(f"Invalid status value: {words[0][:80]}")
    if known == ("DELETED",):
        if not admin:
            raise Forbidden("Only administrators may list deleted instances")
        deleted = True
    return known, deleted


def _patterns(asked: Query) -> tuple[tuple[str, str], ...]:
    found = ((field, pattern(last(asked, name), name)) for name, field in PATTERNS.items())
    return tuple((field, wanted) for field, wanted in found if wanted is not None)


def _constants_match(asked: Query) -> bool:
    for name, value in CONSTANT.items():
        wanted = pattern(last(asked, name), name)
        if wanted is not None and re.search(wanted, value, re.IGNORECASE) is None:
            return False
    return True


def _locked(asked: Query) -> bool | None:
    """What is no truth value is no lock, as in Nova."""
    value = last(asked, "locked")
    if value is None:
        return None
    if value.strip().lower() not in TRUE | FALSE:
        raise BadRequest(f"Invalid input for query parameters locked. Value: {value[:80]}. It is not a boolean.")
    return value.strip().lower() in TRUE


def _progress(asked: Query) -> int | None:
    value = last(asked, "progress")
    return None if value is None else int(value) if re.fullmatch(r"\d{1,3}", value, re.ASCII) else -1


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
