"""Disks as files of this host: qcow2 overlays on cached images, blank ephemeral and swap disks, config drives.

It neither starts guests nor formats anything: blank is blank. A server's disks appear all at once (a folder is renamed), so
an interrupted build leaves none, and a repeated one finds them and touches nothing a guest may have written.
"""

import asyncio
import errno
import os
import threading
import uuid
from pathlib import Path

import msgspec
from msgspec.structs import replace

from kilonova.build.needs import Progress
from kilonova.build.record import Placed, Wired
from kilonova.drivers.disks import qcow2, spare
from kilonova.drivers.disks.cache import ImageCache
from kilonova.drivers.disks.config_drive import write_config_drive
from kilonova.drivers.disks.fetch import Fetch, Send
from kilonova.drivers.host_folder import clear_folder, make_folder, server_folder, servers_with
from kilonova.errors import BuildFailed
from kilonova.metadata import drive_documents
from kilonova.model.guest import Disk
from kilonova.model.ids import ServerId
from kilonova.model.image import BootImage

_GIB = 1 << 30
_PART = "disks"
_HALF = "disks.half"
_COPY = "copy"
_LIST = "disks.json"


class QcowDisks:
    """The disks below ``root/servers/<id>/disks`` and the images below ``root/cache``; `cache_bytes` limits the unused ones."""

    def __init__(self, root: Path, fetch: Fetch, cache_bytes: int = 20 * _GIB, send: Send | None = None) -> None:
        self._root = root
        self._send = send
        self._cache = ImageCache(root / "cache", fetch, cache_bytes)
        self._cache.clear_halves()

    async def assemble(self, build: Placed, progress: Progress) -> tuple[Disk, ...]:
        """The root disk, if there is an image, a CD-ROM for an ISO, ephemeral and swap disks; those that are here if they are."""
        folder = server_folder(self._root, build.server_id, _PART)
        if folder.exists():
            return _listed(folder)
        await self._make(build, build.image, progress, folder, folder.with_name(_HALF))
        return _listed(folder)

    async def assemble_beside(self, build: Placed, progress: Progress, keep_ephemeral: bool) -> None:
        """A second set, from the image; with `keep_ephemeral` its ephemeral disks are those in use. Raises BuildFailed."""
        home = server_folder(self._root, build.server_id, _PART).parent
        if spare.is_of(home, build.task_id):
            return
        if build.image is None:
            raise BuildFailed("A server that boots from a volume has no image to be made from.")
        same = tuple((home / _PART).glob("ephemeral*.qcow2")) if keep_ephemeral else ()
        await self._make(build, build.image, progress, home / spare.NEW, home / spare.NEW_HALF, same)

    async def copy_beside(self, build: Placed) -> None:
        """A second set: those in use, which no guest has, copied and as large as the flavor says. Raises BuildFailed."""
        home = server_folder(self._root, build.server_id, _PART).parent
        if not spare.is_of(home, build.task_id):
            called_off = threading.Event()
            copying = asyncio.ensure_future(asyncio.to_thread(_copy_all, build, home, called_off))
            try:
                await asyncio.shield(copying)
            except asyncio.CancelledError:
                called_off.set()
                await asyncio.wait([copying])  # a thread cannot be cancelled, and must not write when we believe it does not
                raise

    async def beside(self, build: Placed) -> tuple[Disk, ...]:
        """The second set. Raises BuildFailed when there is none."""
        folder = server_folder(self._root, build.server_id, spare.NEW)
        if not folder.exists():
            raise BuildFailed("The server's new disks are not on its host.")
        return _listed(folder)

    async def swap_in(self, server_id: ServerId) -> None:
        """The second set is in use, and those before are kept. Raises BuildFailed when there is none."""
        await asyncio.to_thread(spare.swap_in, server_folder(self._root, server_id, _PART).parent)

    async def swap_back(self, server_id: ServerId) -> None:
        """Those that were kept are in use again; when none were, nothing happens."""
        await asyncio.to_thread(spare.swap_back, server_folder(self._root, server_id, _PART).parent)

    async def drop_spare(self, server_id: ServerId, kept: bool) -> None:
        """The second set goes, and, if `kept` says so, those that were kept from before; the disks in use stay."""
        await asyncio.to_thread(spare.drop, server_folder(self._root, server_id, _PART).parent, kept)

    async def spares(self) -> set[ServerId]:
        """The servers that have a second set, new or old, whole or half."""
        return set().union(*(servers_with(self._root, part) for part in spare.PARTS))

    async def existing(self, build: Placed) -> tuple[Disk, ...]:
        """The disks `assemble` has made. Raises BuildFailed when they are not there."""
        folder = server_folder(self._root, build.server_id, _PART)
        if not folder.exists():
            raise BuildFailed("The server's disks are not on its host.")
        return _listed(folder)

    async def add_config_drive(self, build: Wired) -> Disk:
        """The config drive, written anew each time: a guest that has the old one open keeps it. Raises BuildFailed."""
        folder = server_folder(self._root, build.server_id, _PART)
        drive, half = folder / "config.iso", folder / f"config.{uuid.uuid4().hex[:8]}.half"
        try:
            await asyncio.to_thread(write_config_drive, half, drive_documents(build, os.urandom(512)))
            half.rename(drive)
        except OSError as error:
            raise _explained(error) from error
        finally:
            half.unlink(missing_ok=True)
        return Disk(name="config", path=str(drive), format="iso", size=drive.stat().st_size, read_only=True)

    async def blank_copy(self, build: Placed) -> Path:
        """A new, blank qcow2 file as large as the server's root disk. Raises BuildFailed."""
        root = next((disk for disk in await self.existing(build) if disk.name == "root"), None)
        if root is None:
            raise BuildFailed("The server has no disk of its own.")
        copy = self._copy_of(build)
        try:
            make_folder(copy.parent)
            copy.unlink(missing_ok=True)
            qcow2.create(copy, root.size)
        except OSError as error:
            raise _explained(error) from error
        return copy

    async def send_copy(self, build: Placed, image_id: str, ticket: str, progress: Progress) -> None:
        """The copy becomes the bytes of the image. Raises BuildFailed (it is refused), Unavailable."""
        if self._send is None:
            raise BuildFailed("This host cannot send images.")
        await self._send.send(image_id, ticket, self._copy_of(build), progress)

    async def drop_copy(self, build: Placed) -> None:
        """The copy goes; none there is no error."""
        copy = self._copy_of(build)
        copy.unlink(missing_ok=True)
        if copy.parent.exists() and not any(copy.parent.iterdir()):
            clear_folder(copy.parent)

    def _copy_of(self, build: Placed) -> Path:
        return server_folder(self._root, build.server_id, _COPY) / f"{build.task_id}.qcow2"

    async def remove(self, server_id: ServerId) -> None:
        """All disks of this server go; none there is no error. The cached image stays."""
        for part in (_PART, _HALF, _COPY, *spare.PARTS):
            await asyncio.to_thread(clear_folder, server_folder(self._root, server_id, part))

    async def inventory(self) -> set[ServerId]:
        """The servers that have disks here, whole or half."""
        return set().union(*(servers_with(self._root, part) for part in (_PART, _HALF, _COPY, *spare.PARTS)))

    async def _make(
        self, build: Placed, image: BootImage | None, progress: Progress, folder: Path, half: Path, same: tuple[Path, ...] = ()
    ) -> None:
        """All disks of the build in `folder`, at once or not at all; `same` are files that take the place of new ones."""
        clear_folder(half)
        try:
            make_folder(half)
            if image is not None:
                await self._cache.link(image, build.image_ticket, half / "image", progress)
            await asyncio.to_thread(_make_disks, build, image, half)
            for file in same:
                (half / file.name).unlink(missing_ok=True)
                os.link(file, half / file.name)
            spare.mark(half, build.task_id)
            half.rename(folder)
        except OSError as error:
            clear_folder(half)
            raise _explained(error) from error
        except BaseException:  # a cancelled build too leaves nothing
            clear_folder(half)
            raise


