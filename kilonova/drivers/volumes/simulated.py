"""Volumes by name only: no file is made, nothing is served. For fleets in one process."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from kilonova.drivers.simulation import Faults, Memory, NoFaults, Remains
from kilonova.drivers.volumes.files import Send
from kilonova.errors import BuildFailed
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.ids import ServerId
from kilonova.model.volume_link import NbdAddress


class SimulatedVolumes(Remains):
    """A VolumeStore (see lifecycle/volume_needs.py). `state` keeps its volumes over a restart; `faults` makes it fail."""

    def __init__(self, state: Path | None = None, faults: Faults | None = None, send: Send | None = None) -> None:
        super().__init__()
        self._send = send
        self._volumes = Memory(state)
        self._exports = Memory(None if state is None else state.with_name(f"{state.name}.exports"))
        self._faults = faults or NoFaults()

    async def make(self, order: VolumeOrder) -> None:
        """A name, with the snapshots it has."""
        self._before("make", order.volume_id)
        if order.source_volume_id:
            self._snapshots(order.source_volume_id)
        if order.volume_id not in self._volumes.words:
            self._keep(order.volume_id, set())

    async def remove(self, volume_id: str) -> None:
        """Forget it."""
        self._before("remove", volume_id)
        self._volumes.drop(ServerId(volume_id))
        self._exports.drop(ServerId(volume_id))

    async def extend(self, volume_id: str, size_gb: int) -> None:
        """It must be there. Raises BuildFailed."""
        self._before("extend", volume_id)
        self._snapshots(volume_id)

    async def take_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Raises BuildFailed without the volume."""
        self._before("take_snapshot", volume_id)
        self._keep(volume_id, self._snapshots(volume_id) | {snapshot_id})

    async def drop_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """None there is no error."""
        self._before("drop_snapshot", volume_id)
        if volume_id in self._volumes.words:
            self._keep(volume_id, self._snapshots(volume_id) - {snapshot_id})

    async def revert(self, volume_id: str, snapshot_id: str) -> None:
        """Raises BuildFailed without the snapshot."""
        self._before("revert", volume_id)
        if snapshot_id not in self._snapshots(volume_id):
            raise BuildFailed("The snapshot is not on its node.")

    async def pack(self, order: VolumeOrder) -> None:
        """Raises BuildFailed without the volume."""
        self._before("pack", order.volume_id)
        self._snapshots(order.volume_id)

    async def send(self, order: VolumeOrder) -> None:
        """A MiB of zeroes becomes the bytes of the image, in raw only. Raises BuildFailed, Unavailable."""
        self._before("send", order.volume_id)
        if self._send is None or order.upload_format != "raw":
            raise BuildFailed("A simulated volume has no bytes that could become an image.")
        with tempfile.TemporaryDirectory() as folder:
            packed = Path(folder) / "packed"
            packed.write_bytes(bytes(1 << 20))
            await self._send.send(order.upload_image_id, order.upload_ticket, packed, lambda what, share: None)

    async def unpack(self, order: VolumeOrder) -> None:
        """Nothing was packed."""

    async def has(self, volume_id: str) -> bool:
        return volume_id in self._volumes.words

    async def export(self, volume_id: str, attachment_id: str, read_only: bool) -> NbdAddress:
        """An address where nobody listens. Raises BuildFailed without the volume."""
        self._before("export", volume_id)
        self._snapshots(volume_id)
        self._exports.put(ServerId(volume_id), attachment_id)
        return NbdAddress(host="127.0.0.1", port=0, export=volume_id)

    async def end_export(self, volume_id: str, attachment_id: str) -> None:
        """None there is no error."""
        self._before("end_export", volume_id)
        if self._exports.words.get(ServerId(volume_id)) == attachment_id:
            self._exports.drop(ServerId(volume_id))

    async def inventory(self) -> set[str]:
        return set(self._volumes.words)

    async def exports(self) -> dict[str, str]:
        """Volume id → the attachment it is served to."""
        return {str(volume_id): attachment for volume_id, attachment in self._exports.words.items()}

    async def unused(self) -> dict[str, str]:
        """All of them: nobody ever connects."""
        return await self.exports()

    async def snapshots(self) -> Mapping[str, tuple[str, ...]]:
        """Volume id → its snapshots."""
        return {str(volume_id): tuple(sorted(self._snapshots(volume_id))) for volume_id in self._volumes.words}

    async def close(self, keep: bool) -> None:
        """Nothing to stop."""

    def _before(self, what: str, volume_id: str) -> None:
        self._faults.before(f"volumes.{what}", ServerId(volume_id))

    def _snapshots(self, volume_id: str) -> set[str]:
        word = self._volumes.words.get(ServerId(volume_id))
        if word is None:
            raise BuildFailed("The volume is not on its node.")
        return set(filter(None, word.removeprefix("volume").split("+")))

    def _keep(self, volume_id: str, snapshots: set[str]) -> None:
        self._volumes.put(ServerId(volume_id), "+".join(("volume", *sorted(snapshots))))
