"""Seeds: a sample each time, more of them among the long tests, and those that have shown something once."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from kilonova.sim.plan import KINDS, Plan
from kilonova.sim.simulation import Case, Simulation, Verdict
from kilonova.sim.stage import Stage

KNOWN: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "seeds.toml").read_text())["seed"]
SAMPLE = range(1, 4)
LONG = range(10, 18)
TOGETHER = [
    ("lose", "repeat", "delay", "skew"),
    ("kill", "freeze", "torn"),
    ("ledger_slow", "ledger_away", "ledger_unheard", "answer_lost"),
    ("driver_fails", "driver_slow", "guest_ends"),
    ("broker_emptied", "cut_off"),
]


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
    assert judged(stage, seed, 30).builds > 0


@pytest.mark.long
@pytest.mark.parametrize("known", KNOWN, ids=lambda known: str(known["seed"]))
def test_what_was_found_stays_mended(stage: Stage, known: dict[str, Any]) -> None:
    judged(stage, known["seed"], known["operations"])


@pytest.mark.long
@pytest.mark.parametrize("kinds", TOGETHER, ids="-".join)
def test_every_kind_of_fault_does_strike(stage: Stage, kinds: tuple[str, ...]) -> None:
    """Strong; and whatever they do, no promise is broken."""
    plan, fired = Plan(kinds={kind: KINDS[kind][2] for kind in kinds}), set[str]()
    for seed in range(1, 6):
        verdict = Simulation(Case(seed=seed, operations=tuple(range(25))), stage, plan=plan).run()
        assert not verdict.violations, "\n".join([*verdict.last_events, *map(str, verdict.violations)])
        fired |= set(verdict.fired)
        if fired == set(kinds):
            return
    raise AssertionError(f"only {sorted(fired)} struck")


def test_no_kind_of_fault_is_left_out() -> None:
    assert sorted(kind for kinds in TOGETHER for kind in kinds) == sorted(KINDS)
