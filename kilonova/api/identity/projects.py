"""``/v3/projects``: what owns servers. Where a project may stand in its tree is the ledger's to decide."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.identity import domain_projects
from kilonova.api.identity.answers import change_identity, done, many, new_id, one, own_domain
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import ProjectCreate, ProjectUpdate
from kilonova.api.identity.views import View, base, project_view
from kilonova.api.paging import read_filters, read_flag, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.identity import Project
from kilonova.model.page import Condition, Order


async def list_projects(call: Call) -> Answer:
    if read_flag(call, "is_domain"):
        return await domain_projects.list_domain_projects(call)
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = read_filters(call, ("name", "id", "domain_id", "parent_id"), ("enabled",))
    for tag in (call.param("tags") or "").split(","):
        if tag:
            where += (Condition("tags", f",{tag},", "contains"),)
    found = await call.world.ledger.read(lambda books: books.identity.projects.find(where, page))
    return many(call, "projects", found, project_view, page)


async def create_project(call: Call) -> Answer:
    body, extra = read_object(call, "project", ProjectCreate)
    if body.is_domain:
        return await domain_projects.create_domain_project(call, body, extra)

    def add(books: Books) -> Project:
        projects = books.identity.projects
        domain_id = body.domain_id or own_domain(call)
        if body.parent_id and body.parent_id != domain_id and not body.domain_id:
            domain_id = projects.get(body.parent_id).domain_id
        return projects.add(
            Project(
                id=new_id(),
                name=body.name,
                domain_id=domain_id,
                parent_id=body.parent_id or domain_id,
                description=body.description or "",
                enabled=body.enabled,
                tags=_unique(body.tags),
                options=body.options,
                extra=extra,
            )
        )

    return one(call, "project", await call.world.ledger.write(add), project_view, 201)


async def show_project(call: Call) -> Answer:
    if await domain_projects.asked_for_one(call):
        return await domain_projects.show_domain_project(call)
    project_id = call.path["project_id"]
    user_id = call.who.user_id

    def look(books: Books) -> View:
        projects = books.identity.projects
        known = call.who.is_admin or call.who.project_id == project_id
        if not known and project_id not in books.identity.assignments.targets(user_id, "project"):
            raise Forbidden()
        project = projects.get(project_id)
        return project_view(project, base(call)) | _relatives(call, books, project)

    return Answer(200, {"project": await call.world.ledger.read(look)})


async def update_project(call: Call) -> Answer:
    body, extra = read_object(call, "project", ProjectUpdate)
    fields = given(body)
    acts_as_domain = await domain_projects.asked_for_one(call)
    if fields.pop("is_domain", acts_as_domain) != acts_as_domain:
        raise BadRequest("Update of `is_domain` is not allowed.")
    if "tags" in fields:
        fields["tags"] = _unique(fields["tags"])
    if fields.get("enabled") is False:
        fields["tokens_from"] = call.world.now()
    if acts_as_domain:
        return await domain_projects.update_domain_project(call, fields, extra)

    def change(books: Books) -> Project:
        projects = books.identity.projects
        old = projects.get(call.path["project_id"])
        if fields.get("domain_id", old.domain_id) != old.domain_id:
            raise BadRequest("Update of `domain_id` is not allowed.")
        if fields.get("parent_id", old.parent_id) != old.parent_id:
            raise Forbidden("Update of `parent_id` is not allowed.")
        return projects.change(old.id, fields | {"extra": merged(old.extra, extra)})

    return one(call, "project", await change_identity(call, change), project_view)


async def delete_project(call: Call) -> Answer:
    if await domain_projects.asked_for_one(call):
        return await domain_projects.delete_domain_project(call)
    await change_identity(call, lambda books: books.identity.projects.remove(call.path["project_id"]))
    return done()


def _unique(tags: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


def _relatives(call: Call, books: Books, project: Project) -> View:
    """Parents and children, where the query asks for them."""
    projects, found = books.identity.projects, View()
    if "parents_as_list" in call.query:
        found["parents"] = [{"project": project_view(parent, base(call))} for parent in projects.ancestors(project)]
    elif "parents_as_ids" in call.query:
        chain: dict[str, Any] | None = {project.domain_id: None}
        for parent in reversed(projects.ancestors(project)):
            chain = {parent.id: chain}
        found["parents"] = chain
    if "subtree_as_list" in call.query:
        found["subtree"] = [{"project": project_view(child, base(call))} for child in projects.below(project.id)]
    elif "subtree_as_ids" in call.query:
        found["subtree"] = _tree(project.id, projects.below(project.id))
    return found


def _tree(project_id: str, below: list[Project]) -> dict[str, Any] | None:
    """Ids under ids; None where nothing is below."""
    return {child.id: _tree(child.id, below) for child in below if child.parent_id == project_id} or None
