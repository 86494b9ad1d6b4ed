"""Lists of servers, page by page. What a query asks for is read in ``server_filters.py``."""

from collections.abc import Sequence

from kilonova.api.call import Answer, Call
from kilonova.api.compute.changes.change import Document
from kilonova.api.compute.saying import next_page
from kilonova.api.compute.server_filters import wanted_servers
from kilonova.api.compute.server_view import Seen, brief, detailed, look_at
from kilonova.api.world import Books
from kilonova.model.server import Server, ServerFilter


async def index(call: Call) -> Answer:
    wanted = wanted_servers(call)
    servers: Sequence[Server] = await call.world.ledger.read(lambda books: books.servers.find(wanted)) if wanted else ()
    return _page(call, [brief(call, server) for server in servers], wanted)


async def detail(call: Call) -> Answer:
    wanted = wanted_servers(call)
    if wanted is None:
        return _page(call, [], wanted)

    def look(books: Books) -> list[Seen]:
        return look_at(call, books, books.servers.find(wanted))

    documents = [detailed(call, seen) for seen in await call.world.ledger.read(look)]
    for document in documents:
        document.pop("server_groups", None)  # shown of one server, not in lists
    return _page(call, documents, wanted)


def _page(call: Call, documents: list[Document], wanted: ServerFilter | None) -> Answer:
    more = next_page(call, "servers", [document["id"] for document in documents], wanted.limit) if wanted else {}
    return Answer(200, {"servers": documents, **more})
