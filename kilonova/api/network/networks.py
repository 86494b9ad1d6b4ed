"""/v2.0/networks: own, shared, and leading out. Subnets and ports are in files of their own."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.network import Network
from kilonova.model.network_wish import NetworkChanges, NewNetwork


async def list_networks(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.networks.find(wanted, call.who))
    return show_all(call, "networks", [views.network(one) for one in found], wanted)


async def create_networks(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "network", "networks", NewNetwork)

    def make(books: Books) -> list[Network]:
        return [books.networks.networks.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.network(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"networks": made}) if bulk else show(call, "network", made[0], 201)


async def show_network(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.networks.get(call.path["network_id"], call.who))
    return show(call, "network", views.network(found))


async def update_network(call: Call) -> Answer:
    changes = read_one(call, "network", NetworkChanges)
    changed = await change(call, lambda book: book.networks, call.path["network_id"], changes)
    return show(call, "network", views.network(changed))


async def delete_network(call: Call) -> Answer:
    return await remove(call, lambda book: book.networks, call.path["network_id"])
