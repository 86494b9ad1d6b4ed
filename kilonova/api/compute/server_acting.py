"""What the actions on a server have in common: how they are ordered, what they may be told, and what admins alone may do."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from kilonova.api.call import Answer, Call
from kilonova.api.compute.changes import lifts
from kilonova.api.compute.changes.change import Asked, Document
from kilonova.errors import BadRequest, Forbidden
from kilonova.lifecycle.task import Asking
from kilonova.model.server import Server

Action = Callable[[Call, Server, Any], Awaitable[Answer]]
Shape = TypeVar("Shape")


async def acted(call: Call, server: Server, order: Callable[..., Any], action: str, **known: Any) -> Answer:
    """The order of `lifecycle/` in one transaction, and 202. Raises Conflict when the server's state does not allow it."""
    await ordered(call, server, order, action, **known)
    return Answer(202)


async def ordered(call: Call, server: Server, order: Callable[..., Any], action: str, **known: Any) -> Any:
    """The same, with what the order gives back."""
    asking = Asking(caller=call.who, request_id=call.request_id, action=action)
    return await call.world.servers.act(server.id, call.who, lambda found, world: order(found, asking, world, **known))


def nothing(argument: Any) -> None:
    """What takes no argument is asked with null, as Nova's schema has it; older clients send an empty object."""
    if argument not in (None, {}):
        raise BadRequest("Invalid input: this action takes no argument.")


def told(call: Call, argument: Any, shape: type[Shape], asked: Asked | None = None) -> Shape:
    """What came with an action, in the newest form. Raises BadRequest with what is wrong, and where."""
    if asked is not None and isinstance(argument, dict):
        document: Document = argument
        for lift in lifts(asked, call.version[1]):
            document = lift(document)
        argument = document
    try:
        return msgspec.convert(argument, shape)
    except msgspec.ValidationError as wrong:
        raise BadRequest(f"Invalid input: {wrong}") from None


def admins_only(call: Call, policy: str) -> None:
    """Raises Forbidden, in Nova's words."""
    if not call.who.is_admin:
        raise Forbidden(f"Policy doesn't allow {policy} to be performed.")
