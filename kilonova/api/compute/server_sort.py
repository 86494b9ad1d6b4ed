"""The order in which a list of servers is wanted: Nova's sort keys, and those that it takes and ignores."""

from collections.abc import Mapping

from kilonova.errors import BadRequest

Query = Mapping[str, list[str]]
SORT_KEYS = {
    "access_ip_v4": "access_ipv4",
    "access_ip_v6": "access_ipv6",
    "availability_zone": "availability_zone",
    "config_drive": "config_drive",
    "created_at": "created_at",
    "display_description": "description",
    "display_name": "name",
    "host": "host",
    "hostname": "hostname",
    "image_ref": "image_id",
    "instance_type_id": "flavor_id",
    "key_name": "key_name",
    "launch_index": "launch_index",
    "launched_at": "launched_at",
    "locked_by": "locked_by",
    "node": "node",
    "power_state": "power_state",
    "progress": "progress",
    "project_id": "project_id",
    "task_state": "task_state",
    "terminated_at": "terminated_at",
    "updated_at": "updated_at",
    "user_id": "user_id",
    "uuid": "id",
    "vm_state": "vm_state",
    # Not Nova's, and harmless.
    "name": "name",
    "locked": "locked",
}
SAME_FOR_ALL = frozenset({"auto_disk_config", "kernel_id", "ramdisk_id", "root_device_name"})
IGNORED = frozenset(
    [
        "architecture",
        "cell_name",
        "cleaned",
        "default_ephemeral_device",
        "default_swap_device",
        "deleted",
        "deleted_at",
        "disable_terminate",
        "ephemeral_gb",
        "ephemeral_key_uuid",
        "id",
        "key_data",
        "launched_on",
        "memory_mb",
        "os_type",
        "reservation_id",
        "root_gb",
        "shutdown_terminate",
        "user_data",
        "vcpus",
        "vm_mode",
    ]
)
"""Nova takes these up to 2.74 and does not sort by them."""
IGNORED_UNTIL = (2, 74)
LOCKED_SINCE = (2, 73)


def read_sort(asked: Query, admin: bool, version: tuple[int, int]) -> tuple[tuple[str, str], ...]:
    """(field, asc|desc) pairs that end in a total order. Raises BadRequest for what is no sort key or direction."""
    keys, directions = asked.get("sort_key", []), asked.get("sort_dir", [])
    if len(directions) > max(len(keys), 1):
        raise BadRequest("Sort direction size exceeds sort key size")
    order: dict[str, str] = {}
    for place, key in enumerate(keys or ["created_at"]):
        direction = directions[place] if place < len(directions) else (directions[0] if directions else "desc")
        if direction not in ("asc", "desc"):
            said = direction[:80]
            raise BadRequest(f"Invalid input for query parameters sort_dir. Value: {said}. It is not one of ['asc', 'desc'].")
        field = _field(key, admin, version)
        if field is not None:
            order[field] = direction
    first = next(iter(order.values()), directions[0] if directions else "desc")
    order.setdefault("created_at", first)
    order.setdefault("id", first)
    return tuple(order.items())


def _field(key: str, admin: bool, version: tuple[int, int]) -> str | None:
    """The field to sort by; None for a key that changes nothing."""
    if key in SAME_FOR_ALL or (key in IGNORED and version <= IGNORED_UNTIL):
        return None
    if key == "locked" and version < LOCKED_SINCE:
        return None
    field = SORT_KEYS.get(key)
    if field is None:
        raise BadRequest(f"Invalid input for query parameters sort_key. Value: {key[:80]}.")
    if key in ("host", "node") and not admin:
        raise BadRequest(f"Only an admin may sort by {key}.")
    return field
