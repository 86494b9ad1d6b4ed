"""What projects are told about work that was accepted and could not be done; kept for 30 days."""

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy import Connection, delete, insert, select

from kilonova.errors import NotFound
from kilonova.ledger.paging import select_page
from kilonova.ledger.volume.tables import volume_messages
from kilonova.model.caller import Caller
from kilonova.model.page import Condition, Page
from kilonova.model.volume import Message

_c = volume_messages.c


class Messages:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, message: Message) -> None:
        self._db.execute(delete(volume_messages).where(_c.until < message.created_at))
        self._db.execute(insert(volume_messages), structs.asdict(message))

    def get(self, message_id: str, caller: Caller) -> Message:
        """Raises NotFound."""
        query = select(volume_messages).where(_c.id == message_id)
        if not caller.is_admin:
            query = query.where(_c.project_id == caller.project_id)
        row = self._db.execute(query).first()
        if row is None:
            raise NotFound(f"Message {message_id[:64]} could not be found.")
        return Message(**row._mapping)

    def find(self, where: Sequence[Condition], page: Page, caller: Caller) -> Sequence[Message]:
        """The project's. Raises BadRequest for a marker that is not there."""
        if page.limit == 0:
            return []
        mine = select(volume_messages).where(_c.project_id == caller.project_id)
        return [Message(**row._mapping) for row in select_page(self._db, volume_messages, where, page, mine)]

    def remove(self, message_id: str, caller: Caller) -> None:
        self.get(message_id, caller)
        self._db.execute(delete(volume_messages).where(_c.id == message_id))
