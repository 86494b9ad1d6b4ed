"""Volumes as files of one node: a sparse qcow2 file each, its snapshots inside it. Why: docs/decisions/0009-volumes.md.

A volume appears all at once (a folder is renamed), so one that was half made is never taken for whole. While a volume is
served its file belongs to the process that serves it, and is changed through that alone.
"""

import asyncio
import errno
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from msgspec import Struct

from kilonova.drivers.identity import Identity, UidRange
from kilonova.drivers.volumes import served
from kilonova.drivers.volumes.exports import Exports
from kilonova.drivers.volumes.images import QemuImg
from kilonova.drivers.volumes.inside import snapshot_names
from kilonova.errors import BadRequest, BuildFailed
from kilonova.lifecycle.volume_work import VolumeOrder
from kilonova.model.image import BootImage
from kilonova.model.volume_link import NbdAddress

_GIB = 1 << 30
_FILE = "volume.qcow2"
_SAFE = re.compile(r"[0-9a-f][0-9a-f-]{7,63}\Z")
_FORMATS = {"qcow2": "qcow2", "raw": "raw", "iso": "raw"}


class Fetch(Protocol):
    """Brings an image here, checked."""

    async def fetch(self, image: BootImage, ticket: str, into: Path, progress: "Progress") -> None: ...


class Send(Protocol):
    """Brings a file to control, where it becomes an image's data."""

    async def send(self, image_id: str, ticket: str, path: Path, progress: "Progress") -> None: ...


class Progress(Protocol):
    def __call__(self, what: str, share: float, /) -> None: ...


class VolumeSettings(Struct, frozen=True, kw_only=True):
    """What an operator may decide. `host`: where volumes are served; `largest_gb`: of one volume."""

    host: str = "127.0.0.1"
    largest_gb: int = 1000
    uids: UidRange = UidRange()
    daemon: str = "qemu-storage-daemon"
    qemu_img: str = "qemu-img"


