"""The extra specs of a flavor: free text that drivers and the scheduler may read."""

import re
from collections.abc import Callable, Mapping

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, only
from kilonova.api.compute.flavors import find
from kilonova.api.compute.schemas import ExtraSpecs
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound

_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}")
Specs = dict[str, str]


async def index(call: Call) -> Answer:
    only(call)
    flavor = await call.world.ledger.read(lambda books: find(call, books))
    return Answer(200, {"extra_specs": flavor.extra_specs})


async def create(call: Call) -> Answer:
    new = _checked(body(call, ExtraSpecs).extra_specs)
    await _change(call, lambda old: {**old, **new})
    return Answer(200, {"extra_specs": new})


async def show(call: Call) -> Answer:
    only(call)
    key = call.path["key"]
    flavor = await call.world.ledger.read(lambda books: find(call, books))
    if key not in flavor.extra_specs:
        raise _missing(call)
    return Answer(200, {key: flavor.extra_specs[key]})


async def update(call: Call) -> Answer:
    new = _checked(body(call, dict[str, str | int | float]))
    if list(new) != [call.path["key"]]:
        raise BadRequest("Request body and URI mismatch")
    await _change(call, lambda old: {**old, **new})
    return Answer(200, new)


async def delete(call: Call) -> Answer:
    key = call.path["key"]

    def without(old: Specs) -> Specs:
        if key not in old:
            raise _missing(call)
        return {name: value for name, value in old.items() if name != key}

    await _change(call, without)
    return Answer(200)


async def _change(call: Call, change: Callable[[Specs], Specs]) -> None:
    def change_it(books: Books) -> None:
        flavor = find(call, books)
        books.flavors.set_extra_specs(flavor.id, change(flavor.extra_specs))

    await call.world.ledger.write(change_it)


def _checked(specs: Mapping[str, str | int | float]) -> Specs:
    for key, value in specs.items():
        if _KEY.fullmatch(key) is None:
            raise BadRequest(f"Invalid input for field/attribute extra_specs. '{key[:80]}' is no key of one.")
        if len(str(value)) > 255:
            raise BadRequest(f"Invalid input for field/attribute {key}. It is too long.")
    return {key: str(value) for key, value in specs.items()}


def _missing(call: Call) -> NotFound:
    return NotFound(f"Flavor {call.path['flavor_id'][:80]} has no extra specs with key {call.path['key'][:80]}.")
