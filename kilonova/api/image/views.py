"""How an image and its members look on the wire. Decides nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from kilonova.api.call import Call
from kilonova.api.image.discovery import STORE
from kilonova.model.image_tasks import ImageTask, TaskStatus
from kilonova.model.images import Image, ImageStatus, Member

HASH = "sha512"
_IN_A_STORE = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)


def when(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_view(image: Image) -> dict[str, Any]:
    """Base properties always, additional ones beside them; an additional one never hides a base one."""
    content = image.content
    stores = {"stores": STORE} if content and image.status in _IN_A_STORE else {}
    return {
        **image.properties,
        **stores,
        "id": image.id,
        "name": image.name,
        "status": image.status.value,
        "visibility": image.visibility.value,
        "owner": image.owner,
        "protected": image.protected,
        "os_hidden": image.os_hidden,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": content.size if content else None,
        "virtual_size": content.virtual_size if content else None,
        "checksum": content.md5 if content else None,
        "os_hash_algo": HASH if content else None,
        "os_hash_value": content.sha512 if content else None,
        "tags": list(image.tags),
        "created_at": when(image.created_at),
        "updated_at": when(image.updated_at),
        "self": f"/v2/images/{image.id}",
        "file": f"/v2/images/{image.id}/file",
        "schema": "/v2/schemas/image",
    }


def images_view(call: Call, images: Sequence[Image], limit: int | None) -> dict[str, Any]:
    """One page, with a link to the next when this one is full."""
    pairs = [(name, value) for name, values in call.query.items() if name != "marker" for value in values]
    body: dict[str, Any] = {
        "images": [image_view(image) for image in images],
        "first": _link(pairs),
        "schema": "/v2/schemas/images",
    }
    if images and limit is not None and len(images) >= limit:
        body["next"] = _link([*pairs, ("marker", images[-1].id)])
    return body


def member_view(member: Member) -> dict[str, Any]:
    return {
        "image_id": member.image_id,
        "member_id": member.member_id,
        "status": member.status.value,
        "created_at": when(member.created_at),
        "updated_at": when(member.updated_at),
        "schema": "/v2/schemas/member",
    }


def members_view(members: Sequence[Member]) -> dict[str, Any]:
    return {"members": [member_view(member) for member in members], "schema": "/v2/schemas/members"}


def task_brief(task: ImageTask) -> dict[str, Any]:
    """As a list of tasks shows it."""
    return {
        "id": task.id,
        "type": task.type,
        "status": task.status.value,
        "owner": task.owner,
        "image_id": task.image_id,
        "request_id": task.request_id,
        "user_id": task.user_id,
        "created_at": when(task.created_at),
        "updated_at": when(task.updated_at),
        "expires_at": None if task.expires_at is None else when(task.expires_at),
        "self": f"/v2/tasks/{task.id}",
        "schema": "/v2/schemas/task",
    }


def task_view(task: ImageTask) -> dict[str, Any]:
    result = {"image_id": task.image_id} if task.status is TaskStatus.SUCCESS else None
    return {**task_brief(task), "input": task.input, "result": result, "message": task.message}


def tasks_view(call: Call, tasks: Sequence[ImageTask], limit: int | None) -> dict[str, Any]:
    pairs = [(name, value) for name, values in call.query.items() if name != "marker" for value in values]
    body: dict[str, Any] = {
        "tasks": [task_brief(task) for task in tasks],
        "first": _link(pairs, "/v2/tasks"),
        "schema": "/v2/schemas/tasks",
    }
    if tasks and limit is not None and len(tasks) >= limit:
        body["next"] = _link([*pairs, ("marker", tasks[-1].id)], "/v2/tasks")
    return body


def _link(pairs: list[tuple[str, str]], path: str = "/v2/images") -> str:
    query = urlencode(pairs, quote_via=quote)
    return f"{path}?{query}" if query else path
