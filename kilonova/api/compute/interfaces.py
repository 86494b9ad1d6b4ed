"""/servers/{id}/os-interface: the NICs of a server, one more and one less. https://docs.openstack.org/api-ref/compute/"""

from typing import Any

from msgspec import Struct

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, free_text, ip_text, uuid_text
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.servers import find, refuse_locked
from kilonova.api.world import Books
from kilonova.build.wish import NicWish
from kilonova.errors import BadRequest, NotFound
from kilonova.lifecycle.interfaces import order_attach, order_detach
from kilonova.lifecycle.task import Asking
from kilonova.model.network import Listing, NetworkPort
from kilonova.model.server import Server

TAG_SINCE = 49
TAG_SHOWN_SINCE = 70


class FixedIp(Struct, frozen=True, forbid_unknown_fields=True):
    ip_address: str


class NewInterface(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    net_id: str | None = None
    port_id: str | None = None
    fixed_ips: list[FixedIp] | None = None
    tag: str | None = None


class Attachment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    interfaceAttachment: NewInterface = NewInterface()


async def index(call: Call) -> Answer:
    def look(books: Books) -> list[Document]:
        server = find(call, books)
        return [_shown(call, port) for port in _ports(call, books, server)]

    return Answer(200, {"interfaceAttachments": await call.world.ledger.read(look)})


async def show(call: Call) -> Answer:
    def look(books: Books) -> Document:
        return _shown(call, _port(call, books, find(call, books), call.path["port_id"]))

    return Answer(200, {"interfaceAttachment": await call.world.ledger.read(look)})


async def create(call: Call) -> Answer:
    """The port is there, with its address, when this is answered; the guest sees it a moment later."""
    asked = body(call, Attachment).interfaceAttachment
    nic = _wish(call, asked)
    server = await call.world.ledger.read(lambda books: find(call, books))
    refuse_locked(call, server)
    asking = Asking(caller=call.who, request_id=call.request_id, action="attach_interface")
    try:
        port = await call.world.servers.act(server.id, call.who, lambda found, world: order_attach(found, asking, world, nic=nic))
    except NotFound as missing:
        raise BadRequest(str(missing)) if asked.net_id else missing from None
    made = await call.world.ledger.read(lambda books: _port(call, books, server, port.id))
    return Answer(200, {"interfaceAttachment": _shown(call, made)})


async def delete(call: Call) -> Answer:
    port_id = call.path["port_id"]
    server = await call.world.ledger.read(lambda books: find(call, books))
    refuse_locked(call, server)
    asking = Asking(caller=call.who, request_id=call.request_id, action="detach_interface")
    await call.world.servers.act(server.id, call.who, lambda found, world: order_detach(found, asking, world, port_id=port_id))
    return Answer(202)


def _wish(call: Call, asked: NewInterface) -> NicWish:
    if asked.net_id and asked.port_id:
        raise BadRequest("Must not input both network_id and port_id")
    if asked.fixed_ips and not asked.net_id:
        raise BadRequest("Must input network_id when request IP address")
    if asked.fixed_ips is not None and len(asked.fixed_ips) != 1:
        raise BadRequest("Invalid input for field/attribute fixed_ips: exactly one address is taken.")
    if asked.tag is not None and call.version[1] < TAG_SINCE:
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    return NicWish(
        network_id=None if asked.net_id is None else uuid_text(asked.net_id, "net_id"),
        port_id=None if asked.port_id is None else uuid_text(asked.port_id, "port_id"),
        fixed_ip=ip_text(asked.fixed_ips[0].ip_address, "ip_address") if asked.fixed_ips else None,
        tag=free_text(asked.tag, "tag", 60),
    )


def _ports(call: Call, books: Books, server: Server) -> list[NetworkPort]:
    wanted = Listing(filters={"device_id": (server.id,)})
    return list(books.networks.ports.find(wanted, call.who))


def _port(call: Call, books: Books, server: Server, port_id: str) -> NetworkPort:
    for port in _ports(call, books, server):
        if port.id == port_id:
            return port
    raise NotFound(f"Port with id {port_id[:80]} not found")


def _shown(call: Call, port: NetworkPort) -> Document:
    document: dict[str, Any] = {
        "net_id": port.network_id,
        "port_id": port.id,
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [{"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in port.fixed_ips],
    }
    if call.version[1] >= TAG_SHOWN_SINCE:
        document["tag"] = None
    return document
