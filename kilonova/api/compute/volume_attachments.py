"""/servers/{id}/os-volume_attachments: the volumes of a server, one more and one less. https://docs.openstack.org/api-ref/compute/"""

import re
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, free_text, page_by_offset, truth, uuid_text
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.schemas import Truth
from kilonova.api.compute.servers import find, refuse_locked
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Forbidden, NotFound, Unsupported
from kilonova.lifecycle.attach import order_attach, order_detach
from kilonova.lifecycle.task import Asking
from kilonova.model.server import Server
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish

TAG_SINCE, TAG_SHOWN_SINCE, DELETE_SINCE, CHANGE_SINCE, IDS_SINCE, QUIET_SINCE = 49, 70, 79, 85, 89, 101
_DEVICE = re.compile(r"(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$")


class NewAttachment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    volumeId: str
    device: str | None = None
    tag: str | UnsetType = UNSET
    delete_on_termination: Truth | UnsetType = UNSET


class NewBody(Struct, frozen=True, forbid_unknown_fields=True):
    volumeAttachment: NewAttachment


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may not change may be said again, as it was shown."""

    volumeId: str
    id: str | UnsetType = UNSET
    serverId: str | UnsetType = UNSET
    device: str | UnsetType | None = UNSET
    tag: str | UnsetType | None = UNSET
    delete_on_termination: Truth | UnsetType = UNSET


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True):
    volumeAttachment: Change


async def index(call: Call) -> Answer:
    offset, limit = page_by_offset(call)
    server, links = await _look(call)
    return Answer(200, {"volumeAttachments": [_shown(call, server, link) for link in links[offset : offset + limit]]})


async def show(call: Call) -> Answer:
    server, links = await _look(call)
    return Answer(200, {"volumeAttachment": _shown(call, server, _one(call, server, links))})


async def create(call: Call) -> Answer:
    """The volume is this server's when this is answered; the guest sees it a moment later."""
    asked = body(call, NewBody).volumeAttachment
    server, _ = await _look(call)
    refuse_locked(call, server)
    wish = _wish(call, asked, server)
    asking = Asking(caller=call.who, request_id=call.request_id, action="attach_volume")
    link = await call.world.servers.act(server.id, call.who, lambda found, world: order_attach(found, asking, world, wish=wish))
    if call.version[1] >= QUIET_SINCE:
        return Answer(202)
    document: Document = {"id": link.volume_id, "volumeId": link.volume_id, "serverId": server.id, "device": link.device}
    return Answer(200, {"volumeAttachment": document | _since(call, link)})


async def update(call: Call) -> Answer:
    """Whether it goes with the server (since 2.85). To exchange it for another volume is not built."""
    asked = body(call, ChangeBody).volumeAttachment
    server, links = await _look(call)
    link = _one(call, server, links)
    if uuid_text(asked.volumeId, "volumeId") != link.volume_id or call.version[1] < CHANGE_SINCE:
        if not call.who.is_admin:
            raise Forbidden("Policy doesn't allow os_compute_api:os-volumes-attachments:swap to be performed.")
        if asked.volumeId == link.volume_id:
            raise BadRequest("The volume is attached already.")
        raise Unsupported("To exchange an attached volume for another is not available in this cloud.")
    refuse_locked(call, server)
    same = {"id": link.volume_id, "serverId": server.id, "device": link.device, "tag": link.tag}
    for name, value in same.items():
        if getattr(asked, name) not in (UNSET, value):
            raise BadRequest(f"The {name} of a volume attachment cannot be changed.")
    if asked.delete_on_termination is not UNSET:
        goes = truth(asked.delete_on_termination, "delete_on_termination")
        await call.world.servers.act(
            server.id,
            call.who,
            lambda found, world: world.books.volumes.set_delete_on_termination(found.id, link.volume_id, goes),
        )
    return Answer(202)


async def delete(call: Call) -> Answer:
    """The guest lets go of it; then it is available again."""
    server, links = await _look(call)
    refuse_locked(call, server)
    link = _one(call, server, links)
    asking = Asking(caller=call.who, request_id=call.request_id, action="detach_volume")
    await call.world.servers.act(
        server.id, call.who, lambda found, world: order_detach(found, asking, world, volume_id=link.volume_id)
    )
    return Answer(202)


def _wish(call: Call, asked: NewAttachment, server: Server) -> AttachWish:
    minor = call.version[1]
    for name, since in (("tag", TAG_SINCE), ("delete_on_termination", DELETE_SINCE)):
        if getattr(asked, name) is not UNSET and minor < since:
            raise BadRequest(f"Additional properties are not allowed ('{name}' was unexpected)")
    if asked.device is not None and not _DEVICE.match(asked.device):
        raise BadRequest(f"Invalid input for field/attribute device. Value: {asked.device[:80]}.")
    tag = None if asked.tag is UNSET else free_text(asked.tag, "tag", 60)
    if tag is not None and (not tag or set(tag) & {",", "/"}):
        raise BadRequest("Invalid input for field/attribute tag: 1 to 60 characters, no comma and no slash.")
    return AttachWish(
        volume_id=uuid_text(asked.volumeId, "volumeId"),
        server_id=server.id,
        device=asked.device,
        delete_on_termination=asked.delete_on_termination is not UNSET
        and truth(asked.delete_on_termination, "delete_on_termination"),
        tag=tag,
    )


async def _look(call: Call) -> tuple[Server, list[VolumeLink]]:
    def look(books: Books) -> tuple[Server, list[VolumeLink]]:
        server = find(call, books)
        return server, list(books.servers.volume_links(server.id))

    return await call.world.ledger.read(look)


def _one(call: Call, server: Server, links: list[VolumeLink]) -> VolumeLink:
    volume_id = call.path["volume_id"]
    for link in links:
        if link.volume_id == volume_id:
            return link
    raise NotFound(f"Instance {server.id} is not attached to volume {volume_id[:64]}")


def _shown(call: Call, server: Server, link: VolumeLink) -> Document:
    document: dict[str, Any] = {"volumeId": link.volume_id, "serverId": server.id, "device": link.device}
    if call.version[1] < IDS_SINCE:
        document["id"] = link.volume_id
    else:
        document |= {"attachment_id": link.attachment_id, "bdm_uuid": link.attachment_id}
    return document | _since(call, link)


def _since(call: Call, link: VolumeLink) -> Document:
    """What newer versions also tell."""
    document: Document = {}
    if call.version[1] >= TAG_SHOWN_SINCE:
        document["tag"] = link.tag
    if call.version[1] >= DELETE_SINCE:
        document["delete_on_termination"] = link.delete_on_termination
    return document
