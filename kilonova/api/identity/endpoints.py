"""``/v3/endpoints``: where services are. Those of this program follow its public address and cannot be changed."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import done, many, new_id, one
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.catalogue import all_endpoints, all_services, built_in_endpoints
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.schemas import EndpointCreate, EndpointUpdate
from kilonova.api.identity.views import endpoint_view
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound
from kilonova.model.identity import Endpoint, Region
from kilonova.model.page import EVERYTHING, Condition


async def list_endpoints(call: Call) -> Answer:
    wanted = {"service_id": call.param("service_id"), "interface": call.param("interface"), "region": call.param("region_id")}
    found = await call.world.ledger.read(lambda books: all_endpoints(call, books.identity))
    found = [
        endpoint
        for endpoint in found
        if wanted["service_id"] in (None, endpoint.service_id)
        and wanted["interface"] in (None, endpoint.interface)
        and wanted["region"] in (None, endpoint.region_id)
    ]
    return many(call, "endpoints", found, endpoint_view)


async def create_endpoint(call: Call) -> Answer:
    body, extra = read_object(call, "endpoint", EndpointCreate)
    record = Endpoint(
        id=new_id(),
        service_id=body.service_id,
        interface=body.interface,
        url=body.url,
        region_id=body.region_id or body.region or "",
        enabled=body.enabled,
        extra=extra,
    )

    def add(books: Books) -> Endpoint:
        if not body.region_id:
            _make_region(books.identity, body.region)
        _must_be_there(books.identity, record)
        return books.identity.endpoints.add(record)

    return one(call, "endpoint", await call.world.ledger.write(add), endpoint_view, 201)


async def show_endpoint(call: Call) -> Answer:
    endpoint_id = call.path["endpoint_id"]
    ours = _built_in(call)
    if ours is not None:
        return one(call, "endpoint", ours, endpoint_view)
    return one(
        call, "endpoint", await call.world.ledger.read(lambda books: books.identity.endpoints.get(endpoint_id)), endpoint_view
    )


async def update_endpoint(call: Call) -> Answer:
    body, extra = read_object(call, "endpoint", EndpointUpdate)
    _refuse_built_in(call)

    def change(books: Books) -> Endpoint:
        endpoints = books.identity.endpoints
        old = endpoints.get(call.path["endpoint_id"])
        fields = given(body)
        region = fields.pop("region", "")
        if region and not fields.get("region_id"):
            _make_region(books.identity, region)
            fields["region_id"] = region
        changed = endpoints.change(old.id, fields | {"extra": merged(old.extra, extra)})
        _must_be_there(books.identity, changed)
        return changed

    return one(call, "endpoint", await call.world.ledger.write(change), endpoint_view)


async def delete_endpoint(call: Call) -> Answer:
    _refuse_built_in(call)
    await call.world.ledger.write(lambda books: books.identity.endpoints.remove(call.path["endpoint_id"]))
    return done()


def _built_in(call: Call) -> Endpoint | None:
    return next((e for e in built_in_endpoints(call) if e.id == call.path["endpoint_id"]), None)


def _refuse_built_in(call: Call) -> None:
    if _built_in(call):
        raise Forbidden("This endpoint is part of the cloud itself and cannot be changed.")


def _make_region(book: IdentityBook, region: str | None) -> None:
    """Named by the older field `region`, a region that is not there is made, as in Keystone."""
    if region and not book.regions.find((Condition("id", region),), EVERYTHING):
        book.regions.add(Region(id=region))


def _must_be_there(book: IdentityBook, endpoint: Endpoint) -> None:
    """Service and region of an endpoint; Keystone answers 400 for either."""
    if all(service.id != endpoint.service_id for service in all_services(book)):
        raise BadRequest(f"Could not find service: {endpoint.service_id}.")
    if endpoint.region_id:
        try:
            book.regions.get(endpoint.region_id)
        except NotFound as missing:
            raise BadRequest(str(missing)) from None
