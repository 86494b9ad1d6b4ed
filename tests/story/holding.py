"""A saga is held before one of its steps, for a while or for ever; and waiting for what is then seen."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from kilonova.bus.port import Delivery
from kilonova.sim import SimulatedCloud
from kilonova.sim.faults import Moment

Answer = TypeVar("Answer")
AGAIN = Delivery(kind="", subject="", queue_wait_s=0.0)


class Hold:
    """Holds a saga up at a step until it is `released`; `moments` are those who came there."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.released = asyncio.Event()

    async def __call__(self, moment: Moment) -> None:
        self.moments.append(moment)
        await self.released.wait()

    async def reached(self) -> bool:
        return bool(self.moments)


def before(cloud: SimulatedCloud, step: str) -> int:
    """How often the step was begun."""
    return cloud.steps.seen.count(("before", step))


async def held(cloud: SimulatedCloud, step: str, asked: Coroutine[Any, Any, Answer]) -> tuple[Hold, Answer]:
    """Somebody asks, and the saga stands before this step."""
    hold = Hold()
    cloud.steps.at("before", step, hold)
    answer = await asked
    await cloud.until(hold.reached, f"{step} to begin")
    return hold, answer


async def stays(moment: Moment) -> None:
    """For `StepFaults.at`: the step does not begin, until somebody ends it."""
    await asyncio.Event().wait()


async def on_its_own(asked: list[asyncio.Task[Answer]], request: Coroutine[Any, Any, Answer]) -> None:
    """A client asks from within a step, and waits there; it hears its answer also when what it asks for stops that very step."""
    asked.append(asyncio.create_task(request))
    await asyncio.shield(asked[-1])


def dies_for_good(cloud: SimulatedCloud) -> Callable[[Moment], Coroutine[Any, Any, None]]:
    """For `StepFaults.at`: the node's process ends here, and nobody starts another."""

    async def die(moment: Moment) -> None:
        cloud.computes[moment.record.node].cut()
        await stays(moment)

    return die


async def until(cloud: SimulatedCloud, true: Callable[[], object], what: str) -> None:
    """Until it is true, where nobody has to be asked."""

    async def answer() -> bool:
        return bool(true())

    await cloud.until(answer, what)


async def a_while() -> None:
    """Long enough for whatever would begin at once, also where a thread has a hand in it."""
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        await asyncio.to_thread(time.sleep, 0.01)  # the real clock goes on, and nobody is kept from working meanwhile
        await asyncio.sleep(0.5)
