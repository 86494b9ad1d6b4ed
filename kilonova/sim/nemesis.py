"""Everything that goes wrong in a simulation, as one seed has it: messages, roles, journals, clocks, the database, the hardware.

It strikes only while it is `active`, and never those who look on from outside: what has no process is left alone.
"""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kilonova.bus.port import Delivery, Unobserved
from kilonova.errors import BuildFailed, Unavailable
from kilonova.model.ids import ServerId
from kilonova.saga import Journal
from kilonova.sim.chronicle import Chronicle
from kilonova.sim.plan import Plan
from kilonova.sim.process import NEVER, PROCESS, Process
from kilonova.sim.torn import WatchedJournal, fall

LATENCY_S = 0.002
LONGEST_DELAY_S = 30.0
LONGEST_FREEZE_S = 60.0
PAUSES_S = (0.01, 0.3, 2.0, 15.0)
"""How long until a role that was killed is started again."""
SLOW_STEP_S = (0.5, 5.0, 40.0)


class Nemesis:
    """`on_kill` ends the role of that name at once, and starts it again after so many seconds."""

    def __init__(self, plan: Plan, chance: random.Random, chronicle: Chronicle) -> None:
        self.plan, self.chance, self.chronicle = plan, chance, chronicle
        self.active = self.healing = False
        """`healing`: nothing new goes wrong, and not everything is well again."""
        self.on_kill: Callable[[str, float], None] = lambda name, pause: None
        self._away_until = 0.0
        self._cut_off: dict[str, float] = {}
        self._frozen: list[Process] = []
        self._synced: dict[Path, int] = {}

    def excuses(self) -> bool:
        """Whether a client may hear 503, or nothing, just now."""
        return (self.active or self.healing) and self.plan.excuses

    def struck(self, kind: str, what: str) -> bool:
        """Whether chance has it; then it is on record."""
        strength = self.plan[kind]
        if not (self.active and strength and self.chance.random() < strength):
            return False
        self.chronicle.fault(kind, what)
        return True

    # Roles.

    def begin(self, processes: list[Process]) -> None:
        self.active = True
        for process in processes:
            self._aim(process)

    def end(self) -> None:
        """From now on everything works; who stands still goes on."""
        self.active, self.healing = False, True
        self._away_until = 0.0
        self._cut_off.clear()
        for process in self._frozen:
            process.thaw()
        self._frozen.clear()

    def born(self, name: str) -> Process:
        """A process of this role: its clock is off by so much, and its end may come between any two awaits."""
        most = self.plan["skew"]
        skew_s = random.Random(f"{name}/{most}/{self.chance.random()}").uniform(-most, most) if most else 0.0
        if skew_s:
            self.chronicle.fault("skew", f"{name} {skew_s:+.3f} s")
        process = Process(name, skew_s)
        process.on_strike = self._strike
        if self.active:
            self._aim(process)
        return process

    def _aim(self, process: Process) -> None:
        rates = [1 / self.plan[kind] for kind in ("kill", "freeze") if self.plan[kind]]
        process.strike_at = process.resumed + 1 + int(self.chance.expovariate(sum(rates))) if rates else NEVER

    def _strike(self, process: Process) -> None:
        if not self.active or process.dead:
            return
        kill, freeze = (1 / self.plan[kind] if self.plan[kind] else 0.0 for kind in ("kill", "freeze"))
        if self.chance.random() * (kill + freeze) < kill:
            pause = self.chance.choice(PAUSES_S) * self.chance.uniform(0.5, 1.5)
            self.chronicle.fault("kill", f"{process.name} at resumption {process.resumed}, for {pause:.3f} s")
            self.on_kill(process.name, pause)
            return
        seconds = self.chance.choice((1.0, 10.0, LONGEST_FREEZE_S)) * self.chance.uniform(0.5, 1.0)
        self.chronicle.fault("freeze", f"{process.name} at resumption {process.resumed}, for {seconds:.3f} s")
        process.freeze()
        self._frozen.append(process)
        asyncio.get_running_loop().call_later(seconds, process.thaw)
        self._aim(process)

    def open_journal(self, file: Path) -> Journal:
        """It has on the disk what an earlier process has waited for."""
        return WatchedJournal(file, self._synced.get(file, 0))

    def fell(self, journal: Journal, file: Path) -> bool:
        """A journal whose process has died: True when the machine's power went with it."""
        most = int(self.plan["torn"]) if self.active else 0
        cut = fall(journal, file, self.chance.randrange(most) if most else 0)
        if isinstance(journal, WatchedJournal):
            self._synced[file] = journal.synced
        if cut:
            self.chronicle.fault("torn", f"{file.parent.name}'s journal lacks its last {cut} bytes")
        return cut > 0

    # Now and then.

    async def strike_now_and_then(self, cloud: Any) -> None:
        """Until it is cancelled: what does not happen to somebody, but to all."""
        deeds = {
            "ledger_away": self._take_ledger,
            "broker_emptied": self._empty_broker,
            "cut_off": self._cut,
            "guest_ends": self._end,
        }
        chosen = {kind: deed for kind, deed in deeds.items() if self.plan[kind]}
        if not chosen:
            return
        while True:
            rates = [1 / self.plan[kind] for kind in chosen]
            await asyncio.sleep(self.chance.expovariate(sum(rates)))
            kind = self.chance.choices(list(chosen), rates)[0]
            chosen[kind](cloud)

    def _take_ledger(self, cloud: Any) -> None:
        seconds = self.chance.choice((0.2, 3.0, 20.0)) * self.chance.random()
        self._away_until = asyncio.get_running_loop().time() + seconds
        self.chronicle.fault("ledger_away", f"for {seconds:.3f} s")

    def _empty_broker(self, cloud: Any) -> None:
        self.chronicle.fault("broker_emptied", f"{cloud.broker.lose_everything()} messages are lost")

    def _cut(self, cloud: Any) -> None:
        name = self.chance.choice(list(cloud.roles()))
        seconds = self.chance.choice((1.0, 8.0, 45.0)) * self.chance.random()
        self._cut_off[name] = asyncio.get_running_loop().time() + seconds
        self.chronicle.fault("cut_off", f"{name} for {seconds:.3f} s")

    def _end(self, cloud: Any) -> None:
        running = [
            (hands.hypervisor, server_id)
            for role in cloud.computes.values()
            for hands in role.node.hosts.values()
            for server_id, word in sorted(hands.hypervisor._memory.words.items())
            if word.startswith("running")
        ]
        if running:
            hypervisor, server_id = self.chance.choice(running)
            power = self.chance.choice(("shutdown", "crashed"))
            self.chronicle.fault("guest_ends", f"{server_id} {power}")
            cloud.guests_ended.add(server_id)
            hypervisor.end_by_itself(server_id, power)

    def is_cut_off(self) -> bool:
        """Whoever asks this."""
        process = PROCESS.get()
        if not self._cut_off or process is None:
            return False
        return self._cut_off.get(process.name, 0.0) > asyncio.get_running_loop().time()

    def is_ledger_away(self) -> bool:
        return asyncio.get_running_loop().time() < self._away_until


