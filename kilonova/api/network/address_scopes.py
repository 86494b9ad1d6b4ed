"""/v2.0/address-scopes: where addresses mean the same."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.world import Books
from kilonova.model.subnetpool import AddressScope, AddressScopeChanges, NewAddressScope


async def list_address_scopes(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.address_scopes.find(wanted, call.who))
    return show_all(call, "address_scopes", [views.address_scope(one) for one in found], wanted)


async def create_address_scopes(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "address_scope", "address_scopes", NewAddressScope)

    def make(books: Books) -> list[AddressScope]:
        return [books.networks.address_scopes.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.address_scope(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"address_scopes": made}) if bulk else show(call, "address_scope", made[0], 201)


async def show_address_scope(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.address_scopes.get(call.path["address_scope_id"], call.who))
    return show(call, "address_scope", views.address_scope(found))


async def update_address_scope(call: Call) -> Answer:
    changes = read_one(call, "address_scope", AddressScopeChanges)
    changed = await call.world.ledger.write(
        lambda books: books.networks.address_scopes.change(call.path["address_scope_id"], changes, call.who, call.world.now())
    )
    return show(call, "address_scope", views.address_scope(changed))


async def delete_address_scope(call: Call) -> Answer:
    await call.world.ledger.write(lambda books: books.networks.address_scopes.remove(call.path["address_scope_id"], call.who))
    return Answer(204)
