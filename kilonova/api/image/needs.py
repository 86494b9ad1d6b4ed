"""What the image API asks of the ledger and of the place where image data is kept."""

from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import Protocol

from kilonova.model.image import BootImage
from kilonova.model.image_tasks import ImageTask, TaskQuestion, TaskStatus
from kilonova.model.images import Image, ImageQuestion, ImageStatus, Member, Viewer


class TaskBook(Protocol):
    """What imports did. A task is kept for two days after its end."""

    def add(self, task: ImageTask) -> None: ...

    def end(self, task_id: str, status: TaskStatus, message: str, now: float) -> None:
        """It is over. One that is over already, or gone, stays as it is."""
        ...

    def end_of_image(self, image_id: str, message: str, now: float) -> None:
        """Whatever was at work on this image has died."""
        ...

    def get(self, task_id: str, now: float) -> ImageTask:
        """Raises NotFound."""
        ...

    def of_image(self, image_id: str, now: float) -> Sequence[ImageTask]:
        """The oldest first."""
        ...

    def find(self, wanted: TaskQuestion) -> Sequence[ImageTask]:
        """Raises BadRequest for an unknown marker."""
        ...


class ImageBook(Protocol):
    """The images' records. An image that `viewer` may not see is NotFound."""

    @property
    def tasks(self) -> TaskBook: ...

    def add(self, image: Image) -> None:
        """Raises Conflict when the id is taken."""
        ...

    def get(self, image_id: str, viewer: Viewer) -> Image: ...

    def find(self, wanted: ImageQuestion) -> Sequence[Image]:
        """Raises BadRequest for an unknown marker or sort key."""
        ...

    def replace(self, image: Image) -> None:
        """The record with this id becomes `image`. Raises NotFound when it is gone."""
        ...

    def fail_snapshot(self, image_id: str, now: float) -> bool:
        """An image that waits for a node to send it goes; False when it has its bytes, or is gone."""
        ...

    def remove(self, image_id: str, now: float) -> None:
        """With its members; its id is not given out again. None there is no error."""
        ...

    def in_status(self, statuses: Collection[ImageStatus]) -> Sequence[Image]:
        """Everybody's."""
        ...

    def with_content(self) -> set[str]:
        """Ids of all images whose bytes should be in the store; others' bytes there belong to nobody."""
        ...

    def for_boot(self, image_id: str, viewer: Viewer) -> BootImage:
        """Raises NotFound, and BadRequest when it cannot be booted, with the reason."""
        ...

    def members(self, image_id: str) -> Sequence[Member]: ...

    def set_member(self, member: Member) -> None:
        """Add it, or give it its new status."""
        ...

    def remove_member(self, image_id: str, member_id: str) -> bool:
        """False when there was none."""
        ...


class Incoming(Protocol):
    """Bytes that are being received, under a name of their own. Each call waits for the disk: make it in a thread."""

    def write(self, data: bytes) -> None:
        """Raises TooLarge when the disk is full, Unavailable when it fails."""
        ...

    def keep(self, image_id: str) -> None:
        """Safely on the disk from now on, as the data of this image. Raises like `write`."""
        ...

    def close(self) -> None:
        """Always the last call: what was not kept is gone, and the upload is no longer a live one."""
        ...


class ImageStore(Protocol):
    """The data of all images, by image id."""

    @property
    def within_s(self) -> float:
        """Seconds that one upload may take at most."""
        ...

    @property
    def largest(self) -> int:
        """Bytes that one image may have at most."""
        ...

    async def receive(self, upload: str) -> Incoming:
        """Begin an upload; its bytes vanish with this process unless kept. Raises Unavailable."""
        ...

    async def path(self, image_id: str) -> Path:
        """A file to read the whole image from. Raises NotFound."""
        ...

    async def size(self, image_id: str) -> int:
        """In bytes. Raises NotFound."""
        ...

    def read(self, image_id: str, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes in pieces; the file stays readable to its end when the image is deleted meanwhile. Raises NotFound."""
        ...

    async def remove(self, image_id: str) -> None:
        """None there is no error."""
        ...

    async def inventory(self) -> set[str]:
        """Ids of all images that have data here."""
        ...

    async def live_uploads(self) -> set[str]:
        """Names of the uploads that some process is receiving now; what dead ones left is removed."""
        ...


class WebSource(Protocol):
    """The web, as far as images may come from it: never from an address inside."""

    def check(self, uri: str) -> None:
        """Raises BadRequest for what is not even tried; asks nobody."""
        ...

    def fetch(self, uri: str) -> AsyncIterator[bytes]:
        """The bytes. Raises BadRequest (refused), TooLarge, or Unavailable when the other side does not deliver."""
        ...
