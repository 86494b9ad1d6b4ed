"""Actions that change a server's size, and what is decided about it afterwards."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import text
from kilonova.api.compute.server_acting import Action, acted, admins_only, nothing, told
from kilonova.errors import BadRequest, Unsupported
from kilonova.lifecycle.resize import order_confirm, order_resize, order_revert
from kilonova.model.server import Server
from kilonova.model.server_states import refuse_in_this_state

MIGRATE_TO_SINCE = (2, 56)


class NewSize(Struct, forbid_unknown_fields=True):
    flavorRef: str | int
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)


class Move(Struct, forbid_unknown_fields=True):
    """Since 2.56."""

    host: str | None = None


async def resize(call: Call, server: Server, argument: Any) -> Answer:
    """Where it is: to other hosts servers do not go."""
    asked = told(call, argument, NewSize)
    flavor_id = text(str(asked.flavorRef).rstrip("/").rsplit("/", 1)[-1], "flavorRef")
    disk_config = None if asked.disk_config is UNSET else asked.disk_config
    return await acted(call, server, order_resize, "resize", flavor_id=flavor_id, disk_config=disk_config)


async def confirm(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    await acted(call, server, order_confirm, "confirmResize")
    return Answer(204)


async def revert(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    return await acted(call, server, order_revert, "revertResize")


async def migrate(call: Call, server: Server, argument: Any) -> Answer:
    """To another host: refused as Nova does when there is none; where there is one, this cloud cannot do it yet."""
    admins_only(call, "os_compute_api:os-migrate-server:migrate")
    if call.version < MIGRATE_TO_SINCE:
        nothing(argument)
    else:
        told(call, argument or {}, Move)
    refuse_in_this_state(server, "migrate")
    hosts = await call.world.ledger.read(lambda books: books.hosts.hosts())
    if not any(host.up and host.enabled and host.name != server.host for host in hosts):
        raise BadRequest("No valid host was found. There are not enough hosts available.")
    raise Unsupported("The action migrate is not available in this cloud.")


RESIZING: Mapping[str, Action] = {
    "resize": resize,
    "confirmResize": confirm,
    "revertResize": revert,
    "migrate": migrate,
}
