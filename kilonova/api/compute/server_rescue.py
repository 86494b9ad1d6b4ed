"""Actions `rescue` and `unrescue`."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import uuid_text
from kilonova.api.compute.server_acting import Action, acted, nothing, ordered, told
from kilonova.api.compute.server_wish import password
from kilonova.lifecycle.rescue import RescueWish, order_rescue, order_unrescue
from kilonova.model.server import Server


class RescueFields(Struct, forbid_unknown_fields=True):
    adminPass: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    rescue_image_ref: str | None = None


async def rescue(call: Call, server: Server, argument: Any) -> Answer:
    """200 and the password that the rescue image is told; null asks for the server's own image."""
    asked = told(call, {} if argument is None else argument, RescueFields)
    image_id = "" if asked.rescue_image_ref is None else uuid_text(asked.rescue_image_ref, "rescue_image_ref")
    wish = RescueWish(admin_password=asked.adminPass or password(), image_id=image_id)
    await ordered(call, server, order_rescue, "rescue", wish=wish)
    return Answer(200, {"adminPass": wish.admin_password})


async def unrescue(call: Call, server: Server, argument: Any) -> Answer:
    nothing(argument)
    return await acted(call, server, order_unrescue, "unrescue")


RESCUING: Mapping[str, Action] = {"rescue": rescue, "unrescue": unrescue}
"""The action's name → its function."""
