"""`kilonova sim`: simulated clouds, a seed each: how fast, what went wrong, and how to see it again. Simulates nothing itself."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator

import click
from msgspec import Struct

from kilonova.errors import BadRequest
from kilonova.sim.campaign import verdicts
from kilonova.sim.operations import OPERATIONS
from kilonova.sim.plan import KINDS
from kilonova.sim.shrinking import shrink
from kilonova.sim.simulation import Case, Simulation, Verdict
from kilonova.sim.stage import Stage

SAY_EVERY_S = 5.0


class Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for. `only`: operations by number, as a shrunken case has them; `shrink_s` 0: as it is."""

    seeds: range
    operations: int = 100
    only: tuple[int, ...] = ()
    without: tuple[str, ...] = ()
    do: tuple[str, ...] = ()
    jobs: int = 1
    shrink_s: float = 120.0
    events: int = 60

    def case(self, seed: int) -> Case:
        operations = self.only or tuple(range(self.operations))
        return Case(seed=seed, operations=operations, without=frozenset(self.without), only_kinds=frozenset(self.do))


def wanted(  # noqa: PLR0913 - the options of the command line, as click hands them over
    *,
    seeds: str,
    operations: int,
    only: str,
    without: tuple[str, ...],
    do: tuple[str, ...],
    jobs: int,
    shrink: bool,
    shrink_within: float,
    events: int,
) -> Wanted:
    """What the command line asks for. Raises BadRequest."""
    try:
        numbers = tuple(int(number) for number in only.split(",") if number)
    except ValueError:
        raise BadRequest(f"{only!r} are no numbers of operations; they are like 3,5,9") from None
    if unknown := set(without) - set(KINDS):
        raise BadRequest(f"{min(unknown)!r} is no kind of fault; these are: {', '.join(KINDS)}")
    if unknown := set(do) - set(OPERATIONS):
        raise BadRequest(f"{min(unknown)!r} is no kind of operation; these are: {', '.join(OPERATIONS)}")
    return Wanted(
        seeds=seeds_of(seeds),
        operations=operations,
        only=numbers,
        without=without,
        do=do,
        jobs=jobs,
        shrink_s=shrink_within if shrink else 0.0,
        events=events,
    )


class Progress:
    """Counts, and now and then a line."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._began = self._said = time.monotonic()
        self.seeds = self.failed = self.builds = self.operations = 0
        self.cpu_s = 0.0
        self.fired: Counter[str] = Counter()

    def count(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.failed += bool(verdict.violations)
        self.builds += verdict.builds
        self.cpu_s += verdict.cpu_s
        self.operations += len(verdict.case.operations)
        self.fired.update(verdict.fired)
        if time.monotonic() - self._said > SAY_EVERY_S:
            self._said = time.monotonic()
            click.echo(self.line(), err=True)

    def line(self) -> str:
        took, cpu_s = max(0.001, time.monotonic() - self._began), max(0.001, self.cpu_s)
        return (
            f"{self.seeds} of {len(self._wanted.seeds)} seeds, {self.failed} with violations, in {took:.0f} s: "
            f"{self.seeds / took:.1f} seeds/s, {self.operations / took:.0f} operations/s; "
            f"{self.operations / cpu_s:.0f} operations and {self.builds / cpu_s:.0f} builds a CPU second"
        )


def run(wanted: Wanted) -> int:
    """The exit code: 1 when a seed had violations, else 0."""
    progress = Progress(wanted)
    last: Verdict | None = None
    for verdict in verdicts((wanted.case(seed) for seed in wanted.seeds), wanted.jobs, wanted.events):
        progress.count(verdict)
        last = verdict
        if verdict.violations:
            for line in told(smallest(verdict, wanted), wanted):
                click.echo(line)
    click.echo(progress.line())
    click.echo("faults: " + ", ".join(f"{kind} {progress.fired[kind]}" for kind in KINDS))
    if last is not None and len(wanted.seeds) == 1:
        click.echo(f"digest: {last.digest}")
    return 1 if progress.failed else 0


def smallest(verdict: Verdict, wanted: Wanted) -> Verdict:
    """The same violation, from as little as can be found."""
    if not wanted.shrink_s:
        return verdict
    kinds = {one.kind for one in verdict.violations}
    best = [verdict]
    with Stage() as stage:

        def fails(case: Case) -> bool:
            found = Simulation(case, stage, wanted.events).run()
            same = bool(kinds & {one.kind for one in found.violations})
            if same:
                best[0] = found
            return same

        shrink(verdict.case, fails, wanted.shrink_s)
    return best[0]


def told(verdict: Verdict, wanted: Wanted) -> Iterator[str]:
    """A failing case, for a person."""
    yield f"seed {verdict.case.seed}: {len(verdict.violations)} violations"
    yield f"  last events of {verdict.events}:"
    yield from (f"    {line}" for line in verdict.last_events[-wanted.events :])
    yield f"  faults: {', '.join(f'{kind} {count}' for kind, count in sorted(verdict.fired.items())) or 'none'}"
    yield from (f"  {violation}" for violation in verdict.violations)
    yield f"  again: kilonova {' '.join(words_of(verdict.case))}"


def words_of(case: Case) -> list[str]:
    """The command line that plays this case."""
    words = ["sim", "--seed", str(case.seed)]
    if case.operations == tuple(range(len(case.operations))):
        words += ["--operations", str(len(case.operations))]
    else:
        words += ["--only", ",".join(map(str, case.operations))]
    for kind in sorted(case.without):
        words += ["--without", kind]
    for kind in sorted(case.only_kinds):
        words += ["--do", kind]
    return [*words, "--no-shrink"]


def seeds_of(text: str) -> range:
    """``7`` or ``1..100``. Raises BadRequest."""
    first, dots, last = text.partition("..")
    try:
        return range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise BadRequest(f"{text!r} is neither a seed nor seeds like 1..100") from None


def with_one_hash_seed() -> None:
    """The order of sets of strings must be the same each time, so the program begins anew where it is not."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        os.execve(sys.executable, [sys.executable, "-m", "kilonova.cli", *sys.argv[1:]], environment)
