"""The JSON schemas that clients may fetch: of an image, of a member, and of lists of them. Documents only; checks nothing."""

from typing import Any

from kilonova.api.image.properties import CONTAINER_FORMATS, DISK_FORMATS
from kilonova.model.images import MemberStatus, Visibility

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
_STATES = ["queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"]


def _text(description: str, most: int | None = None, **more: Any) -> dict[str, Any]:
    limit = {} if most is None else {"maxLength": most}
    return {"type": "string", "description": description, **limit, **more}


def _maybe(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": ["null", kind], "description": description, **more}


_PROPERTIES: dict[str, Any] = {
    "id": _text("An identifier for the image", pattern=_UUID),
    "name": _maybe("string", "Descriptive name for the image", maxLength=255),
    "status": _text("Status of the image", readOnly=True, enum=_STATES),
    "visibility": _text("Scope of image accessibility", enum=[kind.value for kind in Visibility]),
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {"type": "boolean", "description": "If true, image will not appear in default image list response."},
    "checksum": _maybe("string", "md5 hash of image contents.", readOnly=True, maxLength=32),
    "os_hash_algo": _maybe("string", "Algorithm to calculate the os_hash_value", readOnly=True, maxLength=64),
    "os_hash_value": _maybe(
        "string",
        "Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
        readOnly=True,
        maxLength=128,
    ),
    "owner": _maybe("string", "Owner of the image", maxLength=255),
    "size": _maybe("integer", "Size of image file in bytes", readOnly=True),
    "virtual_size": _maybe("integer", "Virtual size of image in bytes", readOnly=True),
    "container_format": _maybe("string", "Format of the container", enum=[None, *CONTAINER_FORMATS]),
    "disk_format": _maybe("string", "Format of the disk", enum=[None, *DISK_FORMATS]),
    "created_at": _text("Date and time of image registration", readOnly=True),
    "updated_at": _text("Date and time of the last image modification", readOnly=True),
    "tags": {
        "type": "array",
        "items": {"type": "string", "maxLength": 255},
        "description": "List of strings related to the image",
    },
    "min_ram": {"type": "integer", "description": "Amount of ram (in MB) required to boot image."},
    "min_disk": {"type": "integer", "description": "Amount of disk space (in GB) required to boot image."},
    "stores": _text("Stores in which the image data is.", readOnly=True),
    "self": _text("An image self url", readOnly=True),
    "file": _text("An image file url", readOnly=True),
    "schema": _text("An image schema url", readOnly=True),
    "architecture": _text("Operating system architecture", is_base=False),
    "os_distro": _text("Common name of operating system distribution", is_base=False),
    "os_version": _text("Operating system version as specified by the distributor", is_base=False),
    "instance_uuid": _text("Which instance this image is associated with. (Informational only.)", is_base=False),
    "kernel_id": _maybe("string", "ID of image that should be used as the kernel when booting", pattern=_UUID, is_base=False),
    "ramdisk_id": _maybe("string", "ID of image that should be used as the ramdisk when booting", pattern=_UUID, is_base=False),
}

IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": _PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}

IMAGES: dict[str, Any] = {
    "name": "images",
    "properties": {
        "images": {"type": "array", "items": IMAGE},
        "first": {"type": "string"},
        "next": {"type": "string"},
        "schema": {"type": "string"},
    },
    "links": [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}

MEMBER: dict[str, Any] = {
    "name": "member",
    "properties": {
        "image_id": _text("An identifier for the image", pattern=_UUID),
        "member_id": _text("An identifier for the image member (tenantId)"),
        "status": _text("The status of this image member", enum=[status.value for status in MemberStatus]),
        "created_at": _text("Date and time of image member creation"),
        "updated_at": _text("Date and time of last modification of image member"),
        "schema": {"type": "string", "readOnly": True},
    },
}

MEMBERS: dict[str, Any] = {
    "name": "members",
    "properties": {"members": {"type": "array", "items": MEMBER}, "schema": {"type": "string"}},
    "links": [{"rel": "describedby", "href": "{schema}"}],
}

TASK: dict[str, Any] = {
    "name": "task",
    "properties": {
        "id": _text("An identifier for the task", pattern=_UUID),
        "type": {"type": "string", "enum": ["import", "api_image_import"], "description": "The type of task represented"},
        "status": {
            "type": "string",
            "enum": ["pending", "processing", "success", "failure"],
            "description": "The current status",
        },
        "input": _maybe("object", "The parameters required by task, JSON blob"),
        "result": _maybe("object", "The result of current task, JSON blob"),
        "owner": _text("An identifier for the owner of this task"),
        "message": _text("Human-readable informative message only included when appropriate (usually on failure)"),
        "image_id": _text("Image associated with the task"),
        "request_id": _text("Human-readable informative request-id"),
        "user_id": _text("User associated with the task"),
        "expires_at": _maybe("string", "Datetime when this resource would be subject to removal"),
        "created_at": _text("Datetime when this resource was created"),
        "updated_at": _text("Datetime when this resource was updated"),
        "self": {"type": "string", "readOnly": True},
        "schema": {"type": "string", "readOnly": True},
    },
}

TASKS: dict[str, Any] = {
    "name": "tasks",
    "properties": {
        "tasks": {"type": "array", "items": TASK},
        "first": {"type": "string"},
        "next": {"type": "string"},
        "schema": {"type": "string"},
    },
    "links": [
        {"rel": "first", "href": "{first}"},
        {"rel": "next", "href": "{next}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
