"""Where faults on demand strike beside the steps of sagas: in the journal, the ledger and the bus.

What is given here is wrapped only where a fault is wanted; elsewhere it is what it was.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kilonova.bus.port import Delivery, Observer, Unobserved
from kilonova.nodes import attempts
from kilonova.nodes.attempts import Attempts
from kilonova.saga import journal
from kilonova.saga.faults import Faults, strike_around
from kilonova.saga.journal import Journal

if TYPE_CHECKING:
    from kilonova.ledger.ledger import Ledger

Result = TypeVar("Result")

ON_ITS_WAY_S = 0.02
"""After so long what was said to the broker has left this process."""


def on_journal(kept: Journal, faults: Faults) -> Journal:
    """``ROLE.journal.WRITE.before``, ``.after``."""
    if faults.possible:
        strike_around(kept, f"{faults.place}.journal", journal.WRITES, faults)
    return kept


def on_attempts(kept: Attempts, name: str, faults: Faults) -> Attempts:
    """``ROLE.NAME.WRITE.before``, ``.after``: what a network node notes of attempts, and a volume node of wishes."""
    if faults.possible:
        strike_around(kept, f"{faults.place}.{name}", attempts.WRITES, faults)
    return kept


def on_ledger(ledger: "Ledger", faults: Faults) -> "Ledger":
    """``control.write.NAME.before``: within the transaction, all but the commit is done; ``.after``: nobody has heard of it."""
    return StruckLedger(ledger, faults) if faults.possible else ledger


def on_bus(faults: Faults) -> Observer:
    """``ROLE.send.MESSAGE.before``, ``.after`` (for a queue, and the broker has it), ``ROLE.ack.MESSAGE.before``, ``.after``."""
    return StruckBus(faults) if faults.possible else Unobserved()


class StruckLedger:
    """A Ledger."""

    def __init__(self, ledger: "Ledger", faults: Faults) -> None:
        self._ledger, self._faults = ledger, faults

    @property
    def on_orders(self) -> Callable[[], None]:
        return self._ledger.on_orders

    @on_orders.setter
    def on_orders(self, hint: Callable[[], None]) -> None:
        self._ledger.on_orders = hint

    async def read(self, question: Callable[[Any], Result]) -> Result:
        return await self._ledger.read(question)

    async def write(self, change: Callable[[Any], Result]) -> Result:
        point = f"{self._faults.place}.write.{name_of(change)}"

        def struck(transaction: Any) -> Result:
            result = change(transaction)
            self._faults.strike(f"{point}.before")
            return result

        result = await self._ledger.write(struck)
        await self._faults.at(f"{point}.after")
        return result

    async def watch(self) -> None:
        await self._ledger.watch()

    async def close(self) -> None:
        await self._ledger.close()


class StruckBus(Unobserved):
    """An Observer."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def putting(self, kind: str, subject: str) -> int:
        await self._faults.at(f"{self._faults.place}.send.{kind}.before")
        return 1

    async def put(self, kind: str) -> None:
        await self._faults.at(f"{self._faults.place}.send.{kind}.after")

    async def finishing(self, delivery: Delivery) -> None:
        await self._faults.at(f"{self._faults.place}.ack.{delivery.kind}.before")

    async def finished(self, delivery: Delivery) -> None:
        await asyncio.sleep(ON_ITS_WAY_S)
        await self._faults.at(f"{self._faults.place}.ack.{delivery.kind}.after")


def name_of(change: Callable[..., Any]) -> str:
    """The function or method that the transaction is, or is written down in: ``Desk.order``, ``Sweeper.end``."""
    while isinstance(change, partial):
        change = change.func
    return ".".join(part.lstrip("_") for part in change.__qualname__.partition(".<locals>")[0].split("."))
