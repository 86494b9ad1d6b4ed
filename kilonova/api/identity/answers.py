"""What identity's handlers share: a changed ledger with forgotten tokens, one record or many as an answer. Knows no noun."""

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from kilonova.api.call import Answer, Call
from kilonova.api.identity.views import View, base
from kilonova.api.paging import links_object
from kilonova.api.world import Books
from kilonova.errors import Forbidden
from kilonova.model.page import EVERYTHING, Page

Result = TypeVar("Result")
Record = TypeVar("Record")


def new_id() -> str:
    """Keystone's ids are UUIDs without dashes."""
    return uuid.uuid4().hex


async def change_identity(call: Call, change: Callable[[Books], Result]) -> Result:
    """One transaction after which every token is looked at anew: it may have changed what one of them is good for."""
    result = await call.world.ledger.write(change)
    call.world.tokens.forget()
    return result


def one(call: Call, key: str, record: Record, view: Callable[[Record, str], View], status: int = 200) -> Answer:
    """A single record under its key."""
    return Answer(status, {key: view(record, base(call))})


def many(call: Call, key: str, records: Sequence[Record], view: Callable[[Record, str], View], page: Page = EVERYTHING) -> Answer:
    """A list of records under its key, with links."""
    root = base(call)
    shown = [view(record, root) for record in records]
    return Answer(200, {key: shown, "links": links_object(call, page, [str(item["id"]) for item in shown])})


def done() -> Answer:
    """Nothing to say."""
    return Answer(204)


def own_domain(call: Call) -> str:
    """The domain of a thing made without one: that of the token, else the default domain."""
    return call.who.domain_id or "default"


def only_self_or_admin(call: Call, user_id: str) -> None:
    """Raises Forbidden unless the caller asks about itself or is an admin."""
    if call.who.user_id != user_id and not call.who.is_admin:
        raise Forbidden()
