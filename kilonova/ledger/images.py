"""The images' records and who they are shared with. Holds no image data, and does not decide who may change what."""

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from kilonova.errors import BadRequest, Conflict, NotFound
from kilonova.ledger.image_search import image_query
from kilonova.ledger.image_tables import image_members, image_of, image_properties, image_tags, images, member_of, row_of
from kilonova.ledger.image_tasks import ImageTasks
from kilonova.ledger.paging import select_page
from kilonova.model.ids import ImageId
from kilonova.model.image import BootImage
from kilonova.model.images import Image, ImageQuestion, ImageStatus, Member, Viewer, Visibility, boot_image, visible
from kilonova.model.snapshots import Snapshot, snapshot_image

_BY_ID = select(images).where(images.c.id == bindparam("image_id"), images.c.deleted_at.is_(None))
_IS_MEMBER = select(image_members.c.image_id).where(
    image_members.c.image_id == bindparam("image_id"), image_members.c.member_id == bindparam("member_id")
)
_TAKEN = select(images.c.id).where(images.c.id == bindparam("image_id"))
_INSERT = insert(images)
_CHANGE = update(images).where(images.c.id == bindparam("image_id"), images.c.deleted_at.is_(None))
"""What else it is executed with are the columns it sets."""
_TAGS = select(image_tags).where(image_tags.c.image_id.in_(bindparam("ids", expanding=True)))
_PROPERTIES = select(image_properties).where(image_properties.c.image_id.in_(bindparam("ids", expanding=True)))
_INSERT_TAGS = insert(image_tags)
_INSERT_PROPERTIES = insert(image_properties)
_WAIT_OF_SERVER = select(images.c.id).where(
    images.c.deleted_at.is_(None),
    images.c.wanted_until.is_not(None),
    exists().where(
        image_properties.c.image_id == images.c.id,
        image_properties.c.name == "instance_uuid",
        image_properties.c.value == bindparam("server"),
    ),
)
_OVERDUE = select(images.c.id).where(images.c.wanted_until < bindparam("now"), images.c.deleted_at.is_(None))


