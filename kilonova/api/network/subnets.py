"""/v2.0/subnets. Which CIDR is sound and which address is free is decided below."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.network import Subnet
from kilonova.model.network_wish import NewSubnet, SubnetChanges


async def list_subnets(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.subnets.find(wanted, call.who))
    return show_all(call, "subnets", [views.subnet(one) for one in found], wanted)


async def create_subnets(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "subnet", "subnets", NewSubnet)

    def make(books: Books) -> list[Subnet]:
        return [books.networks.subnets.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.subnet(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"subnets": made}) if bulk else show(call, "subnet", made[0], 201)


async def show_subnet(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.subnets.get(call.path["subnet_id"], call.who))
    return show(call, "subnet", views.subnet(found))


async def update_subnet(call: Call) -> Answer:
    changes = read_one(call, "subnet", SubnetChanges)
    changed = await change(call, lambda book: book.subnets, call.path["subnet_id"], changes)
    return show(call, "subnet", views.subnet(changed))


async def delete_subnet(call: Call) -> Answer:
    return await remove(call, lambda book: book.subnets, call.path["subnet_id"])
