"""``/v3/services``: what the catalogue lists. Those this program speaks itself are shown too but cannot be changed."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import done, many, new_id, one
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.catalogue import all_services, built_in_services
from kilonova.api.identity.schemas import ServiceCreate, ServiceUpdate
from kilonova.api.identity.views import service_view
from kilonova.api.world import Books
from kilonova.errors import Forbidden
from kilonova.model.identity import CatalogService

_BUILT_IN = {service.id: service for service in built_in_services()}


async def list_services(call: Call) -> Answer:
    wanted_type, wanted_name = call.param("type"), call.param("name")
    found = await call.world.ledger.read(lambda books: all_services(books.identity))
    found = [s for s in found if wanted_type in (None, s.type) and wanted_name in (None, s.name)]
    return many(call, "services", found, service_view)


async def create_service(call: Call) -> Answer:
    body, extra = read_object(call, "service", ServiceCreate)
    record = CatalogService(
        id=new_id(),
        type=body.type,
        name=body.name or "",
        description=body.description or "",
        enabled=body.enabled,
        extra=extra,
    )
    added = await call.world.ledger.write(lambda books: books.identity.services.add(record))
    return one(call, "service", added, service_view, 201)


async def show_service(call: Call) -> Answer:
    service_id = call.path["service_id"]
    if service_id in _BUILT_IN:
        return one(call, "service", _BUILT_IN[service_id], service_view)
    return one(call, "service", await call.world.ledger.read(lambda books: books.identity.services.get(service_id)), service_view)


async def update_service(call: Call) -> Answer:
    body, extra = read_object(call, "service", ServiceUpdate)
    _refuse_built_in(call)

    def change(books: Books) -> CatalogService:
        services = books.identity.services
        old = services.get(call.path["service_id"])
        return services.change(old.id, given(body) | {"extra": merged(old.extra, extra)})

    return one(call, "service", await call.world.ledger.write(change), service_view)


async def delete_service(call: Call) -> Answer:
    _refuse_built_in(call)
    await call.world.ledger.write(lambda books: books.identity.services.remove(call.path["service_id"]))
    return done()


def _refuse_built_in(call: Call) -> None:
    if call.path["service_id"] in _BUILT_IN:
        raise Forbidden("This service is part of the cloud itself and cannot be changed.")
