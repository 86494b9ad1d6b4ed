"""A role can be cut off, or stopped for a while, between any two awaits; and nothing else is."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from kilonova.sim.process import Process, gated
from kilonova.sim.stage import play
from kilonova.sim.virtual import EPOCH, VirtualLoop


def started(process: Process, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(work, context=process.context.copy())


async def count(said: list[str], upto: int) -> None:
    try:
        for number in range(upto):
            said.append(str(number))
            await asyncio.sleep(1)
    finally:
        said.append("end")


def test_it_is_struck_at_each_of_its_resumptions_and_nothing_of_it_goes_on() -> None:
    """Not even what it would tidy up: a process that is killed does not."""
    for strike_at in range(1, 5):
        said: list[str] = []

        async def story(strike_at: int = strike_at, said: list[str] = said) -> None:
            process = Process("one")
            process.strike_at, process.on_strike = strike_at, Process.kill
            task = started(process, count(said, 3))
            await asyncio.sleep(10)
            assert not task.done()
            task.cancel()
            await asyncio.wait([task])
            assert said == [str(number) for number in range(strike_at - 1)]
            process.bury()

        play(VirtualLoop(), "seed", story())


def test_what_it_has_started_goes_with_it_and_others_go_on() -> None:
    said: dict[str, list[str]] = {"child": [], "other": []}

    async def story() -> None:
        process, other = Process("one"), Process("other")

        async def parent() -> None:
            asyncio.create_task(count(said["child"], 9))  # noqa: RUF006 - it is never to end
            await asyncio.sleep(100)

        started(process, parent())
        started(other, count(said["other"], 3))
        await asyncio.sleep(1.5)
        process.kill()
        await asyncio.sleep(20)
        assert said == {"child": ["0", "1"], "other": ["0", "1", "2", "end"]}

    play(VirtualLoop(), "seed", story())


def test_one_that_stands_still_goes_on_where_it_was() -> None:
    said: list[str] = []

    async def story() -> None:
        process = Process("one")
        task = started(process, count(said, 3))
        await asyncio.sleep(0.5)
        process.freeze()
        await asyncio.sleep(30)
        assert said == ["0"]
        process.thaw()
        await task
        assert said == ["0", "1", "2", "end"]

    play(VirtualLoop(), "seed", story())


def test_a_time_limit_that_passes_while_it_stands_still_is_noticed_when_it_goes_on() -> None:
    noticed: list[float] = []

    async def story() -> None:
        loop, process = asyncio.get_running_loop(), Process("one")

        async def wait() -> None:
            try:
                async with asyncio.timeout(5):
                    await asyncio.Event().wait()
            except TimeoutError:
                noticed.append(loop.time())

        task = started(process, wait())
        await asyncio.sleep(1)
        process.freeze()
        await asyncio.sleep(20)
        assert noticed == []
        process.thaw()
        await task
        assert 21 <= noticed[0] < 22

    play(VirtualLoop(), "seed", story())


def test_who_has_called_it_loses_the_connection() -> None:
    async def story() -> None:
        process = Process("one")
        caller = asyncio.ensure_future(process.serve(asyncio.sleep(5, "done"), 60))
        await asyncio.sleep(1)
        process.kill()
        with pytest.raises(ConnectionResetError):
            await caller
        with pytest.raises(ConnectionRefusedError):
            await process.serve(asyncio.sleep(5), 60)
        slow = Process("slow")
        with pytest.raises(TimeoutError):
            await slow.serve(asyncio.sleep(90), 60)
        assert await slow.serve(asyncio.sleep(5, "done"), 60) == "done"

    play(VirtualLoop(), "seed", story())


def test_its_clock_may_be_wrong_and_only_its_own() -> None:
    async def story() -> None:
        async def tell() -> float:
            return time.time()

        fast, right = Process("fast", 2.5), Process("right")
        times = [await started(process, tell()) - asyncio.get_running_loop().time() - EPOCH for process in (fast, right)]
        assert [round(one, 2) for one in times] == [2.5, 0.0]

    play(VirtualLoop(), "seed", story())


def test_without_gates_a_process_is_only_a_name() -> None:
    said: list[str] = []

    async def story() -> None:
        process = Process("one")
        task = started(process, count(said, 1))
        process.kill()
        await task

    asyncio.run(story())
    assert said == ["0", "end"]
    assert gated.__doc__
