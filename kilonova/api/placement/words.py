"""The words of Placement: resource classes and traits."""

from kilonova.api.call import Answer, Call
from kilonova.api.placement.asking import BAD_VALUE, only
from kilonova.api.placement.looking import providers
from kilonova.errors import BadRequest, NotFound
from kilonova.model.placement import RESOURCE_CLASSES, TRAITS


async def resource_classes(call: Call) -> Answer:
    """GET /resource_classes, since 1.2"""
    return Answer(200, {"resource_classes": [_class(name) for name in RESOURCE_CLASSES]})


async def resource_class(call: Call) -> Answer:
    """GET /resource_classes/{name}, since 1.2"""
    name = call.path["name"]
    if name not in RESOURCE_CLASSES:
        raise NotFound(f"No such resource class {name[:64]}.")
    return Answer(200, _class(name))


async def traits(call: Call) -> Answer:
    """GET /traits, since 1.6: those a host may have; ``name=in:A,B``, ``name=startswith:A``, ``associated``."""
    only(call, ("name", "associated"))
    names = list(TRAITS)
    wanted = call.param("name")
    if wanted is not None:
        how, _, rest = wanted.partition(":")
        if how not in ("in", "startswith") or not rest:
            raise BadRequest("Badly formatted name parameter. Expected in:TRAIT,TRAIT or startswith:PREFIX.", BAD_VALUE)
        names = [name for name in names if (name in rest.split(",") if how == "in" else name.startswith(rest))]
    associated = call.param("associated")
    if associated is not None:
        if associated.lower() not in ("true", "false"):
            raise BadRequest("The query parameter associated is true or false.", BAD_VALUE)
        found = await call.world.ledger.read(lambda books: providers(call, books))
        in_use = {name for one in found for name in one.traits}
        names = [name for name in names if (name in in_use) == (associated.lower() == "true")]
    return Answer(200, {"traits": sorted(names)})


async def trait(call: Call) -> Answer:
    """GET /traits/{name}, since 1.6: 204 when there is one."""
    if call.path["name"] not in TRAITS:
        raise NotFound(f"No such trait(s): {call.path['name'][:64]}.")
    return Answer(204)


def _class(name: str) -> dict[str, object]:
    return {"name": name, "links": [{"rel": "self", "href": f"/placement/resource_classes/{name}"}]}
