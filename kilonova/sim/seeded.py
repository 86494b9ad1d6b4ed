"""A simulated cloud in which nothing is left to chance but what one seed decides: for a `VirtualLoop` with gates.

Its database is in memory and begins as the stage left it; its roles die and rise as the nemesis has it.
"""

import asyncio
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path

from kilonova.ledger.ledger import Ledger
from kilonova.sim.cloud import SimulatedCloud
from kilonova.sim.database import Database, InlineLedger
from kilonova.sim.folder import Furnished
from kilonova.sim.nemesis import DatabaseTrouble, Drivers, Messages, Nemesis, OnTheWay, Steps
from kilonova.sim.process import Process
from kilonova.sim.reception import Reception
from kilonova.sim.roles import Ground, Role, Terms


@dataclass(frozen=True)
class Furnishing:
    """What clouds that begin alike have in common."""

    furnished: Furnished
    database: Database
    reception: Reception


class SeededCloud(SimulatedCloud):
    """`furnishing` is what is in the database already."""

    look_every_s = 0.5

    def __init__(self, folder: Path, furnishing: Furnishing, nemesis: Nemesis, *, hosts: int, nodes: int, terms: Terms) -> None:
        self._furnishing, self._nemesis = furnishing, nemesis
        self.furnished = furnishing.furnished
        self._rising: dict[str, asyncio.Task[None]] = {}
        self._processes: list[Process] = []
        super().__init__(folder, hosts=hosts, nodes=nodes, terms=terms)
        nemesis.on_kill = self.strike_down

    def _stand_on(self, terms: Terms) -> Ground:
        nemesis = self._nemesis
        return Ground(
            folder=self.folder,
            broker=self.broker,
            messages=Messages(nemesis),
            steps=Steps(nemesis),
            drivers=Drivers(nemesis),
            terms=terms,
            gates=True,
            on_the_way=OnTheWay(nemesis),
            web=self._furnishing.reception.web,
            born=self._born,
            open_journal=nemesis.open_journal,
            fell=nemesis.fell,
            ended=lambda server_ids: self.guests_ended.update(server_ids),
        )

    async def _open_ledger(self) -> Ledger:
        return InlineLedger(self._furnishing.database, DatabaseTrouble(self._nemesis))

    def _born(self, name: str) -> Process:
        process = self._nemesis.born(name)
        self._processes.append(process)
        return process

    def strike_down(self, name: str, pause_s: float) -> None:
        """The role is dead at once, and a new process begins after so long."""
        self.roles()[name].cut()
        self.deaths += 1
        rising = asyncio.get_running_loop().create_task(self._rise(self.roles()[name], pause_s), context=Context())
        self._rising[name] = rising

    async def _rise(self, role: Role, pause_s: float) -> None:
        await asyncio.sleep(pause_s)
        await role.bury()
        await role.start()

    async def everybody_rises(self) -> None:
        """Every role runs."""
        while any(not task.done() for task in self._rising.values()):
            await asyncio.wait([task for task in self._rising.values() if not task.done()])
        for task in self._rising.values():
            task.result()

    def bury_everything(self) -> None:
        """What is left of all roles goes, when the loop has ended."""
        for process in self._processes:
            process.bury()
