"""Seeds: a sample each time, more of them among the long tests, and those that have shown something once."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kilonova.sim.plan import KINDS, Plan
from kilonova.sim.simulation import Case, Simulation, Verdict
from kilonova.sim.stage import Stage

KNOWN: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "seeds.toml").read_text())["seed"]
SAMPLE = range(1, 4)
LONG = range(10, 22)


def judged(stage: Stage, seed: int, operations: int) -> Verdict:
    verdict = Simulation(Case(seed=seed, operations=tuple(range(operations))), stage).run()
    assert not verdict.violations, "\n".join(
        [*verdict.last_events, *map(str, verdict.violations), f"kilonova sim --seed {seed} --operations {operations}"]
    )
    return verdict


@pytest.mark.parametrize("seed", SAMPLE)
def test_promises_are_kept(stage: Stage, seed: int) -> None:
    assert judged(stage, seed, 15).builds > 0


@pytest.mark.long
@pytest.mark.parametrize("seed", LONG)
def test_promises_are_kept_in_more_seeds(stage: Stage, seed: int) -> None:
    assert judged(stage, seed, 40).builds > 0


@pytest.mark.long
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: str(known["seed"]))
def test_what_was_found_stays_mended(stage: Stage, known: dict[str, Any]) -> None:
    judged(stage, known["seed"], known["operations"])


@pytest.mark.long
def test_every_kind_of_fault_does_strike(stage: Stage) -> None:
    """Alone, and strong; whatever it does, no promise is broken."""
    fired: Counter[str] = Counter()
    for kind, (_, _, strong) in KINDS.items():
        plan = {kind: strong} if kind != "torn" else {"torn": strong, "kill": KINDS["kill"][2]}
        simulation = Simulation(Case(seed=1, operations=tuple(range(25))), stage, plan=Plan(kinds=plan))
        verdict = simulation.run()
        assert not verdict.violations, f"{kind}: {list(map(str, verdict.violations))}"
        assert set(verdict.fired) <= set(plan)
        fired.update(verdict.fired)
    assert {kind for kind in KINDS if not fired[kind]} == set()
