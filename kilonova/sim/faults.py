"""What can be made to fail in a simulated cloud: steps, messages and drivers. Each counts what it did.

A test asserts `fired`, so that a fault that never happened cannot pass for one that was survived.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

from kilonova.bus.faults import Faults
from kilonova.bus.port import Delivery
from kilonova.errors import BuildFailed
from kilonova.model.ids import ServerId

When = Literal["before", "after", "undone"]


class Moment(Struct, frozen=True):
    """Where a saga stands when it is interfered with. `key` is its name in the journal."""

    when: When
    step: str
    key: str
    record: Any


Do = Callable[[Moment], Awaitable[None]]


class StepFaults:
    """A Watch (see saga/run.py). What is asked for happens at the named step, `times` times."""

    def __init__(self) -> None:
        self._orders: list[tuple[When, str, Do]] = []
        self._records: dict[tuple[str, str], Any] = {}
        self.fired: Counter[tuple[When, str]] = Counter()
        self.seen: list[tuple[When, str]] = []
        """Every hop, in order."""

    def forget(self) -> None:
        """As if nothing had been asked for, and nothing had happened."""
        self._orders.clear()
        self._records.clear()
        self.fired.clear()
        self.seen.clear()

    def at(self, when: When, step: str, do: Do, times: int = 1) -> None:
        self._orders += [(when, step, do)] * times

    async def before(self, key: str, step: str, record: Any) -> None:
        await self._come(Moment("before", step, key, record))

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        if error is None:
            await self._come(Moment("after", step, key, record))

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        if error is None:
            await self._come(Moment("undone", step, key, self._records.get((key, step))))

    def notes(self, key: str) -> bytes:
        return b""

    async def _come(self, moment: Moment) -> None:
        self.seen.append((moment.when, moment.step))
        if moment.when != "undone":
            self._records[moment.key, moment.step] = moment.record
        for order in self._orders:
            if order[:2] == (moment.when, moment.step):
                self._orders.remove(order)
                self.fired[moment.when, moment.step] += 1
                await order[2](moment)
                return


async def fail(moment: Moment) -> None:
    """For `StepFaults.at`: the step fails before it begins."""
    raise BuildFailed(f"The step {moment.step} was made to fail.")


class DriverFaults:
    """For the simulated drivers: the next `times` calls at a point fail."""

    def __init__(self) -> None:
        self._orders: Counter[str] = Counter()
        self.fired: Counter[str] = Counter()

    def forget(self) -> None:
        """As if nothing had been asked for, and nothing had happened."""
        self._orders.clear()
        self.fired.clear()

    def fail(self, point: str, times: int = 1) -> None:
        """`point`: ``disks.assemble``, ``hypervisor.start``, ``network.wire``, …"""
        self._orders[point] += times

    def before(self, point: str, server_id: ServerId) -> None:
        if self._orders[point] > 0:
            self._orders[point] -= 1
            self.fired[point] += 1
            raise BuildFailed("The hardware was made to fail.")


class MessageFaults(Faults):
    """The bus's faults, and `strike`: something else that happens when a message passes."""

    def __init__(self) -> None:
        super().__init__()
        self._strikes: list[tuple[str, bool, Callable[[], Awaitable[None]]]] = []
        self.struck: Counter[str] = Counter()

    def forget(self) -> None:
        """As if nothing had been asked for, and nothing had happened."""
        self._orders.clear()
        self._strikes.clear()
        for counter in (self.fired, self.seen, self.struck):
            counter.clear()

    def strike(self, kind: str, do: Callable[[], Awaitable[None]], *, on_arrival: bool = False) -> None:
        """`do` once, before the next message of this class's name goes out, or `on_arrival` before it is handled."""
        self._strikes.append((kind, on_arrival, do))

    async def putting(self, kind: str, subject: str) -> int:
        await self._strike(kind, on_arrival=False)
        return await super().putting(kind, subject)

    async def taking(self, delivery: Delivery) -> int:
        await self._strike(delivery.kind, on_arrival=True)
        return await super().taking(delivery)

    async def _strike(self, kind: str, *, on_arrival: bool) -> None:
        for order in self._strikes:
            if order[:2] == (kind, on_arrival):
                self._strikes.remove(order)
                self.struck[kind] += 1
                await order[2]()
                return
