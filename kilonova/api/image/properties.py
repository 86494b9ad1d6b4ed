"""The properties of an image as clients may set them: which there are, what values they take, who may set them when."""

from collections.abc import Callable
from typing import Any

import msgspec

from kilonova.api.image.access import UUID
from kilonova.errors import BadRequest, Conflict, Forbidden, TooLarge
from kilonova.model.images import MEASURED, NOT_ADDITIONAL, Image, ImageStatus, Viewer, Visibility

DISK_FORMATS = ("raw", "qcow2", "iso", "vhd", "vhdx", "vmdk", "vdi", "ploop", "ami", "ari", "aki")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
RESERVED = ("os_glance",)
_MAY_BE_NULL = ("kernel_id", "ramdisk_id")
MOST_PROPERTIES = 128
MOST_TAGS = 128
MOST_TEXT = 65535
MOST_INT = 2**31 - 1


def with_property(image: Image, name: str, value: Any, viewer: Viewer) -> Image:
    """`image` with this property set. Raises BadRequest for a wrong value, Forbidden for what is not the viewer's to set."""
    if name in MEASURED or name == "id":
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name.startswith(RESERVED):
        raise Forbidden(f"Attribute '{name}' is reserved.")
    if name in _BASE:
        return _BASE[name](image, value, viewer)
    if value is None and name in _MAY_BE_NULL:
        return without_property(image, name) if name in image.properties else image
    properties = {**image.properties, _property_name(name): _text(value, f"property {name[:64]}", MOST_TEXT)}
    if len(properties) > MOST_PROPERTIES:
        raise TooLarge(f"The limit of {MOST_PROPERTIES} additional properties has been exceeded.")
    return msgspec.structs.replace(image, properties=properties)


def without_property(image: Image, name: str) -> Image:
    """Raises Forbidden for a base property, Conflict for one it does not have."""
    if name in MEASURED or name == "id":
        raise Forbidden(f"Attribute '{name}' is read-only.")
    if name in _BASE:
        raise Forbidden(f"Property {name} may not be removed.")
    if name not in image.properties:
        raise Conflict(f"Property {name} does not exist.")
    return msgspec.structs.replace(image, properties={key: text for key, text in image.properties.items() if key != name})


def has_property(image: Image, name: str) -> bool:
    return name in NOT_ADDITIONAL or name in image.properties


def checked_id(value: Any) -> str:
    """An image id that a client wants for its image."""
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise BadRequest("Invalid image id format")
    return value


def checked_tag(value: Any) -> str:
    return _text(value, "tag", 255)


def with_tags(image: Image, tags: Any) -> Image:
    if not isinstance(tags, (list, tuple)):
        raise BadRequest("Invalid input: tags must be a list of strings.")
    checked = tuple(sorted({checked_tag(tag) for tag in tags}))
    if len(checked) > MOST_TAGS:
        raise TooLarge(f"The limit of {MOST_TAGS} tags has been exceeded.")
    return msgspec.structs.replace(image, tags=checked)


def text_problem(value: str) -> bool:
    """Text that no database takes: NUL, or half of a character."""
    return "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)


def _text(value: Any, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"Invalid input: {what} must be a string.")
    if len(value) > most:
        raise BadRequest(f"Invalid input: {what} must not be longer than {most} characters.")
    if text_problem(value):
        raise BadRequest(f"Invalid input: {what} holds characters that cannot be stored.")
    return value


def _property_name(name: str) -> str:
    if not name:
        raise BadRequest("Invalid input: a property needs a name.")
    return _text(name, "property name", 255)


def _choice(value: Any, name: str, choices: tuple[str, ...]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in choices:
        raise BadRequest(f"Invalid value for {name}: it must be one of {', '.join(choices)}.")
    return value


def _number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_INT:
        raise BadRequest(f"Invalid value for {name}: it must be a whole number from 0 to {MOST_INT}.")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(f"Invalid value for {name}: it must be true or false.")
    return value


def _only_while_queued(image: Image, name: str) -> None:
    if image.status is not ImageStatus.QUEUED:
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.")


def _set_name(image: Image, value: Any, viewer: Viewer) -> Image:
    return msgspec.structs.replace(image, name=None if value is None else _text(value, "name", 255))


def _set_disk_format(image: Image, value: Any, viewer: Viewer) -> Image:
    _only_while_queued(image, "disk_format")
    return msgspec.structs.replace(image, disk_format=_choice(value, "disk_format", DISK_FORMATS))


def _set_container_format(image: Image, value: Any, viewer: Viewer) -> Image:
    _only_while_queued(image, "container_format")
    return msgspec.structs.replace(image, container_format=_choice(value, "container_format", CONTAINER_FORMATS))


def _set_visibility(image: Image, value: Any, viewer: Viewer) -> Image:
    wanted = _choice(value, "visibility", tuple(kind.value for kind in Visibility))
    if wanted is None:
        raise BadRequest("Invalid value for visibility: it must not be null.")
    if wanted == "public" and not viewer.is_admin and image.visibility is not Visibility.PUBLIC:
        raise Forbidden("You are not authorized to make an image public.")
    return msgspec.structs.replace(image, visibility=Visibility(wanted))


def _set_owner(image: Image, value: Any, viewer: Viewer) -> Image:
    owner = _text(value, "owner", 64)
    if owner != image.owner and not viewer.is_admin:
        raise Forbidden("You are not permitted to set the owner of an image to another project.")
    return msgspec.structs.replace(image, owner=owner)


def _set_min_disk(image: Image, value: Any, viewer: Viewer) -> Image:
    return msgspec.structs.replace(image, min_disk=_number(value, "min_disk"))


def _set_min_ram(image: Image, value: Any, viewer: Viewer) -> Image:
    return msgspec.structs.replace(image, min_ram=_number(value, "min_ram"))


def _set_protected(image: Image, value: Any, viewer: Viewer) -> Image:
    return msgspec.structs.replace(image, protected=_flag(value, "protected"))


def _set_hidden(image: Image, value: Any, viewer: Viewer) -> Image:
    return msgspec.structs.replace(image, os_hidden=_flag(value, "os_hidden"))


def _set_tags(image: Image, value: Any, viewer: Viewer) -> Image:
    return with_tags(image, value)


_BASE: dict[str, Callable[[Image, Any, Viewer], Image]] = {
    "name": _set_name,
    "visibility": _set_visibility,
    "owner": _set_owner,
    "disk_format": _set_disk_format,
    "container_format": _set_container_format,
    "min_disk": _set_min_disk,
    "min_ram": _set_min_ram,
    "protected": _set_protected,
    "os_hidden": _set_hidden,
    "tags": _set_tags,
}
