"""Everything of one transaction that has to do with volumes: a book for each noun, and what servers' orders ask for."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

from sqlalchemy import Connection

from kilonova.ledger.volume.attachments import Attachments
from kilonova.ledger.volume.messages import Messages
from kilonova.ledger.volume.metadata import Metadata
from kilonova.ledger.volume.nodes import VolumeNodes
from kilonova.ledger.volume.of_servers import VolumesOfServers
from kilonova.ledger.volume.quotas import VolumeQuotas
from kilonova.ledger.volume.snapshots import SnapshotRows
from kilonova.ledger.volume.transfers import Transfers
from kilonova.ledger.volume.types import VolumeTypes
from kilonova.ledger.volume.unended import unended
from kilonova.ledger.volume.volumes import VolumeRows
from kilonova.lifecycle.volume_books import Images, Orders
from kilonova.lifecycle.volume_unended import Unended
from kilonova.model.caller import Caller
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_wish import AttachWish, BootVolume, VolumeTerms


class Around(Protocol):
    """The rest of the transaction, as far as volumes need it."""

    @property
    def connection(self) -> Connection: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def images(self) -> Images: ...


class Volumes:
    """Implements `kilonova.build.volume_books.Volumes` and `kilonova.lifecycle.volume_books.VolumeBook`."""

    def __init__(self, around: Around) -> None:
        self._around, self._db = around, around.connection

    @cached_property
    def _metadata(self) -> Metadata:
        return Metadata(self._db)

    @cached_property
    def volumes(self) -> VolumeRows:
        return VolumeRows(self._db, self._metadata)

    @cached_property
    def snapshots(self) -> SnapshotRows:
        return SnapshotRows(self._db, self._metadata)

    @cached_property
    def attachments(self) -> Attachments:
        return Attachments(self._db)

    @cached_property
    def types(self) -> VolumeTypes:
        return VolumeTypes(self._db)

    @cached_property
    def quotas(self) -> VolumeQuotas:
        return VolumeQuotas(self._db)

    @cached_property
    def nodes(self) -> VolumeNodes:
        return VolumeNodes(self._db)

    @cached_property
    def messages(self) -> Messages:
        return Messages(self._db)

    @cached_property
    def transfers(self) -> Transfers:
        return Transfers(self._db)

    def unended(self, before: float) -> Unended:
        """What has had a transient status since `before`, without an order that would end it."""
        return unended(self._db, before)

    # What servers' orders ask for.

    @cached_property
    def of_servers(self) -> VolumesOfServers:
        return VolumesOfServers(self, self._around.orders, self._around.images)

    def reserve(self, wish: AttachWish, caller: Caller, now: float) -> VolumeLink:
        return self.of_servers.reserve(wish, caller, now)

    def attached(self, attachment_id: str, now: float) -> None:
        self.of_servers.attached(attachment_id, now)

    def begin_detach(self, server_id: str, volume_id: str, now: float) -> VolumeLink:
        return self.of_servers.begin_detach(server_id, volume_id, now)

    def leaves(self, attachment_id: str, now: float) -> None:
        self.of_servers.leaves(attachment_id, now)

    def detached(self, attachment_id: str, now: float) -> None:
        self.of_servers.detached(attachment_id, now)

    def rolled_back(self, attachment_id: str, now: float) -> None:
        self.of_servers.rolled_back(attachment_id, now)

    def link(self, server_id: str, volume_id: str) -> VolumeLink:
        return self.of_servers.link(server_id, volume_id)

    def links_of_server(self, server_id: str) -> tuple[VolumeLink, ...]:
        return self.of_servers.links_of_servers((server_id,)).get(server_id, ())

    def links_of_servers(self, server_ids: Sequence[str]) -> Mapping[str, tuple[VolumeLink, ...]]:
        return self.of_servers.links_of_servers(server_ids)

    def for_boot(self, wish: BootVolume, caller: Caller, terms: VolumeTerms) -> str:
        return self.of_servers.for_boot(wish, caller, terms)

    def set_delete_on_termination(self, server_id: str, volume_id: str, delete: bool) -> None:
        self.of_servers.set_delete_on_termination(server_id, volume_id, delete)

    def release_server(self, server_id: str, now: float) -> None:
        self.of_servers.release_server(server_id, now)

    def over(self, exports: Mapping[str, str]) -> dict[str, str]:
        return self.of_servers.over(exports)
