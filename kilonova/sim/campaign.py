"""Many seeds, one after the other or in several processes. It simulates nothing itself and prints nothing."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice

from kilonova.sim.simulation import Case, Simulation, Verdict
from kilonova.sim.stage import Stage

AHEAD = 4
"""Cases that wait for each process."""
_stage: list[Stage] = []
"""This process's own."""


def verdicts(cases: Iterable[Case], jobs: int = 1, remembered: int = 60) -> Iterator[Verdict]:
    """As they come; in the order of the cases when there is one job. `remembered`: how many of its last events each tells."""
    if jobs == 1:
        with Stage() as stage:
            for case in cases:
                yield Simulation(case, stage, remembered).run()
        return
    left = iter(cases)
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: set[Future[Verdict]] = {pool.submit(judge, case, remembered) for case in islice(left, AHEAD * jobs)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            waiting |= {pool.submit(judge, case, remembered) for case in islice(left, len(done))}
            for future in done:
                yield future.result()


def judge(case: Case, remembered: int) -> Verdict:
    """One case, on this process's stage, which is made when it is first needed."""
    if not _stage:
        _stage.append(Stage())
        multiprocessing.util.Finalize(None, _stage[0].close, exitpriority=1)
    return Simulation(case, _stage[0], remembered).run()
