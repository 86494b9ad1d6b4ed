"""What this image service can do: its versions, stores, import methods and JSON schemas."""

from typing import Any

from kilonova.api.call import Answer, Call
from kilonova.api.image.json_schemas import IMAGE, IMAGES, MEMBER, MEMBERS

NEWEST_MINOR = 16
IMPORT_METHODS = ("glance-direct",)
STORE = "files"


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
    described = {"description": "Import methods available.", "type": "array", "value": list(IMPORT_METHODS)}
    return Answer(200, {"import-methods": described})


async def show_stores(call: Call) -> Answer:
    """GET /v2/info/stores"""
    return Answer(200, {"stores": [{"id": STORE, "description": "Files of this cloud.", "default": "true"}]})


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
