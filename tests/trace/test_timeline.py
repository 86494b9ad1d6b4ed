"""The nine steps as a person sees them, and that a real build (in the simulator) leaves a hop in each of them."""

import asyncio
from pathlib import Path

import pytest

from kilonova.sim import SimulatedCloud, SkippingLoop
from kilonova.sim.faults import fail
from kilonova.trace.timeline import NINE, Line, timeline, total_ms

HOP = {"place": "compute", "name": "x", "queued": 0.0, "work": 0.0, "outcome": "done", "detail": "", "started_at": 100.0}


def hop(step: int, **more: object) -> dict[str, object]:
    return {**HOP, "step": step, **more}


def test_nothing_timed_is_nine_empty_lines() -> None:
    assert timeline([]) == [Line(step=number, what=what) for number, what in enumerate(NINE, start=1)]
    assert total_ms([]) == 0.0


def test_waiting_and_work_are_told_apart() -> None:
    lines = timeline([hop(4, work=0.5), hop(6, started_at=100.5, queued=0.25, work=1.0)])
    assert (lines[5].started_ms, lines[5].queued_ms, lines[5].work_ms) == (500.0, 250.0, 1000.0)
    assert total_ms([hop(1), hop(9, started_at=101.0, work=0.5)]) == 1500.0


def test_the_network_nodes_share_is_not_counted_twice() -> None:
    line = timeline([hop(7, work=2.0), hop(7, place="network", work=1.5)])[6]
    assert line.work_ms == 2000.0
    assert line.where == "compute + network"


def test_a_step_that_failed_and_one_that_was_undone_say_so() -> None:
    lines = timeline([hop(6), hop(6, outcome="undone"), hop(7, outcome="failed", detail="why")])
    assert (lines[5].outcome, lines[6].outcome, lines[6].detail) == ("done, undone", "failed", "why")


@pytest.mark.parametrize("failing", [False, True])
def test_a_build_leaves_a_hop_in_every_step(tmp_path: Path, failing: bool) -> None:
    async def trace() -> list[Line]:
        async with SimulatedCloud(tmp_path / "cloud", hosts=2) as cloud:
            if failing:
                cloud.steps.at("before", "start_guest", fail)
            server_id = await cloud.build()
            await cloud.wait_for(server_id, "ACTIVE")
            await cloud.clean()
            found = (await cloud.send("GET", f"/internal/traces/{server_id}")).json()
            return timeline(found["hops"])

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        lines = runner.run(trace())
    assert [line.step for line in lines if line.outcome == "-"] == []
    assert lines[7].outcome == ("failed" if failing else "done")
    assert ("undone" in lines[5].outcome) == failing
    assert all(line.work_ms >= 0 for line in lines)
