"""Actions that switch a server off and on, hold it still, and set its state by hand."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from kilonova.api.call import Answer, Call
from kilonova.api.compute.server_acting import Action, acted, admins_only, nothing, told
from kilonova.errors import BadRequest, Conflict, Gone
from kilonova.lifecycle.pause import order_crash_dump, order_pause, order_unpause
from kilonova.lifecycle.power import order_start, order_stop, set_state
from kilonova.lifecycle.reboot import order_reboot
from kilonova.model import server as states
from kilonova.model.server import Server
from kilonova.model.server_states import refuse_in_this_state

CRASH_DUMP_SINCE = (2, 17)


class Reboot(Struct, forbid_unknown_fields=True):
    type: str


class NewState(Struct, forbid_unknown_fields=True):
    state: Literal["active", "error"]


class NewPassword(Struct, forbid_unknown_fields=True):
    adminPass: str


async def stop(call: Call, server: Server, argument: Any) -> Answer:
    """Off, by its own power button if it minds it."""
    nothing(argument)
    return await acted(call, server, order_stop, "stop")


async def start(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    return await acted(call, server, order_start, "start")


async def reboot(call: Call, server: Server, argument: Any) -> Answer:
    """``SOFT`` or ``HARD``, in either case of letters."""
    kind = told(call, argument, Reboot).type.upper()
    if kind not in ("SOFT", "HARD"):
        raise BadRequest("Invalid input for field/attribute type. It is one of 'HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft'.")
    return await acted(call, server, order_reboot, "reboot", hard=kind == "HARD")


async def pause(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    return await acted(call, server, order_pause, "pause")


async def unpause(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    return await acted(call, server, order_unpause, "unpause")


async def crash_dump(call: Call, server: Server, argument: Any) -> Answer:
    """Since 2.17."""
    if call.version < CRASH_DUMP_SINCE:
        raise BadRequest("There is no such action: trigger_crash_dump")
    nothing(argument)
    return await acted(call, server, order_crash_dump, "trigger_crash_dump")


async def reset_state(call: Call, server: Server, argument: Any) -> Answer:
    """An admin knows better what the server is. What is under way for it goes on, and has the last word."""
    admins_only(call, "os_compute_api:os-admin-actions:reset_state")
    state = states.ACTIVE if told(call, argument, NewState).state == "active" else states.ERROR
    return await acted(call, server, set_state, "resetState", vm_state=state)


async def force_delete(call: Call, server: Server, argument: Any) -> Answer:
    """Servers are deleted at once here, so this is what DELETE is."""
    await call.world.servers.delete(server.id, call.who, call.request_id)
    return Answer(202)


async def restore(call: Call, server: Server, argument: Any) -> Answer:
    """Of a server that is deleted but kept: there is none, so its state never allows it."""
    refuse_in_this_state(server, "restore")
    raise Conflict(f"Instance {server.id} is not deleted.")


async def inject_network_info(call: Call, server: Server, argument: Any) -> Answer:
    """Guests ask for it themselves and always get what is so now; there is nothing to inject, as with Nova's own drivers."""
    admins_only(call, "os_compute_api:os-admin-actions:inject_network_info")
    refuse_in_this_state(server, "inject_network_info")
    return Answer(202)


async def reset_network(call: Call, server: Server, argument: Any) -> Answer:
    """It was only ever carried out by XenServer, and is no more."""
    raise Gone("This action is no longer supported.")


async def change_password(call: Call, server: Server, argument: Any) -> Answer:
    """Only an agent inside the guest could do it, and guests here have none that we talk to."""
    told(call, argument, NewPassword)
    refuse_in_this_state(server, "changePassword")
    raise Conflict(f"Failed to set admin password on {server.id} because QEMU guest agent is not enabled")


POWER: Mapping[str, Action] = {
    "os-start": start,
    "os-stop": stop,
    "reboot": reboot,
    "pause": pause,
    "unpause": unpause,
    "trigger_crash_dump": crash_dump,
    "os-resetState": reset_state,
    "forceDelete": force_delete,
    "restore": restore,
    "injectNetworkInfo": inject_network_info,
    "resetNetwork": reset_network,
    "changePassword": change_password,
}
