"""The same seed, the same history: in one process after another seed, and in another process."""

import os
import re
import subprocess
import sys

import pytest

from kilonova.nodes.reporter import Reporter
from kilonova.sim.campaign import verdicts
from kilonova.sim.simulation import Case, Simulation
from kilonova.sim.stage import Stage

CASES = [Case(seed=seed, operations=tuple(range(12))) for seed in (3, 8)]


def command(*words: str, hashes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hashes}
    words = (sys.executable, "-m", "kilonova.cli", "sim", *words)
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_a_seed_is_not_touched_by_what_was_played_before(stage: Stage) -> None:
    first = [Simulation(case, stage).run() for case in CASES]
    again = [Simulation(case, stage).run() for case in reversed(CASES)]
    assert [one.digest for one in first] == [one.digest for one in reversed(again)]
    assert first[0].digest != first[1].digest
    assert first[0].events > 50


def test_a_part_of_a_role_that_ends_by_itself_does_not_go_unseen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real role would end with it, and begin anew."""

    async def fall(reporter: Reporter) -> bool:
        raise LookupError("nobody expects this")

    monkeypatch.setattr(Reporter, "_send_what_there_is", fall)
    found = Simulation(Case(seed=3, operations=()), stage).run().violations
    told = [one.text for one in found if one.kind == "mishap"]
    assert any("a part of compute-1 ended by itself" in text and "nobody expects this" in text for text in told), found


@pytest.mark.long
def test_a_seed_is_the_same_in_every_process() -> None:
    """Also when the interpreter was started with another seed for its hashes: the program begins anew then."""
    digests = set()
    for hashes in ("0", "1"):
        done = command("--seed", "8", "--operations", "10", "--no-shrink", hashes=hashes)
        assert done.returncode in (0, 1), done.stderr
        found = re.search(r"^digest: ([0-9a-f]{64})$", done.stdout, re.M)
        assert found, done.stdout
        digests.add(found[1])
    assert len(digests) == 1


@pytest.mark.long
def test_jobs_are_processes_that_play_them_all() -> None:
    found = {verdict.case.seed: verdict for verdict in verdicts(CASES, jobs=2, remembered=70)}
    assert sorted(found) == [3, 8]
    assert all(verdict.builds > 0 for verdict in found.values())
    assert [len(verdict.last_events) for verdict in found.values()] == [70, 70]
