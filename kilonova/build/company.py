"""Part of steps 2 and 3: the server group and the other servers that a request's hints name, and where they are now."""

from collections.abc import Mapping
from typing import Any

from kilonova.build.books import Books
from kilonova.build.record import Requested
from kilonova.build.wish import Wish
from kilonova.errors import BadRequest, NotFound, QuotaExceeded
from kilonova.model.quota import UNLIMITED, ComputeQuota
from kilonova.scheduler.company import ANYWHERE, Company, of_group, together


def check_group(wish: Wish, count: int, limits: ComputeQuota, books: Books) -> None:
    """The group that the hint names is there, and has room for so many more. Raises BadRequest, QuotaExceeded."""
    group = group_of(wish.hints)
    if group is None:
        return
    try:
        books.server_groups.get(group, None if wish.caller.is_admin else wish.caller.project_id)
    except NotFound as missing:
        raise BadRequest(str(missing)) from None
    limit = limits.server_group_members
    if limit != UNLIMITED and books.server_groups.members_of_user(group, wish.caller.user_id) + count > limit:
        raise QuotaExceeded("Quota exceeded, too many servers in group")


def company_of(request: Requested, books: Books) -> Company:
    """Where the server may go because of others. A group that was deleted meanwhile asks for nothing."""
    hints, project = request.hints, request.project_id
    company = _of_named(hints, project, books)
    group_id = group_of(hints)
    if group_id is None:
        return company
    try:
        group = books.server_groups.get(group_id, None)
    except NotFound:
        return company
    return together(company, of_group(group, books.server_groups.hosts(group_id, request.server_id)))


def group_of(hints: Mapping[str, Any]) -> str | None:
    """The id of the group, if a hint names one."""
    group = hints.get("group")
    return group if isinstance(group, str) and group else None


def _of_named(hints: Mapping[str, Any], project_id: str, books: Books) -> Company:
    same, different = _servers(hints.get("same_host")), _servers(hints.get("different_host"))
    if not same and not different:
        return ANYWHERE
    return Company(
        only=books.server_groups.hosts_of(same, project_id) if same else None,
        never=books.server_groups.hosts_of(different, project_id),
    )


def _servers(hint: Any) -> list[str]:
    return [hint] if isinstance(hint, str) else [one for one in hint or () if isinstance(one, str)]