class VolumeFiles:
    """A VolumeStore (see lifecycle/volume_needs.py): volumes below ``root/volumes``, what serves them below ``root/exports``."""

    def __init__(self, root: Path, fetch: Fetch, send: Send, settings: VolumeSettings | None = None) -> None:
        self._settings = settings or VolumeSettings()
        self._root, self._fetch, self._send = root / "volumes", fetch, send
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._img = QemuImg(self._settings.qemu_img)
        self._uids = self._settings.uids
        self._exports = Exports(root / "exports", self._file, self._settings.host, self._uids, self._settings.daemon)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def make(self, order: VolumeOrder) -> None:
        """Blank, or a copy of the order's source."""
        folder = self._folder(order.volume_id)
        if folder.exists():
            return
        if order.size_gb > self._settings.largest_gb:
            raise BuildFailed(f"The volume is larger than its node allows: at most {self._settings.largest_gb} GiB.")
        half = folder.with_name(f"{folder.name}.half")
        await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)
        try:
            identity = self._uids.plain(order.volume_id)
            target = _new_file(half / _FILE, identity)
            await self._img.create(target, order.size_gb * _GIB, identity)
            await self._fill(order, half, target)
            await asyncio.to_thread(_settle, half, folder)
        except OSError as error:
            raise _explained(error) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, half, ignore_errors=True)

    async def remove(self, volume_id: str) -> None:
        """Its export first; then it is nobody's any more before its bytes go."""
        folder = self._folder(volume_id)
        async with self._turn(volume_id):
            await self._exports.close_one(volume_id)
            gone = folder.with_name(f"{folder.name}.gone")
            if folder.exists():
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
                folder.rename(gone)
            for part in self._root.glob(f"{folder.name}.*"):
                await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)

    async def extend(self, volume_id: str, size_gb: int) -> None:
        if size_gb > self._settings.largest_gb:
            raise BuildFailed(f"The volume would be larger than its node allows: at most {self._settings.largest_gb} GiB.")
        async with self._turn(volume_id), self._exports.monitor(volume_id) as open_now:
            file, identity = self._found(volume_id)
            if open_now is not None:
                await served.resize(*open_now, size_gb * _GIB)
            elif (await self._img.describe(file, "qcow2", identity)).size < size_gb * _GIB:
                await self._img.resize(file, size_gb * _GIB, identity)

    async def take_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        async with self._turn(volume_id), self._exports.monitor(volume_id) as open_now:
            file, identity = self._found(volume_id)
            if open_now is not None:
                await served.take_snapshot(open_now[0], snapshot_id)
            elif snapshot_id not in (await self._img.describe(file, "qcow2", identity)).snapshots:
                await self._img.snapshot(file, "-c", snapshot_id, identity)

    async def drop_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Waits while somebody copies it."""
        if not self._file(volume_id).exists():
            return
        async with self._turn(snapshot_id), self._turn(volume_id), self._exports.monitor(volume_id) as open_now:
            file, identity = self._found(volume_id)
            if open_now is not None:
                await served.drop_snapshot(open_now[0], snapshot_id)
            elif snapshot_id in (await self._img.describe(file, "qcow2", identity)).snapshots:
                await self._img.snapshot(file, "-d", snapshot_id, identity)

    async def revert(self, volume_id: str, snapshot_id: str) -> None:
        async with self._turn(volume_id):
            await self._exports.adopt()
            if volume_id in self._exports.served():
                raise BuildFailed("The volume is in use.")
            file, identity = self._found(volume_id)
            await self._img.snapshot(file, "-a", snapshot_id, identity)

    async def pack(self, order: VolumeOrder) -> None:
        if order.upload_format not in ("raw", "qcow2"):
            raise BuildFailed(f"A volume cannot become an image of the format {order.upload_format} here.")
        packed = self._packed(order)
        if (packed / "done").exists():
            return
        await asyncio.to_thread(shutil.rmtree, packed, ignore_errors=True)
        try:
            identity = self._uids.plain(order.volume_id)
            target = _new_file(packed / "image", identity)
            async with self._still(order.volume_id, order.work_id) as source:
                await self._img.export(source, order.work_id, target, order.upload_format, identity)
            (packed / "done").touch()
        except OSError as error:
            raise _explained(error) from error

    async def send(self, order: VolumeOrder) -> None:
        packed = self._packed(order) / "image"
        await self._send.send(order.upload_image_id, order.upload_ticket, packed, lambda what, share: None)

    async def unpack(self, order: VolumeOrder) -> None:
        """Also the snapshot that an interrupted packing left."""
        await asyncio.to_thread(shutil.rmtree, self._packed(order), ignore_errors=True)
        await self.drop_snapshot(order.volume_id, order.work_id)

    async def export(self, volume_id: str, attachment_id: str, read_only: bool) -> NbdAddress:
        async with self._turn(volume_id):
            self._found(volume_id)
            return await self._exports.open(volume_id, attachment_id, read_only)

    async def end_export(self, volume_id: str, attachment_id: str) -> None:
        async with self._turn(volume_id):
            await self._exports.close_one(volume_id, attachment_id)

    async def has(self, volume_id: str) -> bool:
        return self._file(volume_id).exists()

    async def inventory(self) -> set[str]:
        return {folder.name.partition(".")[0] for folder in self._root.iterdir()}

    async def exports(self) -> Mapping[str, str]:
        await self._exports.adopt()
        return dict(self._exports.served())

    async def unused(self) -> Mapping[str, str]:
        return await self._exports.unused()

    async def snapshots(self) -> Mapping[str, tuple[str, ...]]:
        """Volume id → the snapshots in its file, of each whose file says so."""
        return await asyncio.to_thread(self._snapshots)

    async def strays(self) -> Mapping[str, str]:
        """Folders that work on a volume makes for itself, and ends."""
        parts = (folder.name for folder in self._root.iterdir() if "." in folder.name)
        return {name: "a folder that work on a volume has left" for name in parts}

    async def end_stray(self, name: str) -> None:
        """The folder goes; a whole volume never does."""
        volume_id, dot, _ = name.partition(".")
        if dot and "/" not in name and _SAFE.match(volume_id):
            await asyncio.to_thread(shutil.rmtree, self._root / name, ignore_errors=True)

    async def close(self, keep: bool) -> None:
        await self._exports.close(keep)

    async def _fill(self, order: VolumeOrder, half: Path, target: Path) -> None:
        """From an image, a snapshot or another volume. Raises BuildFailed when that is larger than the new volume."""
        own = self._uids.plain(order.volume_id)
        if order.image is not None:
            image = half / "image"
            await self._fetch.fetch(order.image, order.image_ticket, image, lambda what, share: None)
            await self._fill_from_image(order.image, image, target, own, order.size_gb * _GIB)
            image.unlink()
        elif order.source_snapshot_id:
            source = self._found(order.source_volume_id)[0]
            async with self._turn(order.source_snapshot_id):
                await self._img.fill(source, "qcow2", order.source_snapshot_id, target, self._copier(source, own))
        elif order.source_volume_id:
            async with self._still(order.source_volume_id, order.work_id) as source:
                await self._img.fill(source, "qcow2", order.work_id, target, self._copier(source, own))

    async def _fill_from_image(self, image: BootImage, file: Path, target: Path, own: Identity, size: int) -> None:
        kind = _FORMATS.get(image.disk_format)
        if kind is None:
            raise BuildFailed(f"A volume cannot be made from an image of the format {image.disk_format} here.")
        _hand_to(file, own)
        found = await self._img.describe(file, kind, own)
        if found.refers:
            raise BuildFailed("The image refers to other files or is encrypted, which is not allowed.")
        if found.size > size:
            raise BuildFailed("The image is larger than the volume.")
        await self._img.fill(file, kind, "", target, own)

    @asynccontextmanager
    async def _still(self, volume_id: str, name: str) -> AsyncIterator[Path]:
        """The volume's file, with what it holds now kept as the snapshot `name` for as long as it is copied."""
        await self.take_snapshot(volume_id, name)
        try:
            async with self._turn(name):
                yield self._file(volume_id)
        finally:
            await self.drop_snapshot(volume_id, name)

    def _copier(self, source: Path, own: Identity) -> Identity:
        """The new volume's user, who for once may read the source too."""
        return own if own.uid is None else Identity(own.uid, (source.stat().st_gid,))

    def _found(self, volume_id: str) -> tuple[Path, Identity]:
        file = self._file(volume_id)
        if not file.exists():
            raise BuildFailed("The volume is not on its node.")
        return file, self._uids.plain(volume_id)

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    def _folder(self, volume_id: str) -> Path:
        if not _SAFE.match(volume_id):
            raise BadRequest("The volume's id is malformed.")
        return self._root / volume_id

    def _file(self, volume_id: str) -> Path:
        return self._folder(volume_id) / _FILE

    def _snapshots(self) -> dict[str, tuple[str, ...]]:
        found = {}
        for folder in self._root.iterdir():
            names = snapshot_names(folder / _FILE) if "." not in folder.name else None
            if names is not None:
                found[folder.name] = names
        return found

    def _packed(self, order: VolumeOrder) -> Path:
        return self._root / f"{self._folder(order.volume_id).name}.{order.work_id}"


def _new_file(file: Path, identity: Identity) -> Path:
    """Empty, in a folder of its own that only we may look into."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    _hand_to(file, identity)
    return file


def _hand_to(file: Path, identity: Identity) -> None:
    """It is this user's, and its group may read it."""
    if identity.uid is not None:
        os.chown(file, identity.uid, identity.uid)
        file.chmod(0o640)


def _settle(half: Path, folder: Path) -> None:
    """On the disk first, then under its name."""
    with (half / _FILE).open("rb") as file:
        os.fsync(file.fileno())
    half.rename(folder)


def _explained(error: OSError) -> BuildFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BuildFailed("The volume node has no room left.")
    return BuildFailed("The volume's files could not be made on its node.")
