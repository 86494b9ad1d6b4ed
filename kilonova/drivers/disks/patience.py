"""Tries again what control did not answer: a control that is started anew must cost no build its image, no snapshot its bytes."""

import asyncio
from collections.abc import Awaitable, Callable

from kilonova.errors import Unavailable

PATIENCE_S = 60.0
PAUSE_S = 0.5


async def patiently(attempt: Callable[[], Awaitable[None]], patience_s: float) -> None:
    """`attempt` again while it raises Unavailable, for `patience_s` seconds; then what it raised last is raised."""
    clock = asyncio.get_running_loop()
    until = clock.time() + patience_s
    while True:
        try:
            return await attempt()
        except Unavailable:
            if clock.time() + PAUSE_S > until:
                raise
        await asyncio.sleep(PAUSE_S)
