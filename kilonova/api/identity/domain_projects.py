"""Domains as ``/v3/projects`` shows them: projects that act as a domain, with the domain's id. They own no servers."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one
from kilonova.api.identity.bodies import merged
from kilonova.api.identity.schemas import ProjectCreate
from kilonova.api.identity.views import View
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.identity import Domain
from kilonova.model.page import Order


async def asked_for_one(call: Call) -> bool:
    """Is the project in the path a domain?"""

    def look(books: Books) -> bool:
        try:
            books.identity.domains.get(call.path["project_id"])
        except NotFound:
            return False
        return True

    return await call.world.ledger.read(look)


async def list_domain_projects(call: Call) -> Answer:
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    if call.param("domain_id") or call.param("parent_id") or call.param("tags"):  # a domain has none of these
        return many(call, "projects", [], _view, page)
    where = read_filters(call, ("name", "id"), ("enabled",))
    return many(
        call, "projects", await call.world.ledger.read(lambda books: books.identity.domains.find(where, page)), _view, page
    )


async def create_domain_project(call: Call, body: ProjectCreate, extra: dict[str, Any]) -> Answer:
    if body.domain_id or body.parent_id:
        raise BadRequest("A project that acts as a domain is in no other domain and has no parent.")
    record = Domain(
        id=new_id(),
        name=body.name,
        description=body.description or "",
        enabled=body.enabled,
        options=body.options,
        extra=extra,
    )
    return one(call, "project", await call.world.ledger.write(lambda books: books.identity.domains.add(record)), _view, 201)


async def show_domain_project(call: Call) -> Answer:
    domain_id = call.path["project_id"]
    if not call.who.is_admin and domain_id != call.who.domain_id:
        raise Forbidden()
    return one(call, "project", await call.world.ledger.read(lambda books: books.identity.domains.get(domain_id)), _view)


async def update_domain_project(call: Call, fields: dict[str, Any], extra: dict[str, Any]) -> Answer:
    """What a domain has too: name, description, enabled, options."""
    if fields.get("domain_id") or fields.get("parent_id") or fields.get("tags"):
        raise BadRequest("A project that acts as a domain is in no other domain, has no parent and no tags.")
    kept = {name: value for name, value in fields.items() if name not in ("domain_id", "parent_id", "tags")}

    def change(books: Books) -> Domain:
        old = books.identity.domains.get(call.path["project_id"])
        return books.identity.domains.change(old.id, kept | {"extra": merged(old.extra, extra)})

    return one(call, "project", await change_identity(call, change), _view)


async def delete_domain_project(call: Call) -> Answer:
    await change_identity(call, lambda books: books.identity.domains.remove(call.path["project_id"]))
    return done()


def _view(record: Domain, root: str) -> View:
    return record.extra | {
        "id": record.id,
        "name": record.name,
        "domain_id": None,
        "parent_id": None,
        "description": record.description,
        "enabled": record.enabled,
        "is_domain": True,
        "tags": [],
        "options": record.options,
        "links": {"self": f"{root}/projects/{record.id}"},
    }
