"""``/v3/domains``: realms of names. The rules (unique names, disabled before deleted) are the ledger's."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, new_id, one
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import DomainCreate, DomainUpdate
from kilonova.api.identity.views import domain_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import Forbidden
from kilonova.model.identity import Domain
from kilonova.model.page import Order


async def list_domains(call: Call) -> Answer:
    page = read_page(call, ("name", "id"), (Order("name"),), most=None)
    where = read_filters(call, ("name", "id"), ("enabled",))
    return many(
        call, "domains", await call.world.ledger.read(lambda books: books.identity.domains.find(where, page)), domain_view, page
    )


async def create_domain(call: Call) -> Answer:
    body, extra = read_object(call, "domain", DomainCreate)
    record = Domain(
        id=body.explicit_domain_id or new_id(),
        name=body.name,
        description=body.description or "",
        enabled=body.enabled,
        options=body.options,
        extra=extra,
    )
    return one(call, "domain", await call.world.ledger.write(lambda books: books.identity.domains.add(record)), domain_view, 201)


async def show_domain(call: Call) -> Answer:
    domain_id = call.path["domain_id"]
    if not call.who.is_admin and domain_id not in (call.who.domain_id, call.who.project_domain_id, call.who.user_domain_id):
        raise Forbidden()
    return one(call, "domain", await call.world.ledger.read(lambda books: books.identity.domains.get(domain_id)), domain_view)


async def update_domain(call: Call) -> Answer:
    body, extra = read_object(call, "domain", DomainUpdate)
    fields = given(body)
    if fields.get("enabled") is False:
        fields["tokens_from"] = call.world.now()

    def change(books: Books) -> Domain:
        domains = books.identity.domains
        old = domains.get(call.path["domain_id"])
        return domains.change(old.id, fields | {"extra": merged(old.extra, extra)})

    return one(call, "domain", await change_identity(call, change), domain_view)


async def delete_domain(call: Call) -> Answer:
    await change_identity(call, lambda books: books.identity.domains.remove(call.path["domain_id"]))
    return done()
