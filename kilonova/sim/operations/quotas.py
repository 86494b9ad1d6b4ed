"""Quotas: changed while they are used, and raced for."""

import asyncio

from kilonova.sim.operations.scene import Turn
from kilonova.sim.operations.servers import order, plain


async def change(turn: Turn) -> None:
    """An admin gives the tenant more, or less than it has: that takes force."""
    limits = turn.rng.choice(({"instances": 2}, {"instances": 5, "cores": 6}, {"instances": 500, "cores": -1, "ram": -1}))
    path = f"/compute/v2.1/os-quota-sets/{turn.tenant.project_id}"
    force = turn.rng.random() < 0.5
    allowed = (200,) if force else (200, 400)
    await turn.ask("PUT", path, {"quota_set": {**limits, "force": force}}, allowed=allowed, admin=True)


async def race(turn: Turn) -> None:
    """Many creates at the same moment, for the last places there are."""
    count = turn.rng.randint(3, 8)
    turns = [turn.again(f"{turn.name}-{number}") for number in range(count)]
    await asyncio.gather(*(order(one, plain(one, networks="none")) for one in turns))
