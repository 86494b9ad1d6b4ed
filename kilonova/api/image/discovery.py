"""What this image service can do: its versions, stores, import methods and JSON schemas."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.image.json_schemas import IMAGE, IMAGES, MEMBER, MEMBERS, TASK, TASKS
from kilonova.errors import BadRequest

NEWEST_MINOR = 16

STORE = "files"


def import_methods(call: Call) -> tuple[str, ...]:
    return ("glance-direct",) if call.world.web is None else ("glance-direct", "web-download")


def check_store(store: str | None) -> None:
    """Raises BadRequest for a store that is not there; None is the default one."""
    if store is not None and store != STORE:
        raise BadRequest(f"Store {store[:64]} is not configured: there is '{STORE}'.")


def _versions(call: Call) -> dict[str, Any]:
    links = [{"rel": "self", "href": f"{call.world.public_url}/image/v2/"}]
    minors = range(NEWEST_MINOR, -1, -1)
    status = {NEWEST_MINOR: "CURRENT"}
    return {"versions": [{"id": f"v2.{minor}", "status": status.get(minor, "SUPPORTED"), "links": links} for minor in minors]}


async def choose_version(call: Call) -> Answer:
    """GET /: 300, as Glance answers at its root."""
    return Answer(300, _versions(call))


async def list_versions(call: Call) -> Answer:
    """GET /versions"""
    return Answer(200, _versions(call))


async def show_import_methods(call: Call) -> Answer:
    """GET /v2/info/import"""
    described = {"description": "Import methods available.", "type": "array", "value": list(import_methods(call))}
    return Answer(200, {"import-methods": described})


async def show_usage(call: Call) -> Answer:
    """GET /v2/info/usage: images are not counted against a quota."""
    return Answer(200, {"usage": {}})


async def image_schema(call: Call) -> Answer:
    """GET /v2/schemas/image"""
    return Answer(200, IMAGE)


async def images_schema(call: Call) -> Answer:
    """GET /v2/schemas/images"""
    return Answer(200, IMAGES)


async def member_schema(call: Call) -> Answer:
    """GET /v2/schemas/member"""
    return Answer(200, MEMBER)


async def members_schema(call: Call) -> Answer:
    """GET /v2/schemas/members"""
    return Answer(200, MEMBERS)


async def task_schema(call: Call) -> Answer:
    """GET /v2/schemas/task"""
    return Answer(200, TASK)


async def tasks_schema(call: Call) -> Answer:
    """GET /v2/schemas/tasks"""
    return Answer(200, TASKS)
