"""Volumes of servers: reserved, attached, detached, released. `kilonova.build.volume_books.Volumes` says what each promises."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from kilonova.errors import BadRequest, Conflict, NotFound, QuotaExceeded, TooLarge
from kilonova.lifecycle.volume_books import Images, Orders, VolumeBook, VolumeWorld
from kilonova.lifecycle.volume_create import create_volume
from kilonova.lifecycle.volumes import delete_volume
from kilonova.model.caller import Caller
from kilonova.model.ids import NodeName, new_uuid
from kilonova.model.volume import Attachment, Volume
from kilonova.model.volume_link import VolumeLink
from kilonova.model.volume_rules import next_device, settled
from kilonova.model.volume_wish import AttachWish, BootVolume, NewVolume, VolumeTerms

if TYPE_CHECKING:
    from kilonova.ledger.volume.book import Volumes

GOING = ("deleting", "error_deleting", "error")


class _Books:
    """One transaction as the lifecycle sees it."""

    def __init__(self, volumes: VolumeBook, orders: Orders, images: Images) -> None:
        self.volumes, self.orders, self.images = volumes, orders, images


class VolumesOfServers:
    def __init__(self, book: "Volumes", orders: Orders, images: Images) -> None:
        self._book, self._books = book, _Books(book, orders, images)

    def reserve(self, wish: AttachWish, caller: Caller, now: float) -> VolumeLink:
        book = self._book
        volume = book.volumes.get(wish.volume_id, caller)
        if wish.needs_bootable and not volume.bootable:
            raise BadRequest(f"Block Device {volume.id} is not bootable.")
        theirs = book.attachments.of_volume(volume.id)
        if volume.status not in ("available", "creating") or theirs or volume.node is None:
            raise BadRequest(
                f"Invalid volume: volume {volume.id} status must be available or downloading to reserve,"
                f" but the current status is {volume.status}."
            )
        taken = {one.device for one in book.attachments.of_server(wish.server_id) if one.device}
        if wish.device in taken:
            raise Conflict(f"The device {wish.device} is in use already.")
        attachment = Attachment(
            id=new_uuid(),
            volume_id=volume.id,
            project_id=volume.project_id,
            state="attaching",
            created_at=now,
            server_id=wish.server_id,
            device=wish.device or next_device(taken, boots=wish.boot_index == 0),
            mode="ro" if volume.read_only else "rw",
            delete_on_termination=wish.delete_on_termination,
            tag=wish.tag,
            boot_index=wish.boot_index,
            made_by_server=True,
        )
        book.attachments.add(attachment)
        if volume.status == "available":
            self._status(volume, "attaching", now)
        return _link(attachment, volume)

    def attached(self, attachment_id: str, now: float) -> None:
        attachment = self._book.attachments.or_none(attachment_id)
        if attachment is not None:
            self._book.attachments.replace(structs.replace(attachment, state="attached", attached_at=now))
            self._settle(attachment.volume_id, now)

    def begin_detach(self, server_id: str, volume_id: str, now: float) -> VolumeLink:
        attachment = self._between(server_id, volume_id)
        volume = self._book.volumes.get(volume_id)
        if attachment.state != "attached" or volume.status != "in-use":
            raise Conflict(f"Invalid volume: Volume {volume_id} is {volume.status}; it must be in-use to be detached.")
        self._book.attachments.replace(structs.replace(attachment, state="detaching"))
        self._status(volume, "detaching", now)
        return _link(attachment, volume)

    def leaves(self, attachment_id: str, now: float) -> None:
        attachment = self._book.attachments.or_none(attachment_id)
        if attachment is not None:
            self._book.attachments.replace(structs.replace(attachment, state="detaching"))
            self._settle(attachment.volume_id, now)

    def detached(self, attachment_id: str, now: float) -> None:
        attachment = self._book.attachments.or_none(attachment_id)
        if attachment is not None:
            self._book.attachments.remove(attachment_id)
            self._settle(attachment.volume_id, now)

    def rolled_back(self, attachment_id: str, now: float) -> None:
        attachment = self._book.attachments.or_none(attachment_id)
        if attachment is None or attachment.state == "attached":
            return
        if attachment.state == "detaching":
            self._book.attachments.replace(structs.replace(attachment, state="attached"))
        else:
            self._book.attachments.remove(attachment_id)
        self._settle(attachment.volume_id, now)

    def link(self, server_id: str, volume_id: str) -> VolumeLink:
        return _link(self._between(server_id, volume_id), self._book.volumes.get(volume_id))

    def links_of_servers(self, server_ids: Sequence[str]) -> Mapping[str, tuple[VolumeLink, ...]]:
        found = self._book.attachments.of_servers(server_ids)
        known = self._book.volumes.many([one.volume_id for theirs in found.values() for one in theirs])
        return {
            server_id: tuple(_link(one, known[one.volume_id]) for one in sorted(theirs, key=_device_order))
            for server_id, theirs in found.items()
        }

    def for_boot(self, wish: BootVolume, caller: Caller, terms: VolumeTerms) -> str:
        new = NewVolume(
            size_gb=wish.size_gb,
            name=wish.name,
            description="",
            volume_type=wish.volume_type,
            availability_zone=wish.availability_zone,
            image_id=wish.source_id if wish.source == "image" else None,
            snapshot_id=wish.source_id if wish.source == "snapshot" else None,
            source_volid=wish.source_id if wish.source == "volume" else None,
        )
        try:
            made = create_volume(new, caller, VolumeWorld(books=self._books, terms=terms))
        except TooLarge as over:
            raise QuotaExceeded(str(over)) from None
        if made.node is None:
            raise BadRequest("Block Device Mapping is Invalid: no volume node can keep the volume at the moment.")
        return made.id

    def set_delete_on_termination(self, server_id: str, volume_id: str, delete: bool) -> None:
        attachment = self._between(server_id, volume_id)
        self._book.attachments.replace(structs.replace(attachment, delete_on_termination=delete))

    def release_server(self, server_id: str, now: float) -> None:
        for attachment in self._book.attachments.of_server(server_id):
            self._book.attachments.remove(attachment.id)
            self._settle(attachment.volume_id, now)
            if attachment.delete_on_termination:
                self._let_go(attachment.volume_id, now)

    def over(self, exports: Mapping[str, str]) -> dict[str, str]:
        book, ids = self._book, list(exports)
        there, attached = book.volumes.many(ids), book.attachments.of_volumes(ids)
        stand = {one.id for theirs in attached.values() for one in theirs}
        return {volume_id: one for volume_id, one in exports.items() if volume_id in there and one not in stand}

    def _let_go(self, volume_id: str, now: float) -> None:
        """One with snapshots stays, as in Nova, where its deletion fails."""
        volume = self._book.volumes.get(volume_id)
        if not self._book.snapshots.of_volume(volume_id) and volume.status not in ("deleting", "awaiting-transfer"):
            world = VolumeWorld(books=self._books, terms=VolumeTerms(now=now, ticket=lambda image_id, node, until: ""))
            delete_volume(volume, world, force=True)

    def _between(self, server_id: str, volume_id: str) -> Attachment:
        found = self._book.attachments.between(server_id, volume_id)
        if found is None:
            raise NotFound(f"Instance {server_id[:64]} is not attached to volume {volume_id[:64]}.")
        return found

    def _settle(self, volume_id: str, now: float) -> None:
        """Its status follows its attachments, unless work on it is under way: that settles it when it ends."""
        volume = self._book.volumes.or_none(volume_id)
        if volume is None or volume.status in GOING:
            return
        if volume.work_id is not None and volume.status != "creating":
            return
        status = settled(self._book.attachments.of_volume(volume_id))
        if volume.status == "creating" and status != "in-use":
            return
        self._status(volume, status, now)

    def _status(self, volume: Volume, status: str, now: float) -> None:
        self._book.volumes.replace(structs.replace(volume, status=status, updated_at=now))


def _link(attachment: Attachment, volume: Volume) -> VolumeLink:
    return VolumeLink(
        attachment_id=attachment.id,
        volume_id=volume.id,
        node=NodeName(volume.node or ""),
        size_gb=volume.size_gb,
        device=attachment.device or "",
        boot_index=attachment.boot_index,
        read_only=bool(volume.read_only),
        delete_on_termination=attachment.delete_on_termination,
        tag=attachment.tag,
    )


def _device_order(one: Attachment) -> tuple[int, str]:
    """``/dev/vdz`` comes before ``/dev/vdaa``."""
    return len(one.device or ""), one.device or ""
