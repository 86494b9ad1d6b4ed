"""Server groups: servers that shall run on one host, or on different ones."""

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, last, only, page_by_offset, shown, text, whole
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.schemas_admin import NewServerGroup, ServerGroupFields
from kilonova.api.world import Books
from kilonova.errors import BadRequest, QuotaExceeded
from kilonova.model.ids import new_uuid
from kilonova.model.quota import UNLIMITED
from kilonova.model.server_group import ANTI_AFFINITY, MOST_ON_ONE_HOST, ServerGroup


async def index(call: Call) -> Answer:
    """The project's own; an admin who asks for `all_projects` sees all."""
    only(call, "limit", "offset", "all_projects", since=75)
    offset, limit = page_by_offset(call)
    project = None if call.who.is_admin and last(call.query, "all_projects") is not None else call.who.project_id
    found = await call.world.ledger.read(lambda books: books.server_groups.find(project, offset, limit))
    return Answer(200, {"server_groups": [_group(call, group) for group in found]})


async def show(call: Call) -> Answer:
    only(call)
    found = await call.world.ledger.read(lambda books: books.server_groups.get(call.path["group_id"], _whose(call)))
    return Answer(200, {"server_group": _group(call, found)})


async def create(call: Call) -> Answer:
    wanted = body(call, NewServerGroup, Asked.SERVER_GROUP_CREATE).server_group
    new = ServerGroup(
        id=new_uuid(),
        project_id=call.who.project_id,
        user_id=call.who.user_id,
        name=text(wanted.name, "name"),
        policy=wanted.policy,
        rules=_rules(wanted),
        created_at=call.world.now(),
    )
    made = await call.world.ledger.write(lambda books: _keep(books, new))
    return Answer(200, {"server_group": _group(call, made)})


async def delete(call: Call) -> Answer:
    """Its servers stay where they are."""
    await call.world.ledger.write(lambda books: books.server_groups.delete(call.path["group_id"], _whose(call)))
    return Answer(204)


def _whose(call: Call) -> str | None:
    return None if call.who.is_admin else call.who.project_id


def _keep(books: Books, new: ServerGroup) -> ServerGroup:
    limit = books.quotas.limits(new.project_id).server_groups
    if limit != UNLIMITED and books.server_groups.count(new.project_id) >= limit:
        raise QuotaExceeded("Quota exceeded, too many server groups.")
    return books.server_groups.create(new)


def _rules(wanted: ServerGroupFields) -> dict[str, int]:
    rules = {name: whole(value, name, 1) for name, value in wanted.rules.items()}
    if rules.keys() - {MOST_ON_ONE_HOST}:
        raise BadRequest(f"Invalid input for field/attribute rules: there is only {MOST_ON_ONE_HOST}.")
    if rules and wanted.policy != ANTI_AFFINITY:
        raise BadRequest("Only anti-affinity policy supports rules.")
    return rules


def _group(call: Call, group: ServerGroup) -> Document:
    document: Document = {
        "id": group.id,
        "name": group.name,
        "policy": group.policy,
        "rules": group.rules,
        "members": group.members,
        "project_id": group.project_id,
        "user_id": group.user_id,
    }
    return shown(call, Shown.SERVER_GROUP, document, group)
