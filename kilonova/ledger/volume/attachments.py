"""Attachments of volumes: rows, and nothing else."""

from collections.abc import Mapping, Sequence

from msgspec import structs
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from kilonova.errors import NotFound
from kilonova.ledger.network_listing import chunks
from kilonova.ledger.paging import compare, select_page
from kilonova.ledger.volume.tables import volume_attachments
from kilonova.model.caller import Caller
from kilonova.model.page import Condition, Page
from kilonova.model.volume import Attachment

_c = volume_attachments.c
_ORDER = (_c.device, _c.created_at, _c.id)
_ALL = select(volume_attachments).order_by(*_ORDER)
_BY_ID = select(volume_attachments).where(_c.id == bindparam("attachment"))
_OWN = _BY_ID.where(_c.project_id == bindparam("project"))
_BETWEEN = select(volume_attachments).where(_c.server_id == bindparam("server"), _c.volume_id == bindparam("volume"))
_OF_VOLUMES = _ALL.where(_c.volume_id.in_(bindparam("volumes", expanding=True)))
_OF_SERVERS = _ALL.where(_c.server_id.in_(bindparam("servers", expanding=True)))
_INSERT = insert(volume_attachments)
_CHANGE = update(volume_attachments).where(_c.id == bindparam("attachment"))
"""What else it is executed with are the columns it sets."""
_REMOVE = delete(volume_attachments).where(_c.id == bindparam("attachment"))
_FORGET_VOLUME = delete(volume_attachments).where(_c.volume_id == bindparam("volume"))


class Attachments:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, attachment_id: str, caller: Caller | None = None) -> Attachment:
        """Raises NotFound."""
        if caller is None or caller.is_admin:
            row = self._db.execute(_BY_ID, {"attachment": attachment_id}).first()
        else:
            row = self._db.execute(_OWN, {"attachment": attachment_id, "project": caller.project_id}).first()
        if row is None:
            raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id[:64]}.")
        return Attachment(**row._mapping)

    def or_none(self, attachment_id: str) -> Attachment | None:
        row = self._db.execute(_BY_ID, {"attachment": attachment_id}).first()
        return None if row is None else Attachment(**row._mapping)

    def between(self, server_id: str, volume_id: str) -> Attachment | None:
        """Of this volume to this server."""
        row = self._db.execute(_BETWEEN, {"server": server_id, "volume": volume_id}).first()
        return None if row is None else Attachment(**row._mapping)

    def of_volume(self, volume_id: str) -> Sequence[Attachment]:
        return [Attachment(**row._mapping) for row in self._db.execute(_OF_VOLUMES, {"volumes": [volume_id]})]

    def of_server(self, server_id: str) -> Sequence[Attachment]:
        """The devices in order."""
        return [Attachment(**row._mapping) for row in self._db.execute(_OF_SERVERS, {"servers": [server_id]})]

    def of_volumes(self, volume_ids: Sequence[str]) -> Mapping[str, Sequence[Attachment]]:
        """Volume id → its attachments; one without any is not in it."""
        found: dict[str, list[Attachment]] = {}
        for some in chunks(volume_ids):
            for row in self._db.execute(_OF_VOLUMES, {"volumes": some}):
                found.setdefault(row.volume_id, []).append(Attachment(**row._mapping))
        return found

    def of_servers(self, server_ids: Sequence[str]) -> Mapping[str, Sequence[Attachment]]:
        """Server id → its attachments; one without any is not in it."""
        found: dict[str, list[Attachment]] = {}
        for some in chunks(server_ids):
            for row in self._db.execute(_OF_SERVERS, {"servers": some}):
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
        self._db.execute(_INSERT, structs.asdict(attachment))

    def replace(self, attachment: Attachment) -> None:
        self._db.execute(_CHANGE, {"attachment": attachment.id, **structs.asdict(attachment)})

    def remove(self, attachment_id: str) -> None:
        self._db.execute(_REMOVE, {"attachment": attachment_id})

    def forget_volume(self, volume_id: str) -> None:
        self._db.execute(_FORGET_VOLUME, {"volume": volume_id})
