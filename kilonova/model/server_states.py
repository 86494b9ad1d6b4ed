"""Which action a server's state allows: one table, after Nova's `check_instance_state` marks."""

from collections.abc import Mapping

from msgspec import Struct

from kilonova.errors import Conflict
from kilonova.model.server import (
    ACTIVE,
    ERROR,
    PAUSED,
    RESCUED,
    RESIZED,
    SHELVED,
    SHELVED_OFFLOADED,
    STOPPED,
    SUSPENDED,
    Server,
)


class Allowed(Struct, frozen=True):
    """`vm_states` in which it may begin; `tasks` that may be under way beside no task at all (None: whatever is)."""

    vm_states: frozenset[str]
    tasks: frozenset[str] | None = frozenset()


def _in(*vm_states: str) -> Allowed:
    return Allowed(frozenset(vm_states))


_REBOOTS = frozenset({"rebooting", "reboot_pending", "reboot_started"})

ALLOWED: Mapping[str, Allowed] = {
    "start": _in(STOPPED),
    "stop": _in(ACTIVE, ERROR),
    "reboot": _in(ACTIVE),
    "reboot hard": Allowed(frozenset({ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR}), _REBOOTS),
    "rebuild": _in(ACTIVE, STOPPED, ERROR),
    "createImage": _in(ACTIVE, STOPPED, PAUSED, SUSPENDED),
    "createBackup": _in(ACTIVE, STOPPED, PAUSED, SUSPENDED),
    "resize": _in(ACTIVE, STOPPED),
    "confirmResize": _in(RESIZED),
    "revertResize": _in(RESIZED),
    "migrate": _in(ACTIVE, STOPPED),
    "live-migration": _in(ACTIVE, PAUSED),
    "pause": _in(ACTIVE),
    "unpause": _in(PAUSED),
    "suspend": _in(ACTIVE),
    "resume": _in(SUSPENDED),
    "rescue": _in(ACTIVE, STOPPED, ERROR),
    "unrescue": _in(RESCUED),
    "shelve": _in(ACTIVE, STOPPED, PAUSED, SUSPENDED),
    "shelveOffload": _in(SHELVED),
    "unshelve": _in(SHELVED, SHELVED_OFFLOADED),
    "changePassword": _in(ACTIVE),
    "trigger_crash_dump": _in(ACTIVE, PAUSED, RESCUED, RESIZED, ERROR),
    "restore": _in(),
    "inject_network_info": _in(ACTIVE, PAUSED, STOPPED),
    "attach_interface": _in(ACTIVE, PAUSED, STOPPED),
    "detach_interface": _in(ACTIVE, PAUSED, STOPPED),
    "attach_volume": _in(ACTIVE, PAUSED, STOPPED, RESIZED, SUSPENDED, SHELVED, SHELVED_OFFLOADED),
    "detach_volume": _in(ACTIVE, PAUSED, STOPPED, RESIZED, SUSPENDED, SHELVED, SHELVED_OFFLOADED),
}


def refuse_in_this_state(server: Server, action: str) -> None:
    """Raises Conflict, in Nova's words, when the server may not do this now."""
    allowed = ALLOWED[action]
    name = action.removesuffix(" hard")
    if server.vm_state not in allowed.vm_states:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in vm_state {server.vm_state}")
    busy = server.task_state is not None and allowed.tasks is not None and server.task_state not in allowed.tasks
    if busy:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in task_state {server.task_state}")
