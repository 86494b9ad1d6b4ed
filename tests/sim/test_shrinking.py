"""A failing case gets small, and stays failing."""

from itertools import pairwise

import pytest

from kilonova.cli.sim import seeds_of, wanted, words_of
from kilonova.errors import BadRequest
from kilonova.sim.plan import KINDS, plan_of
from kilonova.sim.shrinking import shrink
from kilonova.sim.simulation import Case

SEED = next(seed for seed in range(100) if {"kill", "lose", "freeze"} <= set(plan_of(seed).kinds))


def test_only_what_is_needed_is_left() -> None:
    tried: list[Case] = []

    def fails(case: Case) -> bool:
        tried.append(case)
        return {3, 17, 40} <= set(case.operations) and "kill" in plan_of(case.seed, case.without).kinds

    smallest = shrink(Case(seed=SEED, operations=tuple(range(100))), fails, 60.0)
    assert smallest.operations == (3, 17, 40)
    assert set(plan_of(SEED, smallest.without).kinds) == {"kill"}
    assert len(tried) < 200


def test_without_time_it_stays_as_it_is() -> None:
    case = Case(seed=SEED, operations=tuple(range(100)))
    assert shrink(case, lambda other: True, 0.0) == case


def test_what_a_plan_goes_without_changes_nothing_in_the_rest() -> None:
    whole = dict(plan_of(SEED).kinds)
    del whole["kill"]
    assert dict(plan_of(SEED, {"kill"}).kinds) == whole


def test_every_kind_is_in_some_seeds_and_not_in_others() -> None:
    plans = [plan_of(seed).kinds for seed in range(200)]
    for kind in KINDS:
        assert 50 < sum(kind in plan for plan in plans) < 110, kind
        assert len({plan[kind] for plan in plans if kind in plan}) == 3, kind


def test_the_command_that_is_printed_asks_for_the_same_case() -> None:
    for case in (
        Case(seed=7, operations=tuple(range(30))),
        Case(seed=7, operations=(3, 9, 40), without=frozenset({"kill", "lose"})),
        Case(seed=7, operations=(3,), only_kinds=frozenset({"create", "act"})),
    ):
        words = words_of(case)
        options = dict(zip(words[1:-1:2], words[2:-1:2], strict=True))
        asked = wanted(
            seeds=options["--seed"],
            operations=int(options.get("--operations", "100")),
            only=options.get("--only", ""),
            without=tuple(value for name, value in pairwise(words) if name == "--without"),
            do=tuple(value for name, value in pairwise(words) if name == "--do"),
            jobs=1,
            shrink=False,
            shrink_within=0.0,
            events=10,
        )
        assert asked.case(asked.seeds[0]) == case


def test_seeds_are_read() -> None:
    assert (seeds_of("7"), seeds_of("3..5")) == (range(7, 8), range(3, 6))
    with pytest.raises(BadRequest):
        seeds_of("many")
