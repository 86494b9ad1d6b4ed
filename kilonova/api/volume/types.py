"""/types: what kinds of volumes there are, their extra specs, and who may use the private ones."""

from collections.abc import Callable

from msgspec import UNSET, structs

from kilonova.api.call import Answer, Call
from kilonova.api.paging import as_flag
from kilonova.api.volume import views
from kilonova.api.volume.access import convert, given, read
from kilonova.api.volume.listing import keys, read_pages, show_page
from kilonova.api.volume.schemas import Pairs, ProjectAccess, TypeChange, TypeCreate
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.ids import new_uuid
from kilonova.model.page import Condition
from kilonova.model.volume import VolumeType

SORT_KEYS = keys("id", "name", "created_at", "updated_at", "is_public", "description")
IS_PUBLIC = "os-volume-type-access:is_public"


async def list_types(call: Call) -> Answer:
    """An admin sees all, and may ask for the public or the private ones."""
    page = read_pages(call, SORT_KEYS)
    said = call.param("is_public")
    public: bool | None = None  # what others than admins see is public, or was given to them
    if call.who.is_admin and said not in (None, "", "None", "none"):
        public = as_flag("is_public", said or "")
    where = [Condition("name", name)] if (name := call.param("name")) is not None else []
    found = await call.world.ledger.read(lambda books: books.volumes.types.find(where, page, call.who, public))
    return show_page(call, "volume_types", [views.volume_type(call, one) for one in found], page)


async def create(call: Call) -> Answer:
    body = read(call, "volume_type", TypeCreate)
    if not body.name.strip():
        raise BadRequest("Invalid input for field/attribute name. It is empty.")
    public = read(call, "volume_type", dict[str, object]).get(IS_PUBLIC, True)
    made = VolumeType(
        id=new_uuid(),
        name=body.name.strip(),
        description=body.description,
        is_public=convert(public, bool),
        extra_specs=body.extra_specs or {},
        created_at=call.world.now(),
    )
    await call.world.ledger.write(lambda books: books.volumes.types.add(made))
    return Answer(200, {"volume_type": views.volume_type(call, made, made=True)})


async def show(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.volumes.types.get(call.path["type_id"], call.who))
    return Answer(200, {"volume_type": views.volume_type(call, found)})


async def show_default(call: Call) -> Answer:
    found = await call.world.ledger.write(lambda books: books.volumes.types.ensure_default(call.world.now()))
    return Answer(200, {"volume_type": views.volume_type(call, found)})


async def update(call: Call) -> Answer:
    body = read(call, "volume_type", TypeChange)
    changes = given(body)
    if not changes:
        raise BadRequest("Specify volume type name, description, is_public or a combination thereof.")
    if body.name is not UNSET and not (body.name or "").strip():
        raise BadRequest("Volume type name can not be empty.")
    changed = await _change(call, lambda old: structs.replace(old, **changes))
    view = views.volume_type(call, changed, made=True)
    view.pop(IS_PUBLIC)
    return Answer(200, {"volume_type": view})


async def delete(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.volumes.types.remove(call.path["type_id"]))
    return Answer(202)


async def list_specs(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _get(books, call))
    return Answer(200, {"extra_specs": views.volume_type(call, found)["extra_specs"]})


async def add_specs(call: Call) -> Answer:
    more = read(call, "extra_specs", Pairs)
    if not more:
        raise BadRequest("Invalid input for field/attribute extra_specs. It is empty.")
    await _change(call, lambda old: structs.replace(old, extra_specs={**old.extra_specs, **more}))
    return Answer(200, {"extra_specs": more})


async def show_spec(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: _get(books, call))
    specs, key = views.volume_type(call, found)["extra_specs"], call.path["key"]
    if key not in specs:
        raise _no_spec(key)
    return Answer(200, {key: specs[key]})


async def set_spec(call: Call) -> Answer:
    pair, key = call.json(Pairs), call.path["key"]
    if len(pair) > 1:
        raise BadRequest("Request body contains too many items")
    if key not in pair:
        raise BadRequest("Request body and URI mismatch")
    await _change(call, lambda old: structs.replace(old, extra_specs={**old.extra_specs, **pair}))
    return Answer(200, pair)


async def delete_spec(call: Call) -> Answer:
    key = call.path["key"]

    def without(old: VolumeType) -> VolumeType:
        if key not in old.extra_specs:
            raise _no_spec(key)
        return structs.replace(old, extra_specs={name: value for name, value in old.extra_specs.items() if name != key})

    await _change(call, without)
    return Answer(202)


async def act(call: Call) -> Answer:
    """addProjectAccess, removeProjectAccess"""
    body = call.json(dict[str, object])
    name = next(iter(body), "")
    if len(body) != 1 or name not in ("addProjectAccess", "removeProjectAccess"):
        raise BadRequest(f"There is no such action: {', '.join(sorted(body))[:80]}")
    project, allowed = convert(body[name], ProjectAccess).project, name == "addProjectAccess"
    await call.world.ledger.write(lambda books: _set_access(books, call, project, allowed))
    return Answer(202)


async def list_access(call: Call) -> Answer:
    def look(books: Books) -> list[dict[str, str]]:
        found = _get(books, call)
        if found.is_public:
            raise NotFound("Access list not available for public volume types.")
        return [{"volume_type_id": found.id, "project_id": project} for project in books.volumes.types.projects(found.id)]

    return Answer(200, {"volume_type_access": await call.world.ledger.read(look)})


async def show_encryption(call: Call) -> Answer:
    """No type is encrypted here."""
    await call.world.ledger.read(lambda books: _get(books, call))
    return Answer(200, {})


def _set_access(books: Books, call: Call, project: str, allowed: bool) -> None:
    found, types = _get(books, call), books.volumes.types
    if found.is_public:
        raise BadRequest("Type access modification is not applicable to public volume type.")
    (types.allow if allowed else types.forbid)(found.id, project)


async def _change(call: Call, change: Callable[[VolumeType], VolumeType]) -> VolumeType:
    def write(books: Books) -> VolumeType:
        new = structs.replace(change(_get(books, call)), updated_at=call.world.now())
        books.volumes.types.replace(new)
        return new

    return await call.world.ledger.write(write)


def _get(books: Books, call: Call) -> VolumeType:
    return books.volumes.types.get(call.path["type_id"], call.who)


def _no_spec(key: str) -> NotFound:
    return NotFound(f"Volume Type has no extra specs with key {key[:255]}.")
