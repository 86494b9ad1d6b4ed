"""/v2.0/floatingips. Which port one may lead to, and through which router, is decided below."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import routing_views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.router import FloatingIp
from kilonova.model.router_wish import FloatingIpChanges, NewFloatingIp


async def list_floating_ips(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.floating_ips.find(wanted, call.who))
    return show_all(call, "floatingips", [routing_views.floating_ip(one) for one in found], wanted)


async def create_floating_ips(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "floatingip", "floatingips", NewFloatingIp)

    def make(books: Books) -> list[FloatingIp]:
        return [books.networks.floating_ips.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [routing_views.floating_ip(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"floatingips": made}) if bulk else show(call, "floatingip", made[0], 201)


async def show_floating_ip(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.floating_ips.get(call.path["floatingip_id"], call.who))
    return show(call, "floatingip", routing_views.floating_ip(found))


async def update_floating_ip(call: Call) -> Answer:
    changes = read_one(call, "floatingip", FloatingIpChanges)
    changed = await change(call, lambda book: book.floating_ips, call.path["floatingip_id"], changes)
    return show(call, "floatingip", routing_views.floating_ip(changed))


async def delete_floating_ip(call: Call) -> Answer:
    return await remove(call, lambda book: book.floating_ips, call.path["floatingip_id"])
