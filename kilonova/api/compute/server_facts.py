"""Small things that can be asked about one server: its password, the layout of its memory, the console behind a token."""

from kilonova.api.call import Answer, Call
from kilonova.api.compute.asking import only
from kilonova.api.compute.servers import find
from kilonova.errors import NotFound


async def password(call: Call) -> Answer:
    """What the guest has sent, encrypted: guests here send none, so it is empty."""
    only(call)
    await call.world.ledger.read(lambda books: find(call, books))
    return Answer(200, {"password": ""})


async def clear_password(call: Call) -> Answer:
    await call.world.ledger.read(lambda books: find(call, books))
    return Answer(204)


async def topology(call: Call) -> Answer:
    """Since 2.78. No server is laid out over nodes of memory, nor pinned to processors: there is nothing to show."""
    only(call)
    await call.world.ledger.read(lambda books: find(call, books))
    return Answer(200, {"nodes": [], "pagesize_kb": None})


async def console_behind_token(call: Call) -> Answer:
    """For consoles' proxies: there are none here, so no token leads to a console."""
    only(call, since=99)
    raise NotFound("Token not found")
