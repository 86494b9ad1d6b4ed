"""What many simulations of one process share: an empty, furnished cloud, made once, to which each of them returns.

Made in virtual time and of one fixed seed, so it is the same in every process.
"""

import asyncio
import gc
import random
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kilonova.ledger.schema import metadata
from kilonova.sim.chronicle import Chronicle
from kilonova.sim.database import Database, InlineLedger
from kilonova.sim.folder import furnish_ledger
from kilonova.sim.nemesis import DatabaseTrouble, Nemesis
from kilonova.sim.operations.promise import Tenant
from kilonova.sim.plan import Plan
from kilonova.sim.process import gated
from kilonova.sim.reception import Reception
from kilonova.sim.roles import Terms
from kilonova.sim.seeded import Furnishing, SeededCloud
from kilonova.sim.virtual import VirtualLoop, made_up
from kilonova.sim.workload import settle_tenants

Result = TypeVar("Result")

TENANTS = 4
BEGINS_S = 100.0
"""Loop time at which every simulation begins: after everything on the stage was made."""
LAST_TURNS = 100_000
"""Of a loop, for what is left to come to its end."""
IN_MEMORY = Path("/dev/shm")


class Stage:
    """``with Stage() as stage``: `furnishing` and `tenants` are what is in `database`; `folder()` is for a cloud that begins."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="kilonova-sim-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self._template = self._root / "template"
        self.database = Database()
        metadata.create_all(self.database.connection)
        self.furnishing, self.tenants = play(VirtualLoop(), "stage", self._furnish())
        self.database.keep()
        gc.collect()
        gc.freeze()  # what is there now stays, and need not be looked at after each simulation

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Its folder goes."""
        self.database.close()
        shutil.rmtree(self._root)

    def folder(self) -> Path:
        """As new; the one before is gone."""
        folder = self._root / "cloud"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._template, folder)
        return folder

    async def _furnish(self) -> tuple[Furnishing, Sequence[Tenant]]:
        nemesis = Nemesis(Plan(kinds={}), random.Random(0), Chronicle())
        self._template.mkdir()
        furnished = await furnish_ledger(self._template, InlineLedger(self.database, DatabaseTrouble(nemesis)))
        scratch = self._root / "first"
        shutil.copytree(self._template, scratch)
        furnishing = Furnishing(furnished, self.database, Reception())
        async with SeededCloud(scratch, furnishing, nemesis, hosts=1, nodes=1, terms=Terms()) as cloud:
            tenants = await settle_tenants(cloud, TENANTS)
        return furnishing, tenants


def play(loop: VirtualLoop, seed: str, story: Coroutine[Any, Any, Result]) -> Result:
    """Run it to its end in a world of that seed. What it leaves behind is cancelled."""
    loop.set_task_factory(gated)
    loop.set_exception_handler(lambda loop, context: None)
    with made_up(loop, random.Random(seed)):
        try:
            return loop.run_until_complete(story)
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.more_turns(LAST_TURNS)
                loop.run_until_complete(_ended(left))
            loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, timeout=1.0)
