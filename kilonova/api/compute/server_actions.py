"""POST /servers/{id}/action: the body's one key says which."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, whole
from kilonova.api.compute.schemas import ConsoleOutput
from kilonova.api.compute.server_acting import Action
from kilonova.api.compute.server_addresses import ADDRESSES
from kilonova.api.compute.server_guard import GUARD
from kilonova.api.compute.server_images import IMAGES
from kilonova.api.compute.server_power import POWER
from kilonova.api.compute.server_rebuild import REBUILDING
from kilonova.api.compute.server_rescue import RESCUING
from kilonova.api.compute.server_resize import RESIZING
from kilonova.api.compute.servers import find, refuse_locked
from kilonova.errors import BadRequest, Unsupported
from kilonova.model.server import Server
from kilonova.model.server_states import ALLOWED, refuse_in_this_state


async def act(call: Call) -> Answer:
    """One key, one action. Raises BadRequest for none or several, Unsupported for Nova's that are not built."""
    asked = body(call, dict[str, Any])
    if len(asked) != 1:
        raise BadRequest("There is no such action: the body must hold exactly one.")
    name, argument = next(iter(asked.items()))
    if name not in ACTIONS and name not in NOT_BUILT:
        raise BadRequest(f"There is no such action: {name[:80]}")
    server = await call.world.ledger.read(lambda books: find(call, books))
    if name not in WHEN_LOCKED:
        refuse_locked(call, server)
    if name in NOT_BUILT:
        if name in ALLOWED:
            refuse_in_this_state(server, name)
        raise Unsupported(f"The action {name} is not available in this cloud.")
    return await ACTIONS[name](call, server, argument)


async def console_output(call: Call, server: Server, argument: Any) -> Answer:
    """The last lines of the serial console; -1, or no length, is all that is kept."""
    try:
        length = msgspec.convert(argument, ConsoleOutput | None)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None
    lines = None if length is None or length.length is None else whole(length.length, "length", -1)
    output = await call.world.servers.console_output(server, None if lines == -1 else lines)
    return Answer(200, {"output": output})


WHEN_LOCKED = ("lock", "unlock", "os-getConsoleOutput", "addFloatingIp", "removeFloatingIp")

ACTIONS: Mapping[str, Action] = {
    "os-getConsoleOutput": console_output,
    **ADDRESSES,
    **GUARD,
    **POWER,
    **REBUILDING,
    **IMAGES,
    **RESIZING,
    **RESCUING,
}

NOT_BUILT = frozenset(
    [
        "evacuate",
        "os-getSerialConsole",
        "os-getSPICEConsole",
        "os-getVNCConsole",
        "os-migrateLive",
        "resume",
        "shelve",
        "shelveOffload",
        "suspend",
        "unshelve",
    ]
)
