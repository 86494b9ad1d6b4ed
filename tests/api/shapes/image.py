"""What the image service answers, route by route. A route that is not here answers with no body."""

from tests.api.shapes.notation import LINKS, TIME_Z, UUID, Map, OneOf, Open, Shape, Text, maybe
from tests.api.shapes.tables import BYTES, Answers


def error(status: int) -> Shape:
    """Glance's, in the JSON form that clients read."""
    return {"code": status, "title": str, "message": str}


VERSIONS = {"versions": [{"id": Text(r"v2\.\d+"), "status": OneOf("CURRENT", "SUPPORTED"), "links": LINKS}]}
IMAGE = Open(
    {
        "id": UUID,
        "name": str | None,
        "status": OneOf("queued", "saving", "uploading", "importing", "active", "deactivated", "killed", "pending_delete"),
        "visibility": OneOf("public", "private", "shared", "community"),
        "owner": str | None,
        "protected": bool,
        "os_hidden": bool,
        "disk_format": str | None,
        "container_format": str | None,
        "min_disk": int,
        "min_ram": int,
        "size": int | None,
        "virtual_size": int | None,
        "checksum": maybe(Text(r"[0-9a-f]{32}")),
        "os_hash_algo": maybe("sha512"),
        "os_hash_value": maybe(Text(r"[0-9a-f]{128}")),
        "tags": [str],
        "created_at": TIME_Z,
        "updated_at": TIME_Z,
        "self": Text(r"/v2/images/[^/]+"),
        "file": Text(r"/v2/images/[^/]+/file"),
        "schema": "/v2/schemas/image",
        "stores?": str,
    },
    rest=str,
)
"""Whatever else an image is given is text."""
MEMBER = {
    "image_id": UUID,
    "member_id": str,
    "status": OneOf("pending", "accepted", "rejected"),
    "created_at": TIME_Z,
    "updated_at": TIME_Z,
    "schema": "/v2/schemas/member",
}
TASK_BRIEF = {
    "id": UUID,
    "type": OneOf("import", "api_image_import"),
    "status": OneOf("pending", "processing", "success", "failure"),
    "owner": str,
    "image_id": maybe(UUID),
    "request_id": str | None,
    "user_id": str | None,
    "created_at": TIME_Z,
    "updated_at": TIME_Z,
    "expires_at": maybe(TIME_Z),
    "self": Text(r"/v2/tasks/.+"),
    "schema": "/v2/schemas/task",
}
TASK = TASK_BRIEF | {"input": Map(object), "result": maybe({"image_id": UUID}), "message": str}
DOCUMENT = {
    "name": str,
    "properties": Map(Map(object)),
    "additionalProperties?": Map(str),
    "links?": [Map(str)],
    "required?": [str],
}
STORE = {"id": str, "description": str, "default?": "true"}

SHAPES: Answers = {
    "GET /": {300: VERSIONS},
    "GET /versions": {200: VERSIONS},
    "GET /v2": {200: VERSIONS, 300: VERSIONS},
    "GET /v2/images": {
        200: {"images": [IMAGE], "first": Text(r"/v2/images.*"), "next?": Text(r"/v2/images.*"), "schema": "/v2/schemas/images"},
    },
    "POST /v2/images": {201: IMAGE},
    "GET /v2/images/{image_id}": {200: IMAGE},
    "PATCH /v2/images/{image_id}": {200: IMAGE},
    "GET /v2/images/{image_id}/file": {200: BYTES, 204: None, 206: BYTES},
    "GET /v2/images/{image_id}/members": {200: {"members": [MEMBER], "schema": "/v2/schemas/members"}},
    "POST /v2/images/{image_id}/members": {200: MEMBER},
    "GET /v2/images/{image_id}/members/{member_id}": {200: MEMBER},
    "PUT /v2/images/{image_id}/members/{member_id}": {200: MEMBER},
    "GET /v2/images/{image_id}/tasks": {200: {"tasks": [TASK]}},
    "GET /v2/tasks": {
        200: {"tasks": [TASK_BRIEF], "first": Text(r"/v2/tasks.*"), "next?": Text(r"/v2/tasks.*"), "schema": "/v2/schemas/tasks"},
    },
    "POST /v2/tasks": {201: TASK},
    "GET /v2/tasks/{task_id}": {200: TASK},
    **{f"GET /v2/schemas/{name}": {200: DOCUMENT} for name in ("image", "images", "member", "members", "task", "tasks")},
    "GET /v2/info/import": {200: {"import-methods": {"description": str, "type": "array", "value": [str]}}},
    "GET /v2/info/stores": {200: {"stores": [STORE]}},
    "GET /v2/info/stores/detail": {200: {"stores": [STORE | {"type": str, "properties": Map(object), "weight": int}]}},
    "GET /v2/info/usage": {200: {"usage": Map({"limit": int, "usage": int})}},
}
