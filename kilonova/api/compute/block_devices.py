"""What POST /servers says of disks: the image on the host's disk, volumes that are there, volumes that are to be made.

Nova's rules and words; both forms, the old ``block_device_mapping`` and ``block_device_mapping_v2``.
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

from kilonova.api.call import Call
from kilonova.api.compute.asking import text, truth, uuid_text, whole
from kilonova.build.wish import BlockDevice
from kilonova.errors import BadRequest

TYPE_SINCE = 67
MOST_GB = 2**31 - 1
INVALID = "Block Device Mapping is Invalid: "
_OLD = {
    "device_name",
    "volume_id",
    "snapshot_id",
    "volume_size",
    "delete_on_termination",
    "no_device",
    "virtual_name",
    "connection_info",
}
_NEW = {
    "device_name", "source_type", "destination_type", "uuid", "image_id", "volume_id", "snapshot_id", "volume_size",
    "guest_format", "device_type", "disk_bus", "boot_index", "delete_on_termination", "no_device", "connection_info",
    "virtual_name", "tag", "volume_type",
}  # fmt: skip
_SOURCES = ("image", "volume", "snapshot", "blank")


def block_devices(
    call: Call, image: str | None, old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]
) -> tuple[str | None, tuple[BlockDevice, ...]]:
    """(the image of the local root disk, None when the server boots from a volume; the volumes). Raises BadRequest."""
    if old and new:
        raise BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    if old:
        return _old_form(image, old)
    if not new:
        return image, ()
    local: str | None = None
    volumes: list[BlockDevice] = []
    for entry in new:
        _only_known(entry, _NEW)
        if truth(entry.get("no_device", False), "no_device"):
            continue
        source, target = _kinds(entry)
        if target == "volume":
            volumes.append(_volume(call, entry, source))
        elif source == "image":
            local = _local_image(entry, image)
        elif source != "blank":
            raise BadRequest(f"{INVALID}Invalid source_type/destination_type: {source}/{target}.")
    _check_order([device.boot_index for device in volumes], local is not None)
    return local, tuple(volumes)


def _old_form(image: str | None, entries: Sequence[dict[str, Any]]) -> tuple[str | None, tuple[BlockDevice, ...]]:
    """Without an image the first of them is what the server boots from."""
    volumes: list[BlockDevice] = []
    for entry in entries:
        _only_known(entry, _OLD)
        if truth(entry.get("no_device", False), "no_device") or entry.get("virtual_name"):
            continue
        volume, snapshot = entry.get("volume_id"), entry.get("snapshot_id")
        if not volume and not snapshot:
            raise BadRequest(f"{INVALID}a volume_id or a snapshot_id is needed.")
        volumes.append(
            BlockDevice(
                source="volume" if volume else "snapshot",
                source_id=uuid_text(str(volume or snapshot), "volume_id" if volume else "snapshot_id"),
                size_gb=_size(entry),
                boot_index=0 if image is None and not volumes else None,
                device=_device(entry),
                delete_on_termination=truth(entry.get("delete_on_termination") or False, "delete_on_termination"),
            )
        )
    return image, tuple(volumes)


def _kinds(entry: dict[str, Any]) -> tuple[Literal["image", "volume", "snapshot", "blank"], str]:
    source = entry.get("source_type")
    if source not in _SOURCES:
        raise BadRequest(f"{INVALID}Invalid source_type field.")
    usual = "local" if source in ("image", "blank") else "volume"
    target = entry.get("destination_type") or usual
    if target not in ("local", "volume"):
        raise BadRequest(f"{INVALID}Invalid destination_type field.")
    return cast(Literal["image", "volume", "snapshot", "blank"], source), target


def _volume(call: Call, entry: dict[str, Any], source: Literal["image", "volume", "snapshot", "blank"]) -> BlockDevice:
    size = _size(entry)
    named = entry.get("uuid") or entry.get(f"{source}_id")
    if source == "blank" and named:
        raise BadRequest(f"{INVALID}Invalid device UUID.")
    if source != "blank" and not named:
        raise BadRequest(f"{INVALID}Missing device UUID.")
    if source in ("image", "blank") and size is None:
        kind = "Images" if source == "image" else "Blank volumes"
        raise BadRequest(f"{INVALID}{kind} (source: '{source}', dest: 'volume') need to have a non-zero size specified")
    volume_type = entry.get("volume_type")
    if volume_type is not None and call.version[1] < TYPE_SINCE:
        raise BadRequest("Additional properties are not allowed ('volume_type' was unexpected)")
    return BlockDevice(
        source=source,
        source_id=uuid_text(str(named), "uuid") if named else "",
        size_gb=size,
        boot_index=_boot_index(entry),
        device=_device(entry),
        delete_on_termination=truth(entry.get("delete_on_termination") or False, "delete_on_termination"),
        tag=_tag(entry),
        volume_type=None if volume_type is None else text(str(volume_type), "volume_type"),
    )


def _local_image(entry: dict[str, Any], image: str | None) -> str:
    named = entry.get("uuid") or entry.get("image_id")
    if not isinstance(named, str):
        raise BadRequest(f"{INVALID}Missing device UUID.")
    if _boot_index(entry) != 0:
        raise BadRequest(f"{INVALID}Mapping image to local is not supported.")
    if image is not None and named != image:
        raise BadRequest(f"{INVALID}its boot disk is not the image of the server.")
    return uuid_text(named, "uuid")


def _check_order(indexes: Sequence[int | None], local: bool) -> None:
    """One of them is the first, and none is missing in between."""
    given = sorted(index for index in indexes if index is not None)
    if local:
        given = [0, *given]
    if not given or given != list(range(len(given))):
        raise BadRequest(f"{INVALID}Boot sequence for the instance and image/block device mapping combination is not valid.")


def _boot_index(entry: dict[str, Any]) -> int | None:
    index = entry.get("boot_index")
    if index is None or str(index) in ("", "None"):
        return None
    if isinstance(index, bool) or not isinstance(index, int | str):
        raise BadRequest("Invalid input for field/attribute boot_index.")
    if str(index).startswith("-"):
        return None
    return whole(index, "boot_index")


def _size(entry: dict[str, Any]) -> int | None:
    size = entry.get("volume_size")
    if size in (None, ""):
        return None
    if isinstance(size, bool) or not isinstance(size, int | str):
        raise BadRequest("Invalid input for field/attribute volume_size.")
    return whole(size, "volume_size", 0, MOST_GB) or None


def _device(entry: dict[str, Any]) -> str | None:
    name = entry.get("device_name")
    if name is None or name == "":
        return None
    if not isinstance(name, str) or " " in name or len(name) > 255:
        raise BadRequest(f"{INVALID}Device name empty or too long, or it has blanks in it.")
    return name if name.startswith("/") else f"/dev/{name}"


def _tag(entry: dict[str, Any]) -> str | None:
    tag = entry.get("tag")
    if tag is None:
        return None
    if not isinstance(tag, str) or not 1 <= len(tag) <= 60 or set(tag) & {",", "/"}:
        raise BadRequest("Invalid input for field/attribute tag: 1 to 60 characters, no comma and no slash.")
    return tag


def _only_known(entry: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(entry.keys() - known)
    if unknown:
        raise BadRequest(f"Additional properties are not allowed ({unknown[0][:80]!r} was unexpected)")
