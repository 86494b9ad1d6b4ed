"""``/v3/regions``: places endpoints are in. The cloud's own region is made at the first start."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import done, many, new_id, one
from kilonova.api.identity.bodies import given, merged, read_object
from kilonova.api.identity.schemas import RegionCreate, RegionUpdate
from kilonova.api.identity.views import region_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden
from kilonova.model.identity import Region
from kilonova.model.page import Order


async def list_regions(call: Call) -> Answer:
    page = read_page(call, ("id",), (Order("id"),), most=None)
    where = read_filters(call, ("parent_region_id",))
    found = await call.world.ledger.read(lambda books: books.identity.regions.find(where, page))
    return many(call, "regions", found, region_view, page)


async def create_region(call: Call) -> Answer:
    return await _create(call, None)


async def create_named_region(call: Call) -> Answer:
    """``PUT``: the id is the path's. Raises Conflict when it is there."""
    return await _create(call, call.path["region_id"])


async def _create(call: Call, region_id: str | None) -> Answer:
    body, extra = read_object(call, "region", RegionCreate)
    if region_id is not None and body.id not in (None, region_id):
        raise BadRequest("Conflicting region IDs specified.")
    record = Region(
        id=region_id or body.id or new_id(),
        description=body.description or "",
        parent_region_id=body.parent_region_id or "",
        extra=extra,
    )
    added = await call.world.ledger.write(lambda books: books.identity.regions.add(record))
    return one(call, "region", added, region_view, 201)


async def show_region(call: Call) -> Answer:
    region_id = call.path["region_id"]
    return one(call, "region", await call.world.ledger.read(lambda books: books.identity.regions.get(region_id)), region_view)


async def update_region(call: Call) -> Answer:
    body, extra = read_object(call, "region", RegionUpdate)
    fields = given(body)

    def change(books: Books) -> Region:
        regions = books.identity.regions
        old = regions.get(call.path["region_id"])
        if fields.get("parent_region_id"):
            regions.get(fields["parent_region_id"])
        return regions.change(old.id, fields | {"extra": merged(old.extra, extra)})

    return one(call, "region", await call.world.ledger.write(change), region_view)


async def delete_region(call: Call) -> Answer:
    if call.path["region_id"] == call.world.region:
        raise Forbidden("This region is part of the cloud itself and cannot be deleted.")
    await call.world.ledger.write(lambda books: books.identity.regions.remove(call.path["region_id"]))
    return done()
