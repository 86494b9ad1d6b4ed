"""The part of an audit that is about the bytes of images: whether they are there, whole, and somebody's. On control."""

from typing import Protocol

from kilonova.ledger.ledger import Ledger
from kilonova.lifecycle.audit.finding import Finding
from kilonova.model.images import ImageStatus

TAKING = (ImageStatus.SAVING, ImageStatus.UPLOADING, ImageStatus.IMPORTING)
YOUNG_S = 60.0
"""An upload has its record a moment before it can be seen to live: of so young a one nothing is thought."""


class Bytes(Protocol):
    """The image store, as far as an audit needs it."""

    async def inventory(self) -> set[str]: ...

    async def live_uploads(self) -> set[str]: ...


class ImageAudit:
    """`store` is where the bytes are."""

    def __init__(self, store: Bytes) -> None:
        self.store = store

    async def look(self, ledger: Ledger, now: float) -> list[Finding]:
        """Everything that does not fit."""
        there = await self.store.inventory()
        claimed, busy, going = await ledger.read(
            lambda tx: (tx.images.with_content(), tx.images.in_status(TAKING), tx.images.removed_since(now - YOUNG_S))
        )
        later = await self.store.inventory() if claimed - there else there  # one that came between the two
        found = [_missing(image_id) for image_id in claimed - there - later]
        found += [_orphan(image_id) for image_id in there - claimed - going - {image.id for image in busy}]
        old = [image for image in busy if image.upload is not None and image.updated_at < now - YOUNG_S]
        live = await self.store.live_uploads() if old else set()
        found += [_dead(image.id) for image in old if image.upload not in live]
        return found


def _missing(image_id: str) -> Finding:
    return Finding(kind="image without bytes", about=image_id, text="its record says that they are there, and they are not")


def _orphan(image_id: str) -> Finding:
    return Finding(kind="bytes without image", about=image_id, text="no image says that they are its own")


def _dead(image_id: str) -> Finding:
    return Finding(kind="upload of nobody", about=image_id, text="its bytes are said to be on their way, and nobody sends them")
