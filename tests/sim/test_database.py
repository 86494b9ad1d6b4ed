"""The ledger without a thread: one change at a time, all of it or nothing, and as it was after `restore`."""

import asyncio
from typing import Any

import pytest

from kilonova.errors import Conflict, Unavailable
from kilonova.ledger.transaction import Transaction
from kilonova.sim.database import InlineLedger
from kilonova.sim.stage import Stage, play
from kilonova.sim.virtual import VirtualLoop


class Quiet:
    """No trouble but what is asked for."""

    def __init__(self) -> None:
        self.unheard = False

    async def before_read(self) -> None: ...

    async def before_write(self) -> None: ...

    async def written(self) -> None:
        if self.unheard:
            raise Unavailable("The database does not answer.")


def heard(name: str) -> Any:
    return lambda tx: tx.hosts.heard_of(name, "network", 1.0)


def names(tx: Transaction) -> list[str]:
    return [name for name, role in tx.hosts.nodes() if role == "network"]


def test_a_change_is_whole_or_it_is_not_there(stage: Stage) -> None:
    async def story() -> None:
        quiet = Quiet()
        ledger = InlineLedger(stage.database, quiet)
        before = await ledger.read(names)

        def half(tx: Transaction) -> None:
            heard("half")(tx)
            raise Conflict("It goes no further.")

        with pytest.raises(Conflict):
            await ledger.write(half)
        assert await ledger.read(names) == before
        await ledger.write(heard("whole"))
        quiet.unheard = True
        with pytest.raises(Unavailable):
            await ledger.write(heard("unheard"))
        assert sorted(await ledger.read(names)) == sorted([*before, "whole", "unheard"])

    stage.database.restore()
    before = stage.database.lines()
    play(VirtualLoop(), "seed", story())
    assert stage.database.lines() != before
    stage.database.restore()
    assert stage.database.lines() == before


def test_what_was_ordered_is_told_after_the_commit(stage: Stage) -> None:
    told: list[str] = []

    async def story() -> None:
        ledger = InlineLedger(stage.database, Quiet())
        ledger.on_orders = lambda: told.append("ordered")

        def order(tx: Transaction) -> None:
            tx.orders.announce("instance.create.start", "server", {})
            assert told == []

        await ledger.write(order)
        await asyncio.sleep(0)
        assert told == ["ordered"]

    stage.database.restore()
    play(VirtualLoop(), "seed", story())
    stage.database.restore()
