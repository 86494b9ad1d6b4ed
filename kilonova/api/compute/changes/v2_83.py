"""2.83: everybody may search servers by more of their attributes; before, these meant nothing to non-admins."""

from kilonova.api.compute.changes.change import Change

CHANGE = Change()
OWNER_FILTERS_SINCE = (2, 83)
OWNER_FILTERS = frozenset(
    [
        "availability_zone",
        "config_drive",
        "key_name",
        "created_at",
        "launched_at",
        "terminated_at",
        "power_state",
        "task_state",
        "vm_state",
        "progress",
        "user_id",
    ]
)
