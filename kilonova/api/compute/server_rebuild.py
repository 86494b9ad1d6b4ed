"""The action `rebuild`: what may be asked, and the server as it is shown in the answer."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import free_text, hostname_text, ip_text, shown, text, truth, uuid_text
from kilonova.api.compute.changes.change import Asked, Document, Shown
from kilonova.api.compute.changes.v2_57 import FILES_UNTIL
from kilonova.api.compute.saying import links
from kilonova.api.compute.schemas import InjectedFile, Metadata, Truth
from kilonova.api.compute.server_acting import Action, ordered, told
from kilonova.api.compute.server_view import detailed
from kilonova.api.compute.server_wish import base64_text, files, password
from kilonova.api.compute.servers import look
from kilonova.errors import BadRequest
from kilonova.lifecycle.rebuild import RebuildWish, order_rebuild
from kilonova.model.server import Server


class RebuildFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """In the newest form, and with `personality`, which was there until 2.56."""

    imageRef: str
    name: str | UnsetType = UNSET
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    preserve_ephemeral: Truth = False
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    accessIPv4: str | UnsetType = UNSET
    accessIPv6: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    key_name: str | UnsetType | None = UNSET
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType | None = UNSET
    personality: list[InjectedFile] | UnsetType = UNSET
    trusted_image_certificates: list[str] | None = None
    hostname: str | UnsetType = UNSET


async def rebuild(call: Call, server: Server, argument: Any) -> Answer:
    """202 and the server as it is to be; its new password is said once, here."""
    asked = told(call, argument, RebuildFields, Asked.SERVER_REBUILD)
    if asked.personality is not UNSET and call.version > FILES_UNTIL:
        raise BadRequest("Additional properties are not allowed ('personality' was unexpected)")
    wanted = _wish(asked)
    await ordered(call, server, order_rebuild, "rebuild", wish=wanted)
    seen = await call.world.ledger.read(lambda books: look(call, books))
    said_once = {"adminPass": wanted.admin_password, "user_data": seen.server.user_data}
    document: Document = {**detailed(call, seen), **said_once}
    document.pop("OS-EXT-SRV-ATTR:user_data", None)  # it stands there by its own name already
    document = shown(call, Shown.SERVER_REBUILT, document, seen.server)
    return Answer(202, {"server": document}, {"Location": links(call, "servers", server.id)[0]["href"]})


def _wish(asked: RebuildFields) -> RebuildWish:
    if asked.trusted_image_certificates:
        raise BadRequest("Trusted image certificates are not available in this cloud.")
    return RebuildWish(
        image_id=uuid_text(asked.imageRef.rstrip("/").rsplit("/", 1)[-1], "imageRef"),
        admin_password=password() if asked.adminPass is UNSET else asked.adminPass,
        name=UNSET if asked.name is UNSET else text(asked.name, "name"),
        hostname=UNSET if asked.hostname is UNSET else hostname_text(asked.hostname, "hostname"),
        description=UNSET if asked.description is UNSET else free_text(asked.description, "description"),
        metadata=asked.metadata,
        key_name=text(asked.key_name, "key_name") if isinstance(asked.key_name, str) else asked.key_name,
        user_data=base64_text(asked.user_data, "user_data") if isinstance(asked.user_data, str) else asked.user_data,
        personality=UNSET if asked.personality is UNSET else files(asked.personality),
        access_ipv4=_access(asked.accessIPv4, "accessIPv4", 4),
        access_ipv6=_access(asked.accessIPv6, "accessIPv6", 6),
        disk_config=asked.disk_config,
        preserve_ephemeral=truth(asked.preserve_ephemeral, "preserve_ephemeral"),
    )


def _access(value: str | UnsetType, name: str, version: int) -> str | UnsetType:
    return ip_text(value, name, version) if isinstance(value, str) and value else value


REBUILDING: Mapping[str, Action] = {"rebuild": rebuild}
