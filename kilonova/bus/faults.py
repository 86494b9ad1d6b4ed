"""Faults on demand: an observer that loses, repeats or delays messages of a kind, and counts that it did.

For tests, chaos runs and the simulator. A test asserts `fired`, so that a fault that never happened cannot pass for one that was
survived. It knows messages only by the name of their class.
"""

import asyncio
from collections import Counter
from typing import Literal

from msgspec import Struct

from kilonova.bus.port import Delivery, Unobserved

Fault = Literal["lose", "repeat", "delay"]


class _Order(Struct):
    fault: Fault
    kind: str
    on_arrival: bool
    times: int
    seconds: float


class Faults(Unobserved):
    """Does nothing until told to."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self.fired: Counter[tuple[Fault, str]] = Counter()
        """(fault, kind) → how often it happened."""
        self.seen: Counter[str] = Counter()
        """kind → how many messages were handled here."""

    def lose(self, kind: str, times: int = 1, *, on_arrival: bool = False) -> None:
        """The next `times` messages of this class's name vanish: before the broker, or `on_arrival` before the handler."""
        self._orders.append(_Order("lose", kind, on_arrival, times, 0))

    def repeat(self, kind: str, times: int = 1, *, on_arrival: bool = False) -> None:
        """They go out, or arrive, twice."""
        self._orders.append(_Order("repeat", kind, on_arrival, times, 0))

    def delay(self, kind: str, seconds: float, times: int = 1, *, on_arrival: bool = False) -> None:
        """They take longer."""
        self._orders.append(_Order("delay", kind, on_arrival, times, seconds))

    async def putting(self, kind: str, subject: str) -> int:
        return await self._apply(kind, on_arrival=False)

    async def taking(self, delivery: Delivery) -> int:
        self.seen[delivery.kind] += 1
        return await self._apply(delivery.kind, on_arrival=True)

    async def _apply(self, kind: str, *, on_arrival: bool) -> int:
        for order in self._orders:
            if order.kind == kind and order.on_arrival == on_arrival:
                order.times -= 1
                if order.times <= 0:
                    self._orders.remove(order)
                self.fired[order.fault, kind] += 1
                await asyncio.sleep(order.seconds)
                return {"lose": 0, "repeat": 2, "delay": 1}[order.fault]
        return 1
