"""/os-floating-ips and /os-floating-ip-pools until 2.35: floating addresses by the names that nova-network once gave them."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import body, uuid_text
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.network_words import in_novas_words
from kilonova.api.compute.schemas_proxies import FloatingIpWish
from kilonova.api.world import Books
from kilonova.errors import BadRequest, NotFound
from kilonova.model.caller import Caller
from kilonova.model.network import Listing, Network
from kilonova.model.router import FloatingIp
from kilonova.model.router_wish import NewFloatingIp

EXTERNAL = Listing(filters={"router:external": ("true",)}, sort=(("created_at", False),))


async def pools(call: Call) -> Answer:
    """The networks that lead out of the cloud."""
    found = await call.world.ledger.read(lambda books: _pools(books, call.who))
    return Answer(200, {"floating_ip_pools": [{"name": network.name or network.id} for network in found]})


async def index(call: Call) -> Answer:
    def look(books: Books) -> list[Document]:
        mine = Listing(filters={"project_id": (call.who.project_id,)})
        return [_shown(books, call.who, one) for one in books.networks.floating_ips.find(mine, call.who)]

    return Answer(200, {"floating_ips": await call.world.ledger.read(look)})


async def show(call: Call) -> Answer:
    wanted = _id(call)

    def look(books: Books) -> Document:
        with in_novas_words():
            return _shown(books, call.who, books.networks.floating_ips.get(wanted, call.who))

    return Answer(200, {"floating_ip": await call.world.ledger.read(look)})


async def create(call: Call) -> Answer:
    """From the pool that is named, by its name or id; from the oldest where none is."""
    pool = body(call, FloatingIpWish).pool if call.body.strip() not in (b"", b"null") else None

    def make(books: Books) -> Document:
        network = next((one for one in _pools(books, call.who) if pool in (None, one.id, one.name)), None)
        if network is None:
            raise NotFound("Floating IP pool not found.")
        with in_novas_words():
            made = books.networks.floating_ips.create(NewFloatingIp(floating_network_id=network.id), call.who, call.world.now())
        return _shown(books, call.who, made)

    return Answer(200, {"floating_ip": await call.world.ledger.write(make)})


async def delete(call: Call) -> Answer:
    wanted = _id(call)

    def remove(books: Books) -> None:
        with in_novas_words():
            books.networks.floating_ips.remove(wanted, call.who)

    await call.world.ledger.write(remove)
    return Answer(202)


def _id(call: Call) -> str:
    """Raises NotFound for what is no UUID, as Nova does here."""
    try:
        return uuid_text(call.path["floating_ip_id"], "id")
    except BadRequest:
        raise NotFound(f"Floating IP not found for ID {call.path['floating_ip_id'][:80]}") from None


def _pools(books: Books, caller: Caller) -> Sequence[Network]:
    return [network for network in books.networks.networks.find(EXTERNAL, caller) if network.external]


def _shown(books: Books, caller: Caller, one: FloatingIp) -> Document:
    try:
        network = books.networks.networks.get(one.floating_network_id, caller)
        pool = network.name or network.id
    except NotFound:
        pool = one.floating_network_id
    details = one.port_details
    server = details.device_id if details is not None and details.device_id else None
    return {"id": one.id, "ip": one.floating_ip_address, "fixed_ip": one.fixed_ip_address, "pool": pool, "instance_id": server}