class Images:
    """The book of images in one transaction; see `kilonova.api.image.needs.ImageBook`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def tasks(self) -> ImageTasks:
        return ImageTasks(self._connection)

    def add(self, image: Image) -> None:
        """Raises Conflict when the id is, or was, another image's."""
        taken = self._connection.execute(_TAKEN, {"image_id": image.id}).first()
        if taken is not None:
            raise Conflict(f"Image ID {image.id} already exists!")
        self._connection.execute(_INSERT, row_of(image))
        self._write_lists(image)

    def get(self, image_id: str, viewer: Viewer) -> Image:
        """Raises NotFound, also when `viewer` may not see it."""
        row = self._connection.execute(_BY_ID, {"image_id": image_id}).one_or_none()
        if row is not None:
            image = self._whole([row])[0]
            shared = image.visibility is Visibility.SHARED and self._is_member(image_id, viewer.project_id)
            if visible(image, viewer, shared):
                return image
        raise NotFound(f"No image found with ID {image_id}")

    def find(self, wanted: ImageQuestion) -> Sequence[Image]:
        """Raises BadRequest when the marker is not there, or not to be seen."""
        if wanted.page.marker is not None:
            try:
                self.get(wanted.page.marker, wanted.viewer)
            except NotFound as missing:
                raise BadRequest(str(missing)) from None
        return self._whole(select_page(self._connection, images, wanted.where, wanted.page, image_query(wanted)))

    def replace(self, image: Image) -> None:
        """The record with this id becomes `image`. Raises NotFound when it is gone."""
        if self._connection.execute(_CHANGE, {"image_id": image.id, **row_of(image)}).rowcount == 0:
            raise NotFound(f"No image found with ID {image.id}")
        for table in (image_tags, image_properties):
            self._connection.execute(delete(table).where(table.c.image_id == image.id))
        self._write_lists(image)

    def remove(self, image_id: str, now: float) -> None:
        """With its members, tags and properties. None there is no error."""
        gone = {"deleted_at": now, "status": "deleted", "upload": None, "wanted_until": None}
        self._connection.execute(_CHANGE, {"image_id": image_id, **gone})
        for table in (image_members, image_tags, image_properties):
            self._connection.execute(delete(table).where(table.c.image_id == image_id))

    def in_status(self, statuses: Collection[ImageStatus]) -> Sequence[Image]:
        """Everybody's."""
        wanted = [status.value for status in statuses]
        query = select(images).where(images.c.deleted_at.is_(None), images.c.status.in_(wanted))
        return self._whole(self._connection.execute(query).all())

    def begin_snapshot(self, snapshot: Snapshot, now: float) -> ImageId:
        """A queued image that waits for a host to send it; its id. Raises TooLarge for more properties than an image may have."""
        image = snapshot_image(snapshot, self._or_none(snapshot.base_image_id), now)
        self.add(image)
        return image.id

    def fail_snapshot(self, image_id: str, now: float) -> bool:
        """It will get no bytes: its record goes, as Nova deletes the image of a snapshot that failed.

        False, and nothing is changed, when it has its bytes, or is gone; an upload that is still on its way then finds no image.
        """
        image = self._or_none(image_id)
        if image is None or image.content is not None:
            return False
        self.remove(image_id, now)
        return True

    def fail_snapshots_of(self, server_id: str, now: float) -> None:
        """The server goes: whatever image of it waits for its bytes gets none."""
        for image_id in self._connection.execute(_WAIT_OF_SERVER, {"server": server_id}).scalars().all():
            self.fail_snapshot(image_id, now)

    def rotate_backups(self, server_id: str, backup_type: str, rotation: int, now: float) -> None:
        """Only so many of the server's backups of this type stay, the newest. Their bytes go when control looks for orphans."""
        query = select(images.c.id).where(images.c.deleted_at.is_(None), images.c.status == ImageStatus.ACTIVE.value)
        for name, value in (("instance_uuid", server_id), ("backup_type", backup_type), ("image_type", "backup")):
            rows = select(image_properties.c.image_id).where(image_properties.c.name == name, image_properties.c.value == value)
            query = query.where(images.c.id.in_(rows))
        newest_first = query.order_by(images.c.created_at.desc(), images.c.id)
        for image_id in self._connection.execute(newest_first).scalars().all()[max(rotation, 0) :]:
            self.remove(image_id, now)

    def overdue_snapshots(self, now: float) -> Sequence[str]:
        """Ids of those whose time is over."""
        return self._connection.execute(_OVERDUE, {"now": now}).scalars().all()

    def with_content(self) -> set[str]:
        """Ids of all images whose bytes should be in the store."""
        query = select(images.c.id).where(images.c.deleted_at.is_(None), images.c.found_format.is_not(None))
        return set(self._connection.execute(query).scalars())

    def removed_since(self, time: float) -> set[str]:
        """Ids of images that went after this moment: their bytes may be on their way out."""
        return set(self._connection.execute(select(images.c.id).where(images.c.deleted_at > time)).scalars())

    def for_boot(self, image_id: str, viewer: Viewer) -> BootImage:
        """What a build's order carries. Raises NotFound, and BadRequest when it cannot be booted, with the reason."""
        return boot_image(self.get(image_id, viewer))

    def members(self, image_id: str) -> Sequence[Member]:
        """In the order in which they were added."""
        query = select(image_members).where(image_members.c.image_id == image_id)
        rows = self._connection.execute(query.order_by(image_members.c.created_at, image_members.c.member_id))
        return [member_of(row) for row in rows]

    def set_member(self, member: Member) -> None:
        """Add it, or give it its new status."""
        values = {"status": member.status.value, "updated_at": member.updated_at}
        key = {"image_id": member.image_id, "member_id": member.member_id}
        changed = self._connection.execute(update(image_members).filter_by(**key).values(values))
        if changed.rowcount == 0:
            self._connection.execute(insert(image_members), {**key, **values, "created_at": member.created_at})

    def remove_member(self, image_id: str, member_id: str) -> bool:
        """False when there was none."""
        gone = self._connection.execute(delete(image_members).filter_by(image_id=image_id, member_id=member_id))
        return gone.rowcount > 0

    def _or_none(self, image_id: str) -> Image | None:
        row = self._connection.execute(_BY_ID, {"image_id": image_id}).one_or_none() if image_id else None
        return None if row is None else self._whole([row])[0]

    def _is_member(self, image_id: str, project_id: str) -> bool:
        return self._connection.execute(_IS_MEMBER, {"image_id": image_id, "member_id": project_id}).first() is not None

    def _write_lists(self, image: Image) -> None:
        if image.tags:
            self._connection.execute(_INSERT_TAGS, [{"image_id": image.id, "tag": tag} for tag in sorted(set(image.tags))])
        if image.properties:
            rows = [{"image_id": image.id, "name": name, "value": value} for name, value in image.properties.items()]
            self._connection.execute(_INSERT_PROPERTIES, rows)

    def _whole(self, rows: Sequence[Any]) -> list[Image]:
        """Each row with its tags and properties: two queries, however many rows."""
        tags: dict[str, list[str]] = {row.id: [] for row in rows}
        properties: dict[str, dict[str, str]] = {row.id: {} for row in rows}
        if rows:
            for image_id, tag in self._connection.execute(_TAGS, {"ids": list(tags)}):
                tags[image_id].append(tag)
            for image_id, name, value in self._connection.execute(_PROPERTIES, {"ids": list(tags)}):
                properties[image_id][name] = value
        return [image_of(row, tags[row.id], properties[row.id]) for row in rows]
