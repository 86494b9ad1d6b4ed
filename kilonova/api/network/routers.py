"""/v2.0/routers, their interfaces and extra routes. What may lead where is decided below."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import routing_views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many, read_whole
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.router import Router
from kilonova.model.router_wish import InterfaceWish, NewRouter, RouteChanges, RouterChanges


async def list_routers(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.routers.find(wanted, call.who))
    return show_all(call, "routers", [routing_views.router(one, call.who) for one in found], wanted)


async def create_routers(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "router", "routers", NewRouter)

    def make(books: Books) -> list[Router]:
        return [books.networks.routers.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [routing_views.router(one, call.who) for one in await call.world.ledger.write(make)]
    return Answer(201, {"routers": made}) if bulk else show(call, "router", made[0], 201)


async def show_router(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.routers.get(call.path["router_id"], call.who))
    return show(call, "router", routing_views.router(found, call.who))


async def update_router(call: Call) -> Answer:
    changes = read_one(call, "router", RouterChanges)
    changed = await change(call, lambda book: book.routers, call.path["router_id"], changes)
    return show(call, "router", routing_views.router(changed, call.who))


async def delete_router(call: Call) -> Answer:
    return await remove(call, lambda book: book.routers, call.path["router_id"])


async def add_interface(call: Call) -> Answer:
    wish = read_whole(call, InterfaceWish)
    added = await call.world.ledger.write(
        lambda books: books.networks.interfaces.add(call.path["router_id"], wish, call.who, call.world.now())
    )
    return Answer(200, routing_views.interface(added))


async def remove_interface(call: Call) -> Answer:
    wish = read_whole(call, InterfaceWish)
    removed = await call.world.ledger.write(
        lambda books: books.networks.interfaces.remove(call.path["router_id"], wish, call.who, call.world.now())
    )
    return Answer(200, routing_views.interface(removed))


async def add_routes(call: Call) -> Answer:
    """Others that are there stay, whoever added them."""
    changes = read_one(call, "router", RouteChanges)
    changed = await call.world.ledger.write(
        lambda books: books.networks.routers.add_routes(call.path["router_id"], changes.routes, call.who, call.world.now())
    )
    return show(call, "router", routing_views.router(changed, call.who))


async def remove_routes(call: Call) -> Answer:
    """Those that are not there are no error."""
    changes = read_one(call, "router", RouteChanges)
    changed = await call.world.ledger.write(
        lambda books: books.networks.routers.remove_routes(call.path["router_id"], changes.routes, call.who, call.world.now())
    )
    return show(call, "router", routing_views.router(changed, call.who))
