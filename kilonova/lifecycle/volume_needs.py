"""What the steps of work on volumes need of a volume node: where the bytes are. The real thing stands in drivers/volumes."""

from collections.abc import Mapping
from typing import Protocol

from kilonova.build.needs import Exports
from kilonova.lifecycle.volume_work import VolumeOrder


class VolumeStore(Exports, Protocol):
    """The volumes of one node. Every name is derived from ids, so each call can be repeated. Each may raise BuildFailed."""

    async def make(self, order: VolumeOrder) -> None:
        """The new volume, blank or filled from the order's source; one that is there already stays as it is."""
        ...

    async def remove(self, volume_id: str) -> None:
        """The volume with its snapshots and its export; none there is no error."""
        ...

    async def extend(self, volume_id: str, size_gb: int) -> None:
        """It has at least this size from now on, also for those that use it; what was added reads as zeroes."""
        ...

    async def take_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """The volume's bytes at one moment, also while a guest writes to it; one that is there already stays as it is."""
        ...

    async def drop_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """None there is no error."""
        ...

    async def revert(self, volume_id: str, snapshot_id: str) -> None:
        """The volume is what it was when the snapshot was taken. Refused while it is served."""
        ...

    async def pack(self, order: VolumeOrder) -> None:
        """A file of the volume's bytes at one moment, in the order's format, ready to be sent."""
        ...

    async def send(self, order: VolumeOrder) -> None:
        """What was packed becomes the image's data."""
        ...

    async def unpack(self, order: VolumeOrder) -> None:
        """The packed file goes; none there is no error."""
        ...

    async def has(self, volume_id: str) -> bool:
        """Whether the whole volume is here."""
        ...

    async def inventory(self) -> set[str]:
        """The volumes that have anything here."""
        ...

    async def exports(self) -> Mapping[str, str]:
        """Volume id → the attachment it is served to."""
        ...

    async def unused(self) -> Mapping[str, str]:
        """Of `exports`, those that nobody is connected to."""
        ...

    async def close(self, keep: bool) -> None:
        """The role ends: `keep` leaves exports to the guests that go on, else nothing is served any more."""
        ...


class VolumeNodeWorld(Protocol):
    """What the steps on a volume node act on."""

    @property
    def store(self) -> VolumeStore: ...
