"""Quotas and limits: how much a project may have, and has. Counted where it is used up; here it is only shown and set."""

from collections.abc import Mapping

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, only, shown, truth, whole
from kilonova.api.compute.changes.change import Document, Shown
from kilonova.api.compute.changes.v2_36 import NETWORK_QUOTAS, NETWORK_QUOTAS_UNTIL
from kilonova.api.compute.changes.v2_57 import FILES_UNTIL
from kilonova.api.compute.schemas import QuotaChange, QuotaUpdate, QuotaUpdateWithFiles
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.quota import UNLIMITED, ComputeQuota, ComputeUsage

DEFAULT_CLASS = "default"
MOST = 2**31 - 1
QUOTAS = ("instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members")
"""What a quota set shows in the newest version."""
NO_QUOTA = ("tenant_id", "force")
Known = tuple[ComputeQuota, ComputeUsage, int]
"""Limits, what servers use, and how many server groups there are."""


async def show(call: Call) -> Answer:
    project = await _project(call)
    quota = await call.world.ledger.read(lambda books: _limits(books, project, _user(call)))
    return Answer(200, {"quota_set": {"id": project, **_quota(call, quota)}})


async def detail(call: Call) -> Answer:
    project = await _project(call)
    quota, used, groups = await call.world.ledger.read(lambda books: _look(books, project, _user(call)))
    in_use = {"instances": used.instances, "cores": used.cores, "ram": used.ram, "server_groups": groups}
    document: Document = {name: {"limit": getattr(quota, name), "in_use": in_use.get(name, 0), "reserved": 0} for name in QUOTAS}
    return Answer(200, {"quota_set": {"id": project, **shown(call, Shown.QUOTA_DETAIL, document, quota)}})


async def defaults(call: Call) -> Answer:
    project = await _project(call)
    quota = await call.world.ledger.read(lambda books: books.quotas.of_class(DEFAULT_CLASS))
    return Answer(200, {"quota_set": {"id": project, **_quota(call, quota)}})


async def update(call: Call) -> Answer:
    """Below what is in use only with ``force``. A user's limits are no larger than its project's."""
    project, user = await _project(call), _user(call)
    shape = QuotaUpdate if call.version > FILES_UNTIL else QuotaUpdateWithFiles
    asked = body(call, shape).quota_set
    changes = _changes(asked)
    if call.version > NETWORK_QUOTAS_UNTIL and any(name in changes for name in NETWORK_QUOTAS):
        raise BadRequest("Additional properties are not allowed: networks have quotas of their own.")
    force = truth(asked.force, "force")

    def change_it(books: Books) -> ComputeQuota:
        if not force:
            _refuse_less_than_in_use(books.quotas.usage(project, user), changes)
        if user is None:
            return books.quotas.change(project, changes)
        if not force:
            _refuse_more_than_the_project(books.quotas.limits(project), changes)
        return books.quotas.change_of_user(project, user, changes)

    quota = await call.world.ledger.write(change_it)
    return Answer(200, {"quota_set": _quota(call, quota)})


async def delete(call: Call) -> Answer:
    """Back to the defaults."""
    only(call, "user_id", since=75)
    project = _allowed(call)
    user = _user(call)

    def forget(books: Books) -> None:
        if user is None:
            books.quotas.forget(project)
        else:
            books.quotas.forget_user(project, user)

    await call.world.ledger.write(forget)
    return Answer(202)


async def limits(call: Call) -> Answer:
    """The caller's own limits and usage; an admin may ask for another project's."""
    only(call, "tenant_id", "reserved", since=75)
    other = last(call.query, "tenant_id")
    if other is not None and other != call.who.project_id and not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:limits:other_project to be performed.")
    project = other or call.who.project_id
    quota, used, groups = await call.world.ledger.read(lambda books: _look(books, project))
    document: Document = {
        "maxServerMeta": quota.metadata_items,
        "maxTotalInstances": quota.instances,
        "maxTotalCores": quota.cores,
        "maxTotalRAMSize": quota.ram,
        "maxTotalKeypairs": quota.key_pairs,
        "maxServerGroups": quota.server_groups,
        "maxServerGroupMembers": quota.server_group_members,
        "totalInstancesUsed": used.instances,
        "totalCoresUsed": used.cores,
        "totalRAMUsed": used.ram,
        "totalServerGroupsUsed": groups,
    }
    return Answer(200, {"limits": {"rate": [], "absolute": shown(call, Shown.LIMITS, document, quota)}})


def _look(books: Books, project: str, user: str | None = None) -> Known:
    return _limits(books, project, user), books.quotas.usage(project, user), books.server_groups.count(project)


def _limits(books: Books, project: str, user: str | None) -> ComputeQuota:
    own = None if user is None else books.quotas.limits_of_user(project, user)
    return own or books.quotas.limits(project)


def _user(call: Call) -> str | None:
    """Whose share of the project's limits is meant; None is the project."""
    return last(call.query, "user_id") or None


async def _project(call: Call) -> str:
    """The project of the path. Raises BadRequest when identity knows none of that id."""
    only(call, "user_id", since=75)
    project = _allowed(call)

    def known(books: Books) -> None:
        try:
            books.identity.projects.get(project)
        except NotFound:
            raise BadRequest(f"Project ID {project[:80]} is not a valid project.") from None

    await call.world.ledger.read(known)
    return project


def _allowed(call: Call) -> str:
    project = call.path["project_id"]
    if project != call.who.project_id and not call.who.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
    return project


def _quota(call: Call, quota: ComputeQuota) -> Document:
    return shown(call, Shown.QUOTA, {name: getattr(quota, name) for name in QUOTAS}, quota)


def _changes(asked: QuotaChange) -> dict[str, int]:
    given = {name: getattr(asked, name) for name in asked.__struct_fields__ if name not in NO_QUOTA}
    return {name: whole(value, name, UNLIMITED, MOST) for name, value in given.items() if value is not UNSET}


def _refuse_less_than_in_use(used: ComputeUsage, changes: Mapping[str, int]) -> None:
    for name, in_use in (("instances", used.instances), ("cores", used.cores), ("ram", used.ram)):
        new = changes.get(name, UNLIMITED)
        if new != UNLIMITED and new < in_use:
            raise BadRequest(f"Quota limit {new} for {name} must be greater than or equal to already used and reserved {in_use}.")


def _refuse_more_than_the_project(limits: ComputeQuota, changes: Mapping[str, int]) -> None:
    for name, new in changes.items():
        most = getattr(limits, name)
        if most != UNLIMITED and (new == UNLIMITED or new > most):
            raise BadRequest(f"Quota limit {new} for {name} must be less than or equal to {most}.")