def _make_disks(build: Placed, image: BootImage | None, folder: Path) -> None:
    """Fill `folder` (where the image lies as ``image`` already) with the build's disks and their list. Raises BuildFailed.

    Without an image the server boots from a volume, and has no root disk here.
    """
    flavor = build.flavor
    disks = [] if image is None else _from_image(image, flavor.disk_gb * _GIB, folder)
    if flavor.ephemeral_gb:
        disks.append(_blank("ephemeral0", flavor.ephemeral_gb * _GIB, folder))
    if flavor.swap_mb:
        disks.append(_blank("swap", flavor.swap_mb << 20, folder))
    (folder / _LIST).write_bytes(msgspec.json.encode(disks))


def _from_image(image: BootImage, disk_size: int, folder: Path) -> list[Disk]:
    virtual_size = _inspect(image, folder / "image")
    if image.disk_format == "iso":
        return _cdrom_and_root(disk_size, virtual_size, folder)
    return [_overlay(image, virtual_size, disk_size, folder)]


def _inspect(image: BootImage, file: Path) -> int:
    """The image's virtual size, by its own header. The image room inspected it before: this is the second wall."""
    if image.disk_format in ("raw", "iso"):
        return file.stat().st_size
    if image.disk_format != "qcow2":
        raise BuildFailed(f"This host cannot boot images of the format {image.disk_format}.")
    header = qcow2.read_header(file)
    if header.has_backing or header.has_external_data or header.encrypted:
        raise BuildFailed("The image refers to other files or is encrypted, which is not allowed.")
    return header.virtual_size


