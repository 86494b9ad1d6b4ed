"""Attachments of volumes: rows, and nothing else."""

from collections.abc import Mapping, Sequence

from msgspec import structs
from sqlalchemy import Connection, delete, insert, select, update

from kilonova.errors import NotFound
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.paging import compare, select_page
from kilonova.ledger.volume.tables import volume_attachments
from kilonova.model.caller import Caller
from kilonova.model.page import Condition, Page
from kilonova.model.volume import Attachment

_c = volume_attachments.c
_ORDER = (_c.device, _c.created_at, _c.id)


class Attachments:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, attachment_id: str, caller: Caller | None = None) -> Attachment:
        """Raises NotFound."""
        query = select(volume_attachments).where(_c.id == attachment_id)
        if caller is not None and not caller.is_admin:
            query = query.where(_c.project_id == caller.project_id)
        row = self._db.execute(query).first()
        if row is None:
            raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id[:64]}.")
        return Attachment(**row._mapping)

    def or_none(self, attachment_id: str) -> Attachment | None:
        row = self._db.execute(select(volume_attachments).where(_c.id == attachment_id)).first()
        return None if row is None else Attachment(**row._mapping)

    def between(self, server_id: str, volume_id: str) -> Attachment | None:
        """Of this volume to this server."""
        one = select(volume_attachments).where(_c.server_id == server_id, _c.volume_id == volume_id)
        row = self._db.execute(one).first()
        return None if row is None else Attachment(**row._mapping)

    def of_volume(self, volume_id: str) -> Sequence[Attachment]:
        rows = self._db.execute(select(volume_attachments).where(_c.volume_id == volume_id).order_by(*_ORDER))
        return [Attachment(**row._mapping) for row in rows]

    def of_server(self, server_id: str) -> Sequence[Attachment]:
        """The devices in order."""
        rows = self._db.execute(select(volume_attachments).where(_c.server_id == server_id).order_by(*_ORDER))
        return [Attachment(**row._mapping) for row in rows]

    def of_volumes(self, volume_ids: Sequence[str]) -> Mapping[str, Sequence[Attachment]]:
        """Volume id → its attachments; one without any is not in it."""
        found: dict[str, list[Attachment]] = {}
        for some in chunks(volume_ids):
            for row in self._db.execute(select(volume_attachments).where(_c.volume_id.in_(some)).order_by(*_ORDER)):
                found.setdefault(row.volume_id, []).append(Attachment(**row._mapping))
        return found

    def of_servers(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[Attachment]]:
        """Server id → its attachments; one without any is not in it."""
        found: dict[str, list[Attachment]] = {}
        for some in chunks(server_ids):
            for row in self._db.execute(select(volume_attachments).where(_c.server_id.in_(some)).order_by(*_ORDER)):
                found.setdefault(row.server_id, []).append(Attachment(**row._mapping))
        return found

    def find(self, where: Sequence[Condition], page: Page, offset: int, project_id: str | None) -> Sequence[Attachment]:
        """`project_id` None: everybody's. Raises NotFound for a marker that is not there."""
        if page.marker is not None:
            self.get(page.marker)
        if page.limit == 0:
            return []
        query = select(volume_attachments)
        if project_id is not None:
            query = query.where(_c.project_id == project_id)
        if offset:
            query = query.limit(2**31 - 1).offset(offset)
        return [Attachment(**row._mapping) for row in select_page(self._db, volume_attachments, where, page, query)]

    def any(self, where: Sequence[Condition]) -> bool:
        query = select(_c.id).where(*(compare(volume_attachments, one) for one in where)).limit(1)
        return self._db.execute(query).first() is not None

    def add(self, attachment: Attachment) -> None:
        self._db.execute(insert(volume_attachments), structs.asdict(attachment))

    def replace(self, attachment: Attachment) -> None:
        self._db.execute(update(volume_attachments).where(_c.id == attachment.id).values(structs.asdict(attachment)))

    def remove(self, attachment_id: str) -> None:
        self._db.execute(delete(volume_attachments).where(_c.id == attachment_id))

    def forget_volume(self, volume_id: str) -> None:
        self._db.execute(delete(volume_attachments).where(_c.volume_id == volume_id))
