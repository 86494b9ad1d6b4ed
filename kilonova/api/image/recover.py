"""Images whose upload died are queued again, and bytes that no image claims are removed: after a crash, and now and then."""

import asyncio
import logging
import math
import time
from functools import partial

import msgspec

from kilonova.api.image.access import EVERYBODY
from kilonova.api.image.needs import ImageStore
from kilonova.api.world import Books, Ledger
from kilonova.errors import KilonovaError, NotFound
from kilonova.model.images import Image, ImageStatus

log = logging.getLogger(__name__)
TIDY_EVERY_S = 30.0
_GRACE_S = 60.0
_TAKING = (ImageStatus.SAVING, ImageStatus.UPLOADING, ImageStatus.IMPORTING)


async def recover(ledger: Ledger, store: ImageStore, began_before: float = math.inf) -> list[Image]:
    """Run at each start; uploads that live in other processes are left alone. Returns the images that were queued again.

    `began_before`: of younger uploads nothing is thought; an upload has its record a moment before it can be seen to live.
    """
    waiting = await ledger.read(lambda books: books.images.in_status(_TAKING))
    live = await store.live_uploads()
    dead = [
        image for image in waiting if image.upload is not None and image.upload not in live and image.updated_at < began_before
    ]
    for image in dead:
        if await ledger.write(partial(_queue_again, lost=image)):
            await store.remove(image.id)
    for image_id in await orphans(ledger, store):
        await store.remove(image_id)
    return dead


async def keep_tidy(ledger: Ledger, store: ImageStore, every_s: float = TIDY_EVERY_S) -> None:
    """Until cancelled: what another control left when it died, and the bytes of records that went without them."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await recover(ledger, store, time.time() - _GRACE_S)
        except (KilonovaError, OSError) as error:  # a disk that refuses, too: control would end with this
            log.warning("images: %s", error, extra={"action": "tidy_again"})


async def orphans(ledger: Ledger, store: ImageStore) -> set[str]:
    """Ids under which the store has bytes and the ledger no image: what a crash between the two left. For the audit."""
    found = await store.inventory()
    claimed, busy = await ledger.read(lambda books: (books.images.with_content(), books.images.in_status(_TAKING)))
    return found - claimed - {image.id for image in busy}


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
