"""/v2.0/security-group-rules: made and deleted, never changed. A packet meets them on the network node."""

from kilonova.api.call import Answer, Call
from kilonova.api.network import views
from kilonova.api.network.listing import read_listing, show, show_all
from kilonova.api.network.schemas import read_one_or_many
from kilonova.api.network.writing import remove
from kilonova.api.world import Books
from kilonova.model.network import SecurityGroupRule
from kilonova.model.network_wish import NewSecurityGroupRule


async def list_rules(call: Call) -> Answer:
    wanted = read_listing(call)
    found = await call.world.ledger.read(lambda books: books.networks.rules.find(wanted, call.who))
    return show_all(call, "security_group_rules", [views.rule(one) for one in found], wanted)


async def create_rules(call: Call) -> Answer:
    """One, or all of a bulk request in one transaction."""
    wishes, bulk = read_one_or_many(call, "security_group_rule", "security_group_rules", NewSecurityGroupRule)

    def make(books: Books) -> list[SecurityGroupRule]:
        return [books.networks.rules.create(wish, call.who, call.world.now()) for wish in wishes]

    made = [views.rule(one) for one in await call.world.ledger.write(make)]
    return Answer(201, {"security_group_rules": made}) if bulk else show(call, "security_group_rule", made[0], 201)


async def show_rule(call: Call) -> Answer:
    found = await call.world.ledger.read(lambda books: books.networks.rules.get(call.path["rule_id"], call.who))
    return show(call, "security_group_rule", views.rule(found))


async def delete_rule(call: Call) -> Answer:
    return await remove(call, lambda book: book.rules, call.path["rule_id"])
