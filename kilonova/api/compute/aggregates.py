"""Host aggregates: what admins call several hosts together, and the availability zone they give them."""

from collections.abc import Callable

from msgspec import UNSET

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, only, shown, uuid_text, whole
from kilonova.api.compute.changes.change import Document, Shown
from kilonova.api.compute.saying import long_stamp
from kilonova.api.compute.schemas_admin import AggregateAction, AggregateUpdate, CacheImages, NewAggregate
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound, Unsupported
from kilonova.model.aggregate import Aggregate

NOT_IN_ANSWER_TO_CREATE = ("hosts", "metadata")
Change = Callable[[Books, int, float], Aggregate]


async def index(call: Call) -> Answer:
    only(call)
    found = await call.world.ledger.read(lambda books: books.aggregates.all())
    return Answer(200, {"aggregates": [_aggregate(call, aggregate) for aggregate in found]})


async def show(call: Call) -> Answer:
    only(call)
    wanted = _id(call)
    found = await call.world.ledger.read(lambda books: books.aggregates.get(wanted))
    return Answer(200, {"aggregate": _aggregate(call, found)})


async def create(call: Call) -> Answer:
    wanted = body(call, NewAggregate).aggregate
    name, zone = _name(wanted.name, "name"), _zone(wanted.availability_zone)
    made = await call.world.ledger.write(lambda books: books.aggregates.create(name, zone, call.world.now()))
    document = _aggregate(call, made)
    return Answer(200, {"aggregate": {key: value for key, value in document.items() if key not in NOT_IN_ANSWER_TO_CREATE}})


async def update(call: Call) -> Answer:
    wanted = body(call, AggregateUpdate).aggregate
    changes: dict[str, str | None] = {}
    if wanted.name is not UNSET:
        changes["name"] = _name(wanted.name, "name")
    if wanted.availability_zone is not UNSET:
        changes["zone"] = _zone(wanted.availability_zone)
    if not changes:
        raise BadRequest("Invalid input for field/attribute aggregate: it must have a name or an availability_zone.")
    return await _change(call, lambda books, which, now: books.aggregates.change(which, changes, now))


async def delete(call: Call) -> Answer:
    wanted = _id(call)
    await call.world.ledger.write(lambda books: books.aggregates.delete(wanted))
    return Answer(200)


async def act(call: Call) -> Answer:
    """add_host, remove_host, set_metadata: one at a time."""
    asked = body(call, AggregateAction)
    add, remove, items = asked.add_host, asked.remove_host, asked.set_metadata
    if [add, remove, items].count(UNSET) != 2:
        raise BadRequest("There is no such action: the body must hold exactly one.")
    if add is not UNSET:
        host = add.host
        return await _change(call, lambda books, which, now: books.aggregates.add_host(which, host, now))
    if remove is not UNSET:
        host = remove.host
        return await _change(call, lambda books, which, now: books.aggregates.remove_host(which, host, now))
    assert items is not UNSET
    new = items.metadata
    if "availability_zone" in new:
        _zone(new["availability_zone"])
    return await _change(call, lambda books, which, now: books.aggregates.set_metadata(which, new, now))


async def cache_images(call: Call) -> Answer:
    """Since 2.81. Hosts fetch an image when they first need it; here it cannot be ordered before."""
    wanted = _id(call)
    ids = [uuid_text(image.id, "id") for image in body(call, CacheImages).cache]
    if len(set(ids)) != len(ids):
        raise BadRequest("Duplicate images in request")
    await call.world.ledger.read(lambda books: books.aggregates.get(wanted))
    raise Unsupported("Images cannot be cached on hosts before they are needed in this cloud.")


async def _change(call: Call, change: Change) -> Answer:
    wanted = _id(call)
    changed = await call.world.ledger.write(lambda books: change(books, wanted, call.world.now()))
    return Answer(200, {"aggregate": _aggregate(call, changed)})


def _id(call: Call) -> int:
    given = whole(call.path["aggregate_id"], "id", -(10**12), 10**12)
    if not 0 < given < 2**31:
        raise NotFound(f"Aggregate {given} could not be found.")
    return given


def _name(value: str, field: str) -> str:
    """Spaces at the ends of a name mean nothing."""
    stripped = value.strip()
    if not stripped or not stripped.isprintable():
        raise BadRequest(f"Invalid input for field/attribute {field}. Value: {value[:80]}. It must be a name.")
    return stripped


def _zone(value: str | None) -> str | None:
    if value is None:
        return None
    if ":" in value:
        raise BadRequest(f"Invalid input for field/attribute availability_zone. Value: {value[:80]}. It has a colon in it.")
    return _name(value, "availability_zone")


def _aggregate(call: Call, aggregate: Aggregate) -> Document:
    zone = {} if aggregate.zone is None else {"availability_zone": aggregate.zone}
    document: Document = {
        "id": aggregate.id,
        "uuid": aggregate.uuid,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "hosts": aggregate.hosts,
        "metadata": {**aggregate.metadata, **zone},
        "created_at": long_stamp(aggregate.created_at),
        "updated_at": long_stamp(aggregate.updated_at),
        "deleted_at": None,
        "deleted": False,
    }
    return shown(call, Shown.AGGREGATE, document, aggregate)
