"""Time is a number, chance is a seed, and the world is as it was afterwards."""

import asyncio
import os
import random
import secrets
import time
import uuid

import pytest
from sqlalchemy import literal, select

from kilonova.model.ids import new_uuid
from kilonova.sim.stage import play
from kilonova.sim.virtual import EPOCH, RunsWild, VirtualLoop


def test_an_hour_passes_at_once_and_everybody_wakes_in_order() -> None:
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append(name)

    async def story() -> float:
        began = time.time()
        await asyncio.gather(sleeper("c", 3600), sleeper("a", 1), sleeper("b", 1), sleeper("first", 0))
        return time.time() - began

    began = time.monotonic()
    assert 3600 <= play(VirtualLoop(), "seed", story()) < 3601
    assert time.monotonic() - began < 60
    assert woken == ["first", "a", "b", "c"]


def test_all_clocks_tell_the_loops_time_and_threads_are_none() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        assert time.time() == EPOCH + loop.time()
        assert time.monotonic() == time.perf_counter() == loop.time()
        assert await asyncio.to_thread(time.monotonic) == pytest.approx(loop.time(), abs=0.01)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)

    play(VirtualLoop(), "seed", story())


async def draws() -> list[object]:
    return [new_uuid(), uuid.uuid4(), os.urandom(8), secrets.token_hex(4), secrets.choice("abcdef"), random.random()]


def test_the_same_seed_draws_the_same_and_another_something_else() -> None:
    one = play(VirtualLoop(), "one", draws())
    assert play(VirtualLoop(), "one", draws()) == one
    other = play(VirtualLoop(), "two", draws())
    assert all(mine != theirs for number, (mine, theirs) in enumerate(zip(one, other, strict=True)) if number != 4)


def test_the_world_is_as_it_was_afterwards() -> None:
    before = (time.time, time.monotonic, time.perf_counter, os.urandom, uuid.uuid4, random.getstate())
    with pytest.raises(KeyError):
        play(VirtualLoop(), "seed", _fails())
    assert (time.time, time.monotonic, time.perf_counter, os.urandom, uuid.uuid4, random.getstate()) == before
    assert len({secrets.token_hex(8) for _ in range(10)}) == 10


async def _fails() -> None:
    random.random()
    raise KeyError("on purpose")


def test_what_never_comes_and_what_never_ends_is_noticed() -> None:
    async def for_ever() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RunsWild):
        play(VirtualLoop(), "seed", asyncio.wait_for(asyncio.Event().wait(), None))
    with pytest.raises(RunsWild):
        play(VirtualLoop(most_turns=1000), "seed", for_ever())


def test_names_of_subqueries_take_nothing_from_the_seed() -> None:
    """They are made up only when a statement is new to its process: seed 50143 told another story when it was the first."""

    async def story(statements: int) -> str:
        for _ in range(statements):
            select(literal(1)).subquery()
        return new_uuid()

    assert play(VirtualLoop(), "seed", story(2)) == play(VirtualLoop(), "seed", story(0))
