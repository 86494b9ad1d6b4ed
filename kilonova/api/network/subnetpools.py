"""/v2.0/subnetpools: what CIDRs of subnets are chosen from."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.subnetpool import NewSubnetPool, SubnetPool, SubnetPoolChanges


async def list_subnetpools(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.subnetpools.find(wanted, call.who))
    return show_all(call, "subnetpools", [views.subnetpool(one) for one in found], wanted)


async def create_subnetpools(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "subnetpool", "subnetpools", NewSubnetPool)

    def make(books: Books) -> list[SubnetPool]:
        return [books.networks.subnetpools.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.subnetpool(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"subnetpools": made}) if bulk else show(call, "subnetpool", made[0], 201)


async def show_subnetpool(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.subnetpools.get(call.path["subnetpool_id"], call.who))
    return show(call, "subnetpool", views.subnetpool(found))


async def update_subnetpool(call: Call) -> Answer:
    changes = read_one(call, "subnetpool", SubnetPoolChanges)
    changed = await change(call, lambda book: book.subnetpools, call.path["subnetpool_id"], changes)
    return show(call, "subnetpool", views.subnetpool(changed))


async def delete_subnetpool(call: Call) -> Answer:
    return await remove(call, lambda book: book.subnetpools, call.path["subnetpool_id"])