class Messages(Unobserved):
    """What happens to messages: see `Observer`."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis

    async def putting(self, kind: str, subject: str) -> int:
        nemesis = self._nemesis
        nemesis.chronicle.note(f"sends {kind} to {subject}")
        await asyncio.sleep(LATENCY_S * nemesis.chance.random())
        if nemesis.is_cut_off():
            if subject.startswith("queue."):
                raise Unavailable("The message broker is away.")
            return 0
        return await self._pass(kind)

    async def put(self, kind: str) -> None:
        await asyncio.sleep(LATENCY_S * self._nemesis.chance.random())

    async def taking(self, delivery: Delivery) -> int:
        nemesis = self._nemesis
        nemesis.chronicle.note(f"takes {delivery.kind} ({delivery.times})")
        return 0 if nemesis.is_cut_off() else await self._pass(delivery.kind)

    async def finishing(self, delivery: Delivery) -> None:
        await asyncio.sleep(0)

    async def _pass(self, kind: str) -> int:
        nemesis = self._nemesis
        if nemesis.struck("delay", kind):
            await asyncio.sleep(min(LONGEST_DELAY_S, nemesis.chance.expovariate(1 / nemesis.chance.choice((0.05, 1.0, 8.0)))))
        if nemesis.struck("lose", kind):
            return 0
        return 2 if nemesis.struck("repeat", kind) else 1


class Steps:
    """A Watch (see saga/run.py): steps take their time, and sometimes much of it."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis

    async def before(self, key: str, step: str, record: Any) -> None:
        await self._take_time(step)

    async def after(self, key: str, step: str, record: Any, error: BaseException | None) -> None:
        if error is None:
            await self._take_time(step)

    async def undone(self, key: str, step: str, error: BaseException | None) -> None:
        await self._take_time(f"undo of {step}")

    def notes(self, key: str) -> bytes:
        return b""

    async def _take_time(self, what: str) -> None:
        nemesis = self._nemesis
        nemesis.chronicle.note(what)
        slow = nemesis.chance.choice(SLOW_STEP_S) if nemesis.struck("driver_slow", what) else 0.01
        await asyncio.sleep(slow * nemesis.chance.random())


class Drivers:
    """Faults of simulated drivers (see drivers/simulation.py)."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis

    def before(self, point: str, server_id: ServerId) -> None:
        if self._nemesis.struck("driver_fails", f"{point} {server_id}"):
            raise BuildFailed("The hardware failed.")


class DatabaseTrouble:
    """A `Trouble` (see database.py)."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis

    async def before_read(self) -> None:
        if PROCESS.get() is not None:
            await self._wait()

    async def before_write(self) -> None:
        if PROCESS.get() is not None:
            self._nemesis.chronicle.note("writes")
            await self._wait()

    async def written(self) -> None:
        nemesis = self._nemesis
        if PROCESS.get() is None:
            return
        await asyncio.sleep(LATENCY_S * nemesis.chance.random())
        if nemesis.struck("ledger_unheard", "committed, and nobody hears of it"):
            raise Unavailable("The database does not answer at the moment. Please try again.")

    async def _wait(self) -> None:
        nemesis = self._nemesis
        slow = nemesis.struck("ledger_slow", "the database is slow")
        await asyncio.sleep((nemesis.chance.choice((0.1, 1.0, 5.0)) if slow else LATENCY_S) * nemesis.chance.random())
        if nemesis.is_ledger_away():
            raise Unavailable("The database does not answer at the moment. Please try again.")


class OnTheWay:
    """Between a client and control: requests and answers that never arrive."""

    def __init__(self, nemesis: Nemesis) -> None:
        self._nemesis = nemesis

    async def __call__(self) -> None:
        await asyncio.sleep(LATENCY_S * self._nemesis.chance.random())
        if self._nemesis.struck("answer_lost", "a client loses its connection"):
            raise ConnectionResetError("The connection was lost.")
