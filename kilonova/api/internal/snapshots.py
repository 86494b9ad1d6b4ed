"""A host sends the bytes of a snapshot: with a ticket for exactly this image, inspected and bounded like any upload."""

import logging

import msgspec

from kilonova.api.call import Answer, Call, Handler
from kilonova.api.image.access import EVERYBODY
from kilonova.api.image.receive import Begin, Delivery, check_octets, receive
from kilonova.api.internal.tickets import Tickets
from kilonova.api.world import Books
from kilonova.errors import Conflict, Unavailable
from kilonova.model.images import Image, ImageStatus

log = logging.getLogger(__name__)


def receive_handler(tickets: Tickets) -> Handler:
    """PUT /internal/images/{image_id}"""

    async def take(call: Call) -> Answer:
        """The image is active afterwards. It may be sent again after a failure; bytes that are there already are not replaced."""
        image_id, world = call.path["image_id"], call.world
        host = tickets.check_write(call.headers.get("x-kilonova-ticket", ""), image_id, world.now())
        check_octets(call)
        image = await world.ledger.read(lambda books: books.images.get(image_id, EVERYBODY))
        if image.content is not None:
            async for _ in call.stream_body():
                pass  # a node that did not hear the answer sends all of it again
            return Answer(204)
        begin = _begin(image_id, await world.images.live_uploads())
        stream = call.stream_body()
        await receive(
            world,
            Delivery(image_id=image_id, begin=begin, after=ImageStatus.ACTIVE, stream=stream, announced=call.content_length),
        )
        log.info("snapshot received", extra={"action": "snapshot_received", "image": image_id, "host": host})
        return Answer(204)

    return take


def _begin(image_id: str, live: set[str]) -> Begin:
    def begin(books: Books) -> Image:
        image = books.images.get(image_id, EVERYBODY)
        if image.status is ImageStatus.SAVING and image.upload in live:
            raise Unavailable("This image is being received already.")
        if image.wanted_until is None or image.status not in (ImageStatus.QUEUED, ImageStatus.SAVING):
            raise Conflict(f"Image {image_id} does not wait for a snapshot.")
        return msgspec.structs.replace(image, status=ImageStatus.SAVING)

    return begin
