"""Images that go while servers are made of them."""

import asyncio

from kilonova.sim.operations.scene import Turn
from kilonova.sim.operations.servers import order, plain

IMAGES = "/image/v2/images"


async def delete(turn: Turn) -> None:
    """One that a server's snapshot has made; what is made of it at this moment may end either way."""
    image = turn.one("image")
    if image is None:
        return
    gone = turn.remove(image, f"{IMAGES}/{image.id}", (204, 403, 404, 409))
    if turn.rng.random() < 0.5:
        await asyncio.gather(order(turn, plain(turn, imageRef=image.id), also=(400, 409)), gone)
    else:
        await gone
