"""Volumes on offer to another project."""

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy import Connection, delete, insert, select

from kilonova.errors import NotFound
from kilonova.ledger.paging import select_page
from kilonova.ledger.volume.tables import volume_transfers
from kilonova.model.caller import Caller
from kilonova.model.page import Condition, Page
from kilonova.model.volume import Transfer

_c = volume_transfers.c


class Transfers:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, transfer_id: str, caller: Caller | None = None) -> Transfer:
        """Raises NotFound. `caller` None: whoever knows its id and key may take it."""
        query = select(volume_transfers).where(_c.id == transfer_id)
        if caller is not None and not caller.is_admin:
            query = query.where(_c.source_project_id == caller.project_id)
        row = self._db.execute(query).first()
        if row is None:
            raise NotFound(f"Transfer {transfer_id[:64]} could not be found.")
        return Transfer(**row._mapping)

    def find(self, where: Sequence[Condition], page: Page, project_id: str | None) -> Sequence[Transfer]:
        """`project_id` None: everybody's. Raises BadRequest for a marker that is not there."""
        if page.limit == 0:
            return []
        query = select(volume_transfers)
        if project_id is not None:
            query = query.where(_c.source_project_id == project_id)
        return [Transfer(**row._mapping) for row in select_page(self._db, volume_transfers, where, page, query)]

    def add(self, transfer: Transfer) -> None:
        self._db.execute(insert(volume_transfers), structs.asdict(transfer))

    def remove(self, transfer_id: str) -> None:
        self._db.execute(delete(volume_transfers).where(_c.id == transfer_id))

    def forget_volume(self, volume_id: str) -> None:
        """None there is no error."""
        self._db.execute(delete(volume_transfers).where(_c.volume_id == volume_id))
