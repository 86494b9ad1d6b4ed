"""Makes a failing case small: without kinds of fault it does not need, and with as few operations as still show its violation.

Each operation draws from a chance of its own, so what is left out changes nothing in what the others want.
"""

import time
from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from kilonova.sim.plan import plan_of
from kilonova.sim.simulation import Case

Fails = Callable[[Case], bool]


def shrink(case: Case, fails: Fails, within_s: float) -> Case:
    """The smallest case found in so many seconds for which `fails` is true, as it must be for `case`."""
    until = time.monotonic() + within_s

    def still(other: Case) -> bool:
        return time.monotonic() < until and fails(other)

    case = _shorter(_fewer_kinds(case, still), still)
    pieces = 2
    while len(case.operations) > 1 and time.monotonic() < until:
        smaller = next((other for other in _without_a_piece(case, pieces) if still(other)), None)
        if smaller is not None:
            case, pieces = smaller, max(2, pieces - 1)
        elif pieces >= len(case.operations):
            break
        else:
            pieces = min(len(case.operations), pieces * 2)
    return _fewer_kinds(case, still)


def _fewer_kinds(case: Case, still: Fails) -> Case:
    for kind in plan_of(case.seed, case.without).kinds:
        other = replace(case, without=case.without | {kind})
        if still(other):
            case = other
    return case


def _shorter(case: Case, still: Fails) -> Case:
    """By halves: the end is often not needed."""
    low, high = 0, len(case.operations)
    while low + 1 < high:
        middle = (low + high) // 2
        if still(replace(case, operations=case.operations[:middle])):
            high = middle
        else:
            low = middle
    return replace(case, operations=case.operations[:high])


def _without_a_piece(case: Case, pieces: int) -> Iterator[Case]:
    size = max(1, len(case.operations) // pieces)
    for start in range(0, len(case.operations), size):
        left: Sequence[int] = case.operations[:start] + case.operations[start + size :]
        if left:
            yield replace(case, operations=tuple(left))
