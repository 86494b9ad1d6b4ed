"""Actions that make an image of a server: `createImage`, and `createBackup`, which keeps only so many."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import text, whole
from kilonova.api.compute.schemas import Metadata, Number
from kilonova.api.compute.server_acting import Action, ordered, told
from kilonova.lifecycle.snapshot import ImageWish, order_image
from kilonova.model.server import Server

ID_IN_BODY_SINCE = (2, 45)


class NewImage(Struct, forbid_unknown_fields=True):
    name: str
    metadata: Metadata = field(default_factory=dict)


class NewBackup(Struct, forbid_unknown_fields=True):
    name: str
    backup_type: Annotated[str, Meta(max_length=255)]
    rotation: Number
    metadata: Metadata = field(default_factory=dict)


async def create_image(call: Call, server: Server, argument: Any) -> Answer:
    """202: the image is there, and queued until the host has sent its bytes."""
    asked = told(call, argument, NewImage)
    wish = ImageWish(name=text(asked.name, "name"), metadata=asked.metadata)
    return _answer(call, await ordered(call, server, order_image, "createImage", wish=wish))


async def create_backup(call: Call, server: Server, argument: Any) -> Answer:
    """As createImage; of the backups of this type the newest `rotation` stay. With 0 there are none, and no image is named."""
    asked = told(call, argument, NewBackup)
    wish = ImageWish(
        name=text(asked.name, "name"),
        metadata=asked.metadata,
        backup_type=text(asked.backup_type, "backup_type", least=0),
        rotation=whole(asked.rotation, "rotation"),
    )
    return _answer(call, await ordered(call, server, order_image, "createBackup", wish=wish))


def _answer(call: Call, image_id: str) -> Answer:
    """Since 2.45 the id stands in the body; before, the image's address in a header. Without an image neither."""
    if not image_id:
        return Answer(202)
    if call.version >= ID_IN_BODY_SINCE:
        return Answer(202, {"image_id": image_id})
    return Answer(202, None, {"Location": f"{call.world.public_url}/image/v2/images/{image_id}"})


IMAGES: Mapping[str, Action] = {"createImage": create_image, "createBackup": create_backup}
"""The action's name → its function."""
