"""/v2.0/security-groups. What they do to packets is the network node's business."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one, read_one_or_many
from kilonova.api.network.writing import change, remove
from kilonova.api.world import Books
from kilonova.model.network import SecurityGroup
from kilonova.model.network_wish import NewSecurityGroup, SecurityGroupChanges


async def list_security_groups(call: Call) -> Answer:
    wanted = read_listing(call)
    await _see_to_the_default(call)
    found = await call.world.ledger.read(lambda books: books.networks.groups.find(wanted, call.who))
    return show_all(call, "security_groups", [views.security_group(one) for one in found], wanted)


async def create_security_groups(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "security_group", "security_groups", NewSecurityGroup)

    def make(books: Books) -> list[SecurityGroup]:
        return [books.networks.groups.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.security_group(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"security_groups": made}) if bulk else show(call, "security_group", made[0], 201)


async def show_security_group(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.groups.get(call.path["security_group_id"], call.who))
    return show(call, "security_group", views.security_group(found))


async def update_security_group(call: Call) -> Answer:
    changes = read_one(call, "security_group", SecurityGroupChanges)
    changed = await change(call, lambda book: book.groups, call.path["security_group_id"], changes)
    return show(call, "security_group", views.security_group(changed))


async def delete_security_group(call: Call) -> Answer:
    return await remove(call, lambda book: book.groups, call.path["security_group_id"])


async def _see_to_the_default(call: Call) -> None:
    """A project has its default group from the first time that anyone looks."""
    project_id = call.who.project_id
    if project_id and not await call.world.ledger.read(lambda books: books.networks.groups.has_default(project_id)):
        await call.world.ledger.write(lambda books: books.networks.groups.make_default(project_id, call.world.now()))
