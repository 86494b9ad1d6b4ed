"""A server as its owner sees it, its states, and what happened to it."""

from typing import Any

from msgspec import Struct, field

from kilonova.model.flavor import Flavor
from kilonova.model.ids import ServerId

# Nova's words: clients compare against them.
BUILDING, ACTIVE, STOPPED, ERROR, DELETED = "building", "active", "stopped", "error", "deleted"
PAUSED, SUSPENDED, RESCUED, RESIZED = "paused", "suspended", "rescued", "resized"
SHELVED, SHELVED_OFFLOADED = "shelved", "shelved_offloaded"
POWER_NONE, POWER_RUNNING, POWER_PAUSED, POWER_SHUTDOWN, POWER_CRASHED, POWER_SUSPENDED = 0, 1, 3, 4, 6, 7

STATUS_OF = {
    BUILDING: "BUILD", ACTIVE: "ACTIVE", STOPPED: "SHUTOFF", ERROR: "ERROR", DELETED: "DELETED", PAUSED: "PAUSED",
    SUSPENDED: "SUSPENDED", RESCUED: "RESCUE", RESIZED: "VERIFY_RESIZE", SHELVED: "SHELVED",
    SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
}  # fmt: skip
"""What clients see of a vm_state when nothing is under way."""

STATUS_WHILE = {
    "rebooting": "REBOOT", "reboot_pending": "REBOOT", "reboot_started": "REBOOT",
    "rebooting_hard": "HARD_REBOOT", "reboot_pending_hard": "HARD_REBOOT", "reboot_started_hard": "HARD_REBOOT",
    "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
    "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
    "resize_reverting": "REVERT_RESIZE", "migrating": "MIGRATING", "updating_password": "PASSWORD",
}  # fmt: skip
"""Task state → what clients see while it goes on."""


class Fault(Struct, frozen=True, kw_only=True):
    """Why a server is in ERROR: `message` is for its owner, `details` for an admin (it may name hosts)."""

    code: int
    message: str
    created_at: float
    details: str = ""


class Server(Struct, frozen=True, kw_only=True):
    """One row: times are Unix seconds (UTC), None where it has not happened."""

    id: ServerId
    project_id: str
    user_id: str
    name: str
    hostname: str
    description: str | None
    vm_state: str
    task_state: str | None
    power_state: int
    host: str | None
    node: str | None
    availability_zone: str | None
    requested_zone: str | None
    flavor: Flavor
    """As it was when the server was made: later changes of the flavor do not touch it."""
    other_flavor: Flavor | None = None
    """Of a resize that is not decided yet: what it is to become, and once it is in ``resized``, what it would go back to."""
    image_id: str | None
    key_name: str | None
    config_drive: bool
    user_data: str | None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    fault: Fault | None = None
    progress: int = 0
    locked: bool = False
    locked_reason: str | None = None
    locked_by: str | None = None
    """``owner`` or ``admin``: only an admin takes an admin's lock off."""
    reservation_id: str = ""
    launch_index: int = 0
    access_ipv4: str = ""
    access_ipv6: str = ""
    """What the owner says the server is reached by; shown, and otherwise without effect."""
    security_groups: tuple[str, ...] = ("default",)
    """Names, as asked for when it was made."""
    disk_config: str = "MANUAL"
    """``AUTO``: the guest is to grow its partition. Kept and shown; what grows it is in the image."""
    hints: dict[str, Any] = field(default_factory=dict)
    """What the scheduler was asked to mind, as the client sent it."""
    image_properties: dict[str, str] = field(default_factory=dict)
    """Of its image, as they were when the server was made from it."""
    created_at: float = 0.0
    updated_at: float | None = None
    launched_at: float | None = None
    terminated_at: float | None = None
    deleted_at: float | None = None

    @property
    def held(self) -> tuple[int, int]:
        """(vCPUs, MiB) that count against the quota: of the larger flavor, while a resize is not decided."""
        other = self.other_flavor or self.flavor
        return max(self.flavor.vcpus, other.vcpus), max(self.flavor.ram_mb, other.ram_mb)

    @property
    def status(self) -> str:
        """What `status` shows, as Nova derives it."""
        if self.task_state is not None and self.vm_state not in (DELETED, ERROR, BUILDING):
            return STATUS_WHILE.get(self.task_state, STATUS_OF[self.vm_state])
        return STATUS_OF[self.vm_state]


class ServerFilter(Struct, frozen=True, kw_only=True):
    """What `GET /servers` asks for. None = does not matter; `ip` and `patterns` are regular expressions, as in Nova."""

    project_id: str | None = None
    """None: all projects (admins)."""
    user_id: str | None = None
    statuses: tuple[str, ...] = ()
    """Any of these, as clients see them."""
    vm_states: tuple[str, ...] = ()
    task_states: tuple[str, ...] = ()
    host: str | None = None
    image_id: str | None = None
    flavor_id: str | None = None
    ids: tuple[str, ...] = ()
    ip: str | None = None
    patterns: tuple[tuple[str, str], ...] = ()
    """(column, regular expression): all of them."""
    moments: tuple[tuple[str, float], ...] = ()
    """(column, Unix time), as exact as a second: all of them."""
    changed_since: float | None = None
    changed_before: float | None = None
    deleted: bool | None = False
    """None: those that are deleted and those that are not."""
    config_drive: bool | None = None
    locked: bool | None = None
    progress: int | None = None
    tags_all: tuple[str, ...] = ()
    tags_any: tuple[str, ...] = ()
    not_tags_all: tuple[str, ...] = ()
    """Not those that have all of these."""
    not_tags_any: tuple[str, ...] = ()
    """Not those that have any of these."""
    sort: tuple[tuple[str, str], ...] = (("created_at", "desc"), ("id", "desc"))
    """(key, asc|desc) pairs; keys are names of Server's fields."""
    marker: str | None = None
    limit: int = 1000


class Action(Struct, frozen=True, kw_only=True):
    """One thing that was asked of a server, as os-instance-actions shows it."""

    request_id: str
    server_id: ServerId
    action: str
    user_id: str
    project_id: str
    started_at: float
    updated_at: float | None = None
    message: str | None = None
    events: tuple["ActionEvent", ...] = ()


class ActionEvent(Struct, frozen=True, kw_only=True):
    """One step of an action. `result` is ``Success`` or ``Error``, None while it goes on."""

    event: str
    started_at: float
    finished_at: float | None
    result: str | None
    host: str | None = None
    details: str | None = None