def _overlay(image: BootImage, virtual_size: int, disk_size: int, folder: Path) -> Disk:
    if disk_size and virtual_size > disk_size:
        raise BuildFailed(
            f"The image is larger than the flavor's disk: "
            f"it needs {-(-virtual_size // _GIB)} GB, the flavor has {disk_size // _GIB} GB."
        )
    size = disk_size or virtual_size
    qcow2.create(folder / "root.qcow2", size, ("image", image.disk_format))
    return Disk(
        name="root",
        path="root.qcow2",
        format="qcow2",
        size=size,
        backing_path="image",
        backing_format="raw" if image.disk_format == "raw" else "qcow2",
        boot_index=0,
    )


def _cdrom_and_root(disk_size: int, cdrom_size: int, folder: Path) -> list[Disk]:
    """An ISO image: the blank root disk comes first in the boot order, so an installed system boots once it is there."""
    cdrom = Disk(name="cdrom", path="image", format="iso", size=cdrom_size, boot_index=1, read_only=True)
    if not disk_size:
        return [cdrom]
    return [replace(_blank("root", disk_size, folder), boot_index=0), cdrom]


def _blank(name: str, size: int, folder: Path) -> Disk:
    qcow2.create(folder / f"{name}.qcow2", size)
    return Disk(name=name, path=f"{name}.qcow2", format="qcow2", size=size)


def _copy_all(build: Placed, home: Path, called_off: threading.Event) -> None:
    """The disks in use, copied and grown for the build's flavor; swap is made anew. Raises BuildFailed."""
    source, half, flavor = home / _PART, home / spare.NEW_HALF, build.flavor
    clear_folder(half)
    sizes = {"root": flavor.disk_gb * _GIB, "ephemeral0": flavor.ephemeral_gb * _GIB}
    try:
        make_folder(half)
        if (source / "image").exists():
            os.link(source / "image", half / "image")
        had = msgspec.json.decode((source / _LIST).read_bytes(), type=tuple[Disk, ...])
        disks = [
            disk if disk.path == "image" else spare.grown(disk, sizes[disk.name], source, half, called_off)
            for disk in had
            if disk.name != "swap"
        ]
        if flavor.ephemeral_gb and "ephemeral0" not in {disk.name for disk in had}:
            disks.append(_blank("ephemeral0", sizes["ephemeral0"], half))
        if flavor.swap_mb:
            disks.append(_blank("swap", flavor.swap_mb << 20, half))
        (half / _LIST).write_bytes(msgspec.json.encode(disks))
        spare.mark(half, build.task_id)
        half.rename(home / spare.NEW)
    except OSError as error:
        clear_folder(half)
        raise _explained(error) from error
    except BuildFailed:
        clear_folder(half)
        raise


def _listed(folder: Path) -> tuple[Disk, ...]:
    """The disks of a finished folder; the list holds bare file names, so that a data folder can be moved."""
    disks = msgspec.json.decode((folder / _LIST).read_bytes(), type=tuple[Disk, ...])
    return tuple(
        replace(disk, path=str(folder / disk.path), backing_path=str(folder / disk.backing_path) if disk.backing_path else None)
        for disk in disks
    )


def _explained(error: OSError) -> BuildFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return BuildFailed("The host has no room left for the server's disks.")
    return BuildFailed("The host could not make the server's disks.")
