"""Message classes for the tests of the bus, and a note of what came."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from kilonova.bus.port import Delivery


class Order(Struct, frozen=True, kw_only=True):
    server: str
    attempt: int = 1


class Wanted(Struct, frozen=True, kw_only=True):
    server: str


class Given(Struct, frozen=True, kw_only=True):
    server: str
    tap: str


class Report(Struct, frozen=True, kw_only=True):
    server: str


class Confirmed(Struct, frozen=True, kw_only=True):
    server: str


class Notes:
    """Handlers write here; tests wait for it."""

    def __init__(self) -> None:
        self.came: list[tuple[Struct, Delivery]] = []
        self._changed = asyncio.Event()

    async def note(self, message: Struct, delivery: Delivery) -> None:
        self.came.append((message, delivery))
        self._changed.set()

    @property
    def messages(self) -> list[Struct]:
        return [message for message, _ in self.came]

    async def until(self, count: int, timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            while len(self.came) < count:
                self._changed.clear()
                await self._changed.wait()


async def until(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def fails_first(times: int, then: Callable[[Struct, Delivery], Awaitable[None]]) -> Callable[[Struct, Delivery], Awaitable[None]]:
    left = times

    async def handler(message: Struct, delivery: Delivery) -> None:
        nonlocal left
        if left:
            left -= 1
            raise RuntimeError("asked to fail")
        await then(message, delivery)

    return handler
