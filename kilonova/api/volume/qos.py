"""/qos-specs: named sets of wishes that volume types refer to. Kept and shown; no store here acts on them."""

from collections.abc import Callable
from typing import Any

from msgspec import structs

from kilonova.api.call import Answer, Call
from kilonova.api.paging import read_flag
from kilonova.api.volume import views
from kilonova.api.volume.access import read
from kilonova.api.volume.listing import keys, read_pages, show_page
from kilonova.api.volume.schemas import Pairs, QosKeys
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.ids import new_uuid
from kilonova.model.volume import QosSpecs, VolumeType

SORT_KEYS = keys("id", "name", "created_at", "consumer")
CONSUMERS = ("front-end", "back-end", "both")


async def list_qos(call: Call) -> Answer:
    page = read_pages(call, SORT_KEYS)
    found = await call.world.ledger.read(lambda books: books.volumes.types.all_qos(page))
    return show_page(call, "qos_specs", [_view(one) for one in found], page)


async def create(call: Call) -> Answer:
    pairs = dict(read(call, "qos_specs", Pairs))
    name, consumer = pairs.pop("name", "").strip(), pairs.pop("consumer", "back-end")
    if not name:
        raise BadRequest("Invalid input for field/attribute name. It is missing or empty.")
    made = QosSpecs(id=new_uuid(), name=name, consumer=_consumer(consumer), specs=pairs, created_at=call.world.now())
    await call.world.ledger.write(lambda books: books.volumes.types.add_qos(made))
    return Answer(200, _shown(call, made))


async def show(call: Call) -> Answer:
    return Answer(200, _shown(call, await call.world.ledger.read(lambda books: _get(books, call))))


async def set_keys(call: Call) -> Answer:
    pairs = dict(read(call, "qos_specs", Pairs))
    consumer = pairs.get("consumer")
    specs = {name: value for name, value in pairs.items() if name != "consumer"}
    await _change(
        call,
        lambda old: structs.replace(old, consumer=_consumer(consumer or old.consumer), specs={**old.specs, **specs}),
    )
    return Answer(200, {"qos_specs": pairs})


async def delete_keys(call: Call) -> Answer:
    gone = set(call.json(QosKeys).keys)

    def without(old: QosSpecs) -> QosSpecs:
        missing = gone - old.specs.keys()
        if missing:
            raise BadRequest(f"QoS Specs {old.id} has no spec with key {sorted(missing)[0]}.")
        return structs.replace(old, specs={name: value for name, value in old.specs.items() if name not in gone})

    await _change(call, without)
    return Answer(202)


async def delete(call: Call) -> Answer:
    force = bool(read_flag(call, "force"))
    await call.world.ledger.write(lambda books: books.volumes.types.remove_qos(call.path["qos_id"], force))
    return Answer(202)


async def associations(call: Call) -> Answer:
    def look(books: Books) -> list[dict[str, str]]:
        found = books.volumes.types.with_qos(_get(books, call).id)
        return [{"association_type": "volume_type", "id": one.id, "name": one.name} for one in found]

    return Answer(200, {"qos_associations": await call.world.ledger.read(look)})


async def associate(call: Call) -> Answer:
    def write(books: Books) -> None:
        qos, kind = _get(books, call), _type(books, call)
        if kind.qos_specs_id not in (None, qos.id):
            raise BadRequest(f"Type {kind.id} is already associated with another qos specs: {kind.qos_specs_id}")
        books.volumes.types.replace(structs.replace(kind, qos_specs_id=qos.id))

    await call.world.ledger.write(write)
    return Answer(202)


async def disassociate(call: Call) -> Answer:
    def write(books: Books) -> None:
        _get(books, call)
        books.volumes.types.replace(structs.replace(_type(books, call), qos_specs_id=None))

    await call.world.ledger.write(write)
    return Answer(202)


async def disassociate_all(call: Call) -> Answer:
    def write(books: Books) -> None:
        for kind in books.volumes.types.with_qos(_get(books, call).id):
            books.volumes.types.replace(structs.replace(kind, qos_specs_id=None))

    await call.world.ledger.write(write)
    return Answer(202)


async def _change(call: Call, change: Callable[[QosSpecs], QosSpecs]) -> None:
    await call.world.ledger.write(lambda books: books.volumes.types.replace_qos(change(_get(books, call))))


def _get(books: Books, call: Call) -> QosSpecs:
    return books.volumes.types.qos(call.path["qos_id"])


def _type(books: Books, call: Call) -> VolumeType:
    type_id = call.param("vol_type_id")
    if not type_id:
        raise BadRequest("Volume Type id must not be None.")
    try:
        return books.volumes.types.get(type_id)
    except NotFound:
        raise NotFound(f"Volume type {type_id[:64]} could not be found.") from None


def _consumer(said: str) -> str:
    if said not in CONSUMERS:
        raise BadRequest(f"Invalid qos specs: Valid consumer of QoS specs are: {', '.join(CONSUMERS)}")
    return said


def _view(one: QosSpecs) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "consumer": one.consumer, "specs": dict(one.specs)}


def _shown(call: Call, one: QosSpecs) -> dict[str, Any]:
    return {"qos_specs": _view(one), "links": views.links(call, "qos-specs", one.id)}
