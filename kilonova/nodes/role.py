"""How a role's process lives: everything it does runs side by side until it is told to stop, or one of it fails."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

ENDING_S = 15.0
"""How long what was cancelled may take to put its things away."""


async def serve_until_told(*work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` until SIGTERM or SIGINT; raises what any of it raises, and none of it may simply end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(one) for one in work]
    told = asyncio.create_task(_until(stop))
    try:
        await asyncio.wait([told, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
                raise RuntimeError("a part of the role ended by itself")
    finally:
        for task in (told, *tasks):
            task.cancel()
        await asyncio.wait([told, *tasks], timeout=ENDING_S)


def together(*hints: Callable[[], None]) -> Callable[[], None]:
    """One hint that wakes all of them."""

    def hint() -> None:
        for one in hints:
            one()

    return hint


async def _until(event: asyncio.Event) -> None:
    await event.wait()
