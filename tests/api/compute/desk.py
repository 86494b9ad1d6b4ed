"""A desk that writes servers into the ledger and builds none."""

from kilonova.build.record import Requested
from kilonova.build.wish import Ordered, Wish
from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.ledger import SqliteLedger
from kilonova.ledger.transaction import Transaction
from kilonova.model.caller import Caller
from kilonova.model.diagnostics import Diagnostics, not_running
from kilonova.model.ids import ImageId, ProjectId, ServerId, UserId, new_uuid
from kilonova.model.image import BootImage
from kilonova.model.server import Server, ServerFilter

_ALL = ServerFilter()


class Desk:
    """`wishes` keeps what was asked for."""

    def __init__(self) -> None:
        self.ledger: SqliteLedger | None = None
        self.wishes: list[Wish] = []
        self.console = "login:"
        self.lines: list[int | None] = []
        self.running: Diagnostics | None = None

    async def order(self, wish: Wish) -> Ordered:
        assert self.ledger is not None
        self.wishes.append(wish)
        ids = await self.ledger.write(lambda books: tuple(_insert(books, wish, index) for index in range(wish.max_count)))
        return Ordered(server_ids=ids, reservation_id="r-12345678")

    async def delete(self, server_id: str, caller: Caller, request_id: str) -> None:
        assert self.ledger is not None

        def end(books: Transaction) -> None:
            books.servers.get(server_id, None if caller.is_admin else caller.project_id)
            books.servers.gone(server_id, 9000.0)

        await self.ledger.write(end)

    async def diagnostics(self, server: Server) -> Diagnostics:
        if self.running is None:
            raise not_running(server.id, "shutdown")
        return self.running

    async def console_output(self, server: Server, lines: int | None) -> str:
        if server.host is None:
            raise Conflict("The server has no host yet.")
        self.lines.append(lines)
        return self.console


def _insert(books: Transaction, wish: Wish, index: int) -> str:
    try:
        flavor = books.flavors.get(wish.flavor_id, wish.caller)
    except NotFound as missing:
        raise BadRequest(str(missing)) from None
    image = BootImage(id=ImageId(wish.image_id or ""), name="i", disk_format="qcow2", size=1, sha256="", virtual_size=1)
    request = Requested(
        server_id=ServerId(new_uuid()),
        project_id=ProjectId(wish.caller.project_id),
        user_id=UserId(wish.caller.user_id),
        request_id=wish.request_id,
        name=wish.name if wish.max_count == 1 else f"{wish.name}-{index + 1}",
        hostname=wish.hostname or wish.name,
        flavor=flavor,
        image=image,
        availability_zone=wish.availability_zone,
        key_name=wish.key_name,
        user_data=wish.user_data,
        metadata=wish.metadata,
        config_drive=wish.config_drive,
        hints=wish.hints,
        reservation_id="r-12345678",
        launch_index=index,
        created_at=1000.0 + len(books.servers.find(_ALL)),
    )
    extra = {"description": wish.description, "tags": wish.tags, "access_ipv4": wish.access_ipv4, "access_ipv6": wish.access_ipv6}
    extra["disk_config"] = wish.disk_config
    books.servers.insert(request, extra, None)
    return request.server_id
