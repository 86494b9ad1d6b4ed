"""Step 6, for volumes: the compute node asks volume nodes to serve them, and lets go of them. Both ends, one file.

An attachment is served until it is not wanted any more; what is asked twice is served once. A volume that is still being made
is waited for, as long as the build has time.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from kilonova.build.needs import ComputeWorld, Exports
from kilonova.build.record import Placed
from kilonova.errors import BuildFailed, KilonovaError, TimedOut, Unavailable
from kilonova.model.guest import Disk
from kilonova.model.ids import ServerId
from kilonova.model.volume_link import NbdAddress, VolumeLink

_LOOK_AGAIN_S = 0.5
_GIB = 1 << 30


class User(Protocol):
    """Whose volumes they are: an order of any kind."""

    @property
    def server_id(self) -> ServerId: ...

    @property
    def attempt(self) -> int: ...


class ExportWanted(Struct, frozen=True, kw_only=True):
    """compute → the volume node's queue: serve this volume to this server. Repeatable; the same attachment gets the same."""

    server_id: ServerId
    volume_id: str
    attachment_id: str
    size_gb: int
    read_only: bool = False
    number: int = 0
    """As `WishNumbers`: of two wishes for one attachment the later counts. 0: nobody can tell."""


class ExportNotWanted(Struct, frozen=True, kw_only=True):
    """compute → the volume node's queue: this attachment is over; none there is no error."""

    server_id: ServerId
    volume_id: str
    attachment_id: str
    number: int = 0


class ExportGiven(Struct, frozen=True, kw_only=True):
    """The volume node's answer to both. `refused` says why there is no address. `queued` and `work` in seconds."""

    address: NbdAddress | None = None
    refused: str = ""
    not_yet: bool = False
    """The volume is still being made: ask again."""
    queued: float = 0.0
    work: float = 0.0


async def open_exports(build: Placed, world: ComputeWorld) -> tuple[Disk, ...]:
    """The server's volumes as disks, in the order of its links. Raises BuildFailed, TimedOut; then some may be served to it."""
    return tuple([await open_export(build, link, world) for link in build.volumes])


async def open_export(user: User, link: VolumeLink, world: ComputeWorld) -> Disk:
    """One volume as a disk. Waits without limit of its own while the volume is being made. Raises BuildFailed, TimedOut."""
    wanted = ExportWanted(
        server_id=user.server_id,
        volume_id=link.volume_id,
        attachment_id=link.attachment_id,
        size_gb=link.size_gb,
        read_only=link.read_only,
        number=world.number_of_wish(user.attempt),
    )
    while True:
        try:
            given = await world.ask_volume(link.node, wanted, ExportGiven)
        except Unavailable:
            raise TimedOut("The volume node did not answer in time.") from None
        if given.address is not None:
            return _disk(link, given.address)
        if not given.not_yet:
            raise BuildFailed(given.refused or "The volume is not served.")
        await asyncio.sleep(_LOOK_AGAIN_S)


async def close_exports(user: User, links: Iterable[VolumeLink], world: ComputeWorld) -> None:
    """These attachments are over. Waited for: a volume must not be given to the next while this server can still write to it."""
    for link in links:
        message = ExportNotWanted(
            server_id=user.server_id,
            volume_id=link.volume_id,
            attachment_id=link.attachment_id,
            number=world.number_of_wish(user.attempt),
        )
        given = await world.ask_volume(link.node, message, ExportGiven)
        if given.refused:
            raise Unavailable(given.refused)


async def serve_volume(wanted: ExportWanted, exports: Exports) -> ExportGiven:
    """On the volume node: the volume is served; a refusal is an answer too."""
    try:
        return ExportGiven(address=await exports.export(wanted.volume_id, wanted.attachment_id, wanted.read_only))
    except KilonovaError as error:
        return ExportGiven(refused=str(error))


async def end_service(message: ExportNotWanted, exports: Exports) -> ExportGiven:
    """On the volume node: nobody reaches the volume by this attachment any more."""
    try:
        await exports.end_export(message.volume_id, message.attachment_id)
    except KilonovaError as error:
        return ExportGiven(refused=str(error))
    return ExportGiven()


def in_order(volumes: tuple[Disk, ...], local: tuple[Disk, ...]) -> tuple[Disk, ...]:
    """The disks as the guest is to number them: what it boots from first, then local ones, then other volumes."""
    boots = tuple(disk for disk in volumes if disk.boot_index == 0)
    return (*boots, *local, *(disk for disk in volumes if disk.boot_index != 0))


def _disk(link: VolumeLink, address: NbdAddress) -> Disk:
    return Disk(
        name=link.volume_id,
        path="",
        format="raw",
        size=link.size_gb * _GIB,
        boot_index=link.boot_index,
        read_only=link.read_only,
        nbd=address,
    )
