"""/v2.0/ports. What only admins see of a binding is in the view."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.network import SERVER_OWNER, NetworkPort
from kilonova.model.network_wish import NewPort, PortChanges


async def list_ports(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.ports.find(wanted, call.who))
    return show_all(call, "ports", [views.port(one, call.who) for one in found], wanted)


async def create_ports(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "port", "ports", NewPort)

    def make(books: Books) -> list[NetworkPort]:
        return [books.networks.ports.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.port(one, call.who) for one in await call.world.ledger.write(make)]
    return Answer(201, {"ports": made}) if bulk else show(call, "port", made[0], 201)


async def show_port(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.ports.get(call.path["port_id"], call.who))
    return show(call, "port", views.port(found, call.who))


async def update_port(call: Call) -> Answer:
    changes = read_one(call, "port", PortChanges)
    changed = await change(call, lambda book: book.ports, call.path["port_id"], changes)
    return show(call, "port", views.port(changed, call.who))


async def delete_port(call: Call) -> Answer:
    """One of a server is pulled out of its guest as well, as soon as its node can be reached; nobody waits for that."""

    def let_go(books: Books, port: NetworkPort) -> None:
        if port.device_id and port.device_owner.startswith(SERVER_OWNER):
            call.world.servers.let_go_of(books, port.device_id, port.id)

    return await remove(call, lambda book: book.ports, call.path["port_id"], let_go)
