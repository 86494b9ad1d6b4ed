"""/v2.0/quotas: how many of each thing a project may have. The counting is the ledger's."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.schemas import read_one
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.network import DEFAULT_QUOTAS

Most = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class QuotaChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """-1 is unlimited."""

    network: Most | UnsetType = UNSET
    subnet: Most | UnsetType = UNSET
    port: Most | UnsetType = UNSET
    security_group: Most | UnsetType = UNSET
    security_group_rule: Most | UnsetType = UNSET
    router: Most | UnsetType = UNSET
    floatingip: Most | UnsetType = UNSET
    subnetpool: Most | UnsetType = UNSET
    check_limit: bool = False
    """Refuse what is less than there is already."""
    force: bool | None = None
    """Taken and of no consequence: without `check_limit` nothing is checked."""


async def list_quotas(call: Call) -> Answer:
    """The projects that have limits of their own."""
    found = await call.world.ledger.read(
        lambda books: [(project_id, books.networks.quotas.limits(project_id)) for project_id in books.networks.quotas.projects()]
    )
    return Answer(200, {"quotas": [{**limits, "project_id": one, "tenant_id": one} for one, limits in found]})


async def show_quota(call: Call) -> Answer:
    project_id = _project(call)
    limits = await call.world.ledger.read(lambda books: books.networks.quotas.limits(project_id))
    return Answer(200, {"quota": limits})


async def show_default_quota(call: Call) -> Answer:
    _project(call)
    return Answer(200, {"quota": DEFAULT_QUOTAS})


async def show_quota_details(call: Call) -> Answer:
    project_id = _project(call)
    limits, usage = await call.world.ledger.read(
        lambda books: (books.networks.quotas.limits(project_id), books.networks.quotas.usage(project_id))
    )
    return Answer(200, {"quota": views.quota_details(limits, usage)})


async def update_quota(call: Call) -> Answer:
    changes = read_one(call, "quota", QuotaChanges)
    said = {name: most for name in DEFAULT_QUOTAS if (most := getattr(changes, name)) is not UNSET}
    project_id = _project(call)

    def change(books: Books) -> Mapping[str, int]:
        if changes.check_limit:
            _refuse_less_than_used(said, books.networks.quotas.usage(project_id))
        return books.networks.quotas.change(project_id, said)

    return Answer(200, {"quota": await call.world.ledger.write(change)})


async def delete_quota(call: Call) -> Answer:
    project_id = _project(call)
    if not await call.world.ledger.write(lambda books: books.networks.quotas.forget(project_id)):
        raise NotFound(f"Quota for tenant {project_id[:64]} could not be found.", kind="TenantQuotaNotFound")
    return Answer(204)


async def show_own_project(call: Call) -> Answer:
    """Which project a token's quotas are those of: clients ask before they know."""
    return Answer(200, {"tenant": {"tenant_id": call.who.project_id, "project_id": call.who.project_id}})


def _refuse_less_than_used(said: Mapping[str, int], used: Mapping[str, int]) -> None:
    """-1 is no limit, so it is never too little. Raises BadRequest."""
    for name, most in said.items():
        if 0 <= most < used[name]:
            raise BadRequest(f"Quota limit {most} for {name} must be greater than or equal to already used {used[name]}")


def _project(call: Call) -> str:
    """The project in the path. Others' quotas are for admins."""
    project_id = call.path["project_id"]
    if project_id != call.who.project_id and not call.who.is_admin:
        raise Forbidden("Only an admin may see or change another project's quotas.", kind="PolicyNotAuthorized")
    if "\0" in project_id or len(project_id) > 64:
        raise NotFound("The project could not be found.", kind="TenantQuotaNotFound")
    return project_id
