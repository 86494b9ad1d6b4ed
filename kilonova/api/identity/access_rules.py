"""``/v3/users/{id}/access_rules``: made with application credentials, kept after them. ``api/edge.py`` enforces them."""

from kilonova.api.call import Answer, Call
from kilonova.api.identity.answers import change_identity, done, many, one, only_self_or_admin
from kilonova.api.identity.delegation import may_delegate
from kilonova.api.identity.needs import IdentityBook
from kilonova.api.identity.views_credentials import linked_access_rule_view
from kilonova.api.paging import read_filters, read_page
from kilonova.api.world import Books
from kilonova.errors import NotFound
from kilonova.model.identity_credentials import AccessRule
from kilonova.model.page import Condition


async def list_access_rules(call: Call) -> Answer:
    user_id = call.path["user_id"]
    only_self_or_admin(call, user_id)
    page = read_page(call, ("id",), (), most=None)
    where = (*read_filters(call, ("service", "method", "path")), Condition("user_id", user_id))

    def look(books: Books) -> list[AccessRule]:
        books.identity.users.get(user_id)
        return books.identity.access_rules.find(where, page)

    return many(call, "access_rules", await call.world.ledger.read(look), linked_access_rule_view, page)


async def show_access_rule(call: Call) -> Answer:
    only_self_or_admin(call, call.path["user_id"])
    found = await call.world.ledger.read(lambda books: _own(call, books.identity))
    return one(call, "access_rule", found, linked_access_rule_view)


async def delete_access_rule(call: Call) -> Answer:
    """Forbidden while an application credential uses it."""
    only_self_or_admin(call, call.path["user_id"])
    may_delegate(call)
    await change_identity(call, lambda books: books.identity.access_rules.remove(_own(call, books.identity).id))
    return done()


def _own(call: Call, book: IdentityBook) -> AccessRule:
    rule_id = call.path["access_rule_id"]
    found = book.access_rules.get(rule_id)
    if found.user_id != call.path["user_id"]:
        raise NotFound(f"Could not find access rule: {rule_id[:64]}.")
    return found
