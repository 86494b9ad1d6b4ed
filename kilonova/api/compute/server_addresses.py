"""Actions on a server's addresses until 2.43, fixed and floating: what the network books do, in nova-network's words."""

from collections.abc import Mapping, Sequence
from functools import wraps
from typing import Any

from msgspec import Struct

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import ip_text, text
from kilonova.api.compute.network_words import in_novas_words
from kilonova.api.compute.server_acting import Action, told
from kilonova.api.world import Books
from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.model.network import Listing, NetworkPort
from kilonova.model.network_wish import FixedIpWish, PortChanges
from kilonova.model.router import FloatingIp
from kilonova.model.router_wish import FloatingIpChanges
from kilonova.model.server import Server
from kilonova.model.server_address import ServerAddress

UNTIL = (2, 43)


class FloatingWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`fixed_address` is what it is to lead to: the server's first IPv4 address, if it is not said."""

    address: str
    fixed_address: str | None = None


class Address(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    address: str


class FixedWish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    networkId: str | int


async def add_floating(call: Call, server: Server, argument: Any) -> Answer:
    """It leads to this server from now on, wherever it led before."""
    asked = told(call, argument, FloatingWish)
    address = ip_text(asked.address, "address", 4)
    wanted = None if asked.fixed_address is None else ip_text(asked.fixed_address, "fixed_address", 4)

    def lead(books: Books) -> None:
        fixed = _inside(books.servers.addresses([server.id]).get(server.id, ()), wanted)
        found = _floating(call, books, address)
        changes = FloatingIpChanges(port_id=fixed.port_id, fixed_ip_address=fixed.ip)
        try:
            with in_novas_words():
                books.networks.floating_ips.change(found.id, changes, call.who, call.world.now())
        except NotFound as unreachable:  # a router that leads there; the address itself was found
            raise BadRequest(str(unreachable)) from None

    await call.world.ledger.write(lead)
    return Answer(202)


async def remove_floating(call: Call, server: Server, argument: Any) -> Answer:
    """It leads nowhere any more. Raises NotFound for none, Conflict for one that does not lead to this server."""
    address = ip_text(told(call, argument, Address).address, "address", 4)

    def let_go(books: Books) -> None:
        found = _floating(call, books, address)
        if found.port_details is None or found.port_details.device_id != server.id:
            raise Conflict(f"Floating IP {address} is not associated with instance {server.id}.")
        books.networks.floating_ips.change(found.id, FloatingIpChanges(port_id=None), call.who, call.world.now())

    await call.world.ledger.write(let_go)
    return Answer(202)


async def add_fixed(call: Call, server: Server, argument: Any) -> Answer:
    """One address more, of the network's oldest subnet, for the server's first NIC there."""
    network = text(str(told(call, argument, FixedWish).networkId), "networkId")

    def add(books: Books) -> None:
        ports = _ports(call, books, server, network_id=network)
        oldest = Listing(filters={"network_id": (network,)}, sort=(("created_at", False),))
        subnets = books.networks.subnets.find(oldest, call.who)
        if not ports or not subnets:
            raise NotFound(f"Network {network} could not be found for instance {server.id}.")
        _change(call, books, ports[0], [*_held(ports[0]), FixedIpWish(subnet_id=subnets[0].id)])

    await call.world.ledger.write(add)
    return Answer(202)


async def remove_fixed(call: Call, server: Server, argument: Any) -> Answer:
    """One address less. What floating IP led to it leads nowhere."""
    address = ip_text(told(call, argument, Address).address, "address")

    def remove(books: Books) -> None:
        for port in _ports(call, books, server):
            kept = [one for one in _held(port) if one.ip_address != address]
            if len(kept) < len(port.fixed_ips):
                return _change(call, books, port, kept)
        raise BadRequest(f"Fixed IP not found for instance {server.id}: {address}")

    await call.world.ledger.write(remove)
    return Answer(202)


def _inside(addresses: Sequence[ServerAddress], wanted: str | None) -> ServerAddress:
    """The address that a floating one is to lead to. Raises BadRequest, in Nova's words."""
    fixed = [one for one in addresses if one.kind == "fixed"]
    if not fixed:
        raise BadRequest("No fixed IPs associated to instance")
    if wanted is not None:
        found = next((one for one in fixed if one.ip == wanted), None)
        if found is None:
            raise BadRequest("Specified fixed address not assigned to instance")
        return found
    found = next((one for one in fixed if one.version == 4), None)
    if found is None:
        raise BadRequest("Instance has no fixed IPv4 addresses to associate.")
    return found


def _floating(call: Call, books: Books, address: str) -> FloatingIp:
    """By its address, among those the caller sees."""
    found = books.networks.floating_ips.find(Listing(filters={"floating_ip_address": (address,)}), call.who)
    if not found:
        raise NotFound("floating IP not found")
    if len(found) > 1:
        raise Conflict(f"Multiple floating IPs are found for address {address}.")
    return found[0]


def _ports(call: Call, books: Books, server: Server, **also: str) -> Sequence[NetworkPort]:
    filters = {"device_id": (server.id,), **{name: (value,) for name, value in also.items()}}
    return books.networks.ports.find(Listing(filters=filters), call.who)


def _held(port: NetworkPort) -> list[FixedIpWish]:
    return [FixedIpWish(subnet_id=one.subnet_id, ip_address=one.ip_address) for one in port.fixed_ips]


def _change(call: Call, books: Books, port: NetworkPort, addresses: list[FixedIpWish]) -> None:
    with in_novas_words():
        books.networks.ports.change(port.id, PortChanges(fixed_ips=addresses), call.who, call.world.now())


def _until(action: Action) -> Action:
    """`action`, for clients of 2.43 and older; the network service is asked since."""

    @wraps(action)
    async def spoken(call: Call, server: Server, argument: Any) -> Answer:
        if call.version > UNTIL:
            raise NotFound()
        return await action(call, server, argument)

    return spoken


ADDRESSES: Mapping[str, Action] = {
    "addFloatingIp": _until(add_floating),
    "removeFloatingIp": _until(remove_floating),
    "addFixedIp": _until(add_fixed),
    "removeFixedIp": _until(remove_fixed),
}
