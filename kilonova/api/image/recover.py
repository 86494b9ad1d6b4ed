"""After a crash: images whose upload died are queued again, and bytes that no image claims are removed."""

import time
from functools import partial

import msgspec

from kilonova.api.image.access import EVERYBODY
from kilonova.api.image.needs import ImageStore
from kilonova.api.world import Books, Ledger
from kilonova.errors import NotFound
from kilonova.model.images import Image, ImageStatus

_TAKING = (ImageStatus.SAVING, ImageStatus.UPLOADING, ImageStatus.IMPORTING)


async def recover(ledger: Ledger, store: ImageStore) -> list[Image]:
    """Run at each start; uploads that live in other processes are left alone. Returns the images that were queued again."""
    waiting = await ledger.read(lambda books: books.images.in_status(_TAKING))
    live = await store.live_uploads()
    dead = [image for image in waiting if image.upload is not None and image.upload not in live]
    for image in dead:
        if await ledger.write(partial(_queue_again, lost=image)):
            await store.remove(image.id)
    for image_id in await orphans(ledger, store):
        await store.remove(image_id)
    return dead


async def orphans(ledger: Ledger, store: ImageStore) -> set[str]:
    """Ids under which the store has bytes and the ledger no image: what a crash between the two left. For the audit."""
    found = await store.inventory()
    unclaimed = found - await ledger.read(lambda books: books.images.with_content())
    busy = await ledger.read(lambda books: books.images.in_status(_TAKING))
    return unclaimed - {image.id for image in busy}


def _queue_again(books: Books, lost: Image) -> bool:
    try:
        image = books.images.get(lost.id, EVERYBODY)
    except NotFound:
        return True
    if image.upload != lost.upload:
        return False
    books.images.replace(msgspec.structs.replace(image, status=ImageStatus.QUEUED, upload=None))
    books.images.tasks.end_of_image(image.id, "The import was interrupted.", time.time())
    return True
