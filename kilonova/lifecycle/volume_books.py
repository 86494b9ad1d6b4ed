"""What work on volumes asks of the ledger, inside one transaction. The real books stand in `ledger/volume/`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.caller import Caller
from kilonova.model.images import Image, Viewer
from kilonova.model.volume import Attachment, Message, Snapshot, Volume, VolumeNode, VolumeType
from kilonova.model.volume_wish import VolumeTerms


class VolumeRows(Protocol):
    def get(self, volume_id: str, caller: Caller | None = None) -> Volume:
        """Raises NotFound, also when it is another project's and `caller` no admin. `caller` None: whoever's."""
        ...

    def or_none(self, volume_id: str) -> Volume | None: ...

    def add(self, volume: Volume) -> None: ...

    def replace(self, volume: Volume, told: bool = False) -> None:
        """The row with this id becomes `volume`; its metadata too when `told`."""
        ...

    def remove(self, volume_id: str) -> None: ...

    def use_of_nodes(self) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Node → project → (how many, GiB)."""
        ...


class SnapshotRows(Protocol):
    def get(self, snapshot_id: str, caller: Caller | None = None) -> Snapshot: ...

    def or_none(self, snapshot_id: str) -> Snapshot | None: ...

    def of_volume(self, volume_id: str) -> Sequence[Snapshot]:
        """The oldest first."""
        ...

    def add(self, snapshot: Snapshot) -> None: ...

    def replace(self, snapshot: Snapshot, told: bool = False) -> None: ...

    def remove(self, snapshot_id: str) -> None: ...


class AttachmentRows(Protocol):
    def of_volume(self, volume_id: str) -> Sequence[Attachment]: ...

    def remove(self, attachment_id: str) -> None: ...

    def forget_volume(self, volume_id: str) -> None: ...


class TypeRows(Protocol):
    def get(self, type_id: str, caller: Caller | None = None) -> VolumeType: ...

    def named(self, name_or_id: str, caller: Caller | None = None) -> VolumeType:
        """By id, else by name. Raises NotFound."""
        ...

    def ensure_default(self, now: float) -> VolumeType: ...


class Quotas(Protocol):
    def make_room(self, project_id: str, type_name: str, *, volumes: int = 0, snapshots: int = 0, gigabytes: int = 0) -> None:
        """Raises TooLarge when so much more would be too much."""
        ...

    def make_room_in_type(self, project_id: str, type_name: str, gigabytes: int) -> None:
        """The same for one volume that is already counted, and changes its type."""
        ...

    def refuse_too_big(self, project_id: str, size_gb: int) -> None:
        """Raises TooLarge when one volume may not have this size."""
        ...


class Nodes(Protocol):
    def all(self, now: float) -> Sequence[VolumeNode]: ...


class Messages(Protocol):
    def add(self, message: Message) -> None: ...


class Transfers(Protocol):
    def forget_volume(self, volume_id: str) -> None: ...


class VolumeBook(Protocol):
    @property
    def volumes(self) -> VolumeRows: ...

    @property
    def snapshots(self) -> SnapshotRows: ...

    @property
    def attachments(self) -> AttachmentRows: ...

    @property
    def types(self) -> TypeRows: ...

    @property
    def quotas(self) -> Quotas: ...

    @property
    def nodes(self) -> Nodes: ...

    @property
    def messages(self) -> Messages: ...

    @property
    def transfers(self) -> Transfers: ...


class Orders(Protocol):
    def queue_volume(self, order: VolumeOrder) -> None: ...

    def volume_done(self, work_id: str) -> None: ...


class Images(Protocol):
    def get(self, image_id: str, viewer: Viewer) -> Image: ...

    def add(self, image: Image) -> None: ...

    def fail_snapshot(self, image_id: str, now: float) -> bool: ...


class VolumeBooks(Protocol):
    """One transaction."""

    @property
    def volumes(self) -> VolumeBook: ...

    @property
    def orders(self) -> Orders: ...

    @property
    def images(self) -> Images: ...


class VolumeWorld(Struct, frozen=True, kw_only=True):
    """One transaction, and the terms on which work is ordered in it."""

    books: VolumeBooks
    terms: VolumeTerms
    request_id: str = ""

    @property
    def now(self) -> float:
        return self.terms.now
