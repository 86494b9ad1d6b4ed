"""One seed, from an empty cloud to the verdict: clients, faults, healing, rest, and the checker's judgement.

The same seed, operations and kinds of fault give the same history, down to its digest, in any process of the same program.
"""

import asyncio
import gc
import logging
import random
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct

from kilonova.errors import KilonovaError
from kilonova.sim.checker import Watcher, check
from kilonova.sim.chronicle import Chronicle
from kilonova.sim.nemesis import Nemesis
from kilonova.sim.operations.promise import Violation, violation
from kilonova.sim.plan import Plan, plan_of
from kilonova.sim.roles import Terms
from kilonova.sim.seeded import SeededCloud
from kilonova.sim.stage import BEGINS_S, Stage, play
from kilonova.sim.virtual import RunsWild, VirtualLoop
from kilonova.sim.workload import Workload

PACES_S = (0.02, 0.1, 0.5, 2.0)
"""How long, on average, until the next client comes."""
CLIENTS_WITHIN_S = 900.0
"""Loop time in which the last answer must have come, faults or none."""
HEALED_AFTER_S = 2.0
"""What was under way when the last fault struck may still fail."""
TOLD_WITHIN_S = 45.0
"""That a guest has ended by itself is in the ledger two hellos after everything else is at rest."""
MOST_TURNS = 5_000_000


class Case(Struct, frozen=True, kw_only=True):
    """What is simulated: the operations of these numbers, without these kinds of fault.

    `only_kinds`: what clients do; empty: what the seed has.
    """

    seed: int
    operations: tuple[int, ...]
    without: frozenset[str] = frozenset()
    only_kinds: frozenset[str] = frozenset()


class Verdict(Struct, frozen=True, kw_only=True):
    """How a case went. `virtual_s`: how long it took in its own time; `cpu_s`: of the processor's.

    `builds`: servers that were asked for and accepted.
    """

    case: Case
    violations: tuple[Violation, ...]
    digest: str
    builds: int
    events: int
    virtual_s: float
    cpu_s: float
    fired: Counter[str]
    last_events: tuple[str, ...]


class Simulation:
    """``Simulation(case, stage).run()``; with a `plan`, that goes wrong instead of what the seed has."""

    def __init__(self, case: Case, stage: Stage, remembered: int = 60, plan: Plan | None = None) -> None:
        self.case, self._stage = case, stage
        self.plan = plan or plan_of(case.seed, case.without)
        self.chronicle = Chronicle(remembered)
        self.nemesis = Nemesis(self.plan, random.Random(f"{case.seed}/nemesis"), self.chronicle)
        self._chance = random.Random(f"{case.seed}/clients")
        self._mishaps = Mishaps()
        self._builds = 0

    def run(self) -> Verdict:
        """Never raises for what goes wrong in the cloud: that is a violation."""
        loop, began = VirtualLoop(BEGINS_S, MOST_TURNS), time.process_time()
        self._stage.database.restore()
        logger = logging.getLogger("kilonova")
        logger.addHandler(self._mishaps)
        propagates, logger.propagate = logger.propagate, False
        gc.disable()  # what is collected tidies up: that must not come at a moment of the machine's choice
        try:
            found = play(loop, f"{self.case.seed}/ids", self._story())
        except RunsWild as wild:
            found = [violation("runs wild", "the simulation", str(wild))]
        finally:
            self._mishaps.listens = False
            self._cloud.bury_everything()
            logger.removeHandler(self._mishaps)
            logger.propagate = propagates
            gc.enable()
        took = loop.time() - BEGINS_S, time.process_time() - began
        return self._verdict([*found, *self._mishaps.violations], *took)

    def _verdict(self, found: Sequence[Violation], virtual_s: float, cpu_s: float) -> Verdict:
        return Verdict(
            case=self.case,
            violations=tuple(found),
            digest=self.chronicle.digest,
            builds=self._builds,
            events=self.chronicle.events,
            virtual_s=virtual_s,
            cpu_s=cpu_s,
            fired=self.chronicle.fired,
            last_events=tuple(self.chronicle.last),
        )

    async def _story(self) -> list[Violation]:
        nodes = self._chance.randint(1, 3)
        hosts = nodes * self._chance.randint(1, 2)
        terms = Terms(build_limit_s=self._chance.choice((60.0, 300.0)), send_again_after_s=self._chance.choice((2.0, 30.0)))
        stage = self._stage
        self._cloud = SeededCloud(stage.folder(), stage.furnishing, self.nemesis, hosts=hosts, nodes=nodes, terms=terms)
        async with self._cloud as cloud:
            tenants = stage.tenants[: self._chance.randint(1, len(stage.tenants))]
            rng = random.Random(f"{self.case.seed}/workload")
            workload = Workload(cloud, rng, tenants, self.nemesis.excuses, only_kinds=self.case.only_kinds)
            watcher = Watcher(cloud, workload)
            watching = asyncio.create_task(watcher.run())
            found = await self._live_through(cloud, workload)
            watching.cancel()
            self._builds = sum(promise.kind == "server" for promise in workload.accepted.values())
            if not found and cloud.guests_ended:
                await cloud.clean()
                await asyncio.sleep(TOLD_WITHIN_S)
            if not found:
                found = await check(cloud, workload)
            self.chronicle.note(f"ends with the ledger {_digest_of(stage.database.lines())}")
            return [*watcher.violations, *found]

    async def _live_through(self, cloud: SeededCloud, workload: Workload) -> list[Violation]:
        nemesis = self.nemesis
        nemesis.begin([role.process for role in cloud.roles().values()])
        striking = asyncio.create_task(nemesis.strike_now_and_then(cloud))
        clients: list[asyncio.Task[None]] = []
        pace = self._chance.choice(PACES_S)
        for number in self.case.operations:
            await asyncio.sleep(random.Random(f"{self.case.seed}/pause/{number}").expovariate(1 / pace))
            clients.append(asyncio.create_task(self._operate(workload, number)))
        await asyncio.sleep(self._chance.choice((0.0, 10.0)))
        nemesis.end()
        striking.cancel()
        await cloud.everybody_rises()
        await asyncio.sleep(HEALED_AFTER_S)
        nemesis.healing = False
        _, late = await asyncio.wait(clients, timeout=CLIENTS_WITHIN_S) if clients else ((), ())
        wrong = [task.exception() for task in clients if task.done() and task.exception()]
        found = [violation("no answer", "a client", f"{len(late)} operations have not come to an end")] if late else []
        return [*found, *(violation("operation", "a client", repr(error)) for error in wrong)]

    async def _operate(self, workload: Workload, number: int) -> None:
        self.chronicle.note(f"operation {number}")
        await workload.step(number)


class Mishaps(logging.Handler):
    """What the program itself did not expect: an error in its log with a cause that is no domain error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.listens = True
        self.violations: list[Violation] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if self.listens and error is not None and not isinstance(error, KilonovaError | TimeoutError):
            text = f"{record.getMessage()}: {error!r}"
            self.violations.append(violation("mishap", record.name, text, *_where(error)))


def _digest_of(lines: Sequence[str]) -> str:
    return sha256("".join(lines).encode()).hexdigest()


def _where(error: BaseException) -> list[Any]:
    return traceback.format_tb(error.__traceback__)[-4:]
