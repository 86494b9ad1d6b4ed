"""Every kind of message can be lost, repeated or late, going out or coming in; and a process can die of it."""

import pytest

from kilonova.sim.faults import fail
from tests.story.conftest import CloudOf
from tests.story.ending import built, deleted

LATE_S = 12.0
"""Longer than anybody waits before asking again."""
KINDS = ("Placed", "NetworkWanted", "NetworkGiven", "NetworkNotWanted", "ReportBatch", "Confirmed", "Removal")
REPLIES = {"NetworkGiven", "Confirmed"}
CASES = [
    (kind, fault, arriving)
    for kind in KINDS
    for fault in ("lose", "repeat", "delay")
    for arriving in (False, True)
    if not (arriving and kind in REPLIES)
]


@pytest.mark.parametrize(("kind", "fault", "arriving"), CASES)
async def test_a_build_and_its_end_survive_it(cloud_of: CloudOf, kind: str, fault: str, arriving: bool) -> None:
    """The first attempt fails at its last step, so that every message there is passes at least once."""
    cloud = await cloud_of(hosts=2)
    cloud.steps.at("before", "report_running", fail)
    match fault:
        case "lose":
            cloud.messages.lose(kind, on_arrival=arriving)
        case "repeat":
            cloud.messages.repeat(kind, times=3, on_arrival=arriving)
        case _:
            cloud.messages.delay(kind, LATE_S, on_arrival=arriving)
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert cloud.messages.fired[fault, kind] >= 1


DEATHS = [
    ("control", "Placed", False),
    ("control", "ReportBatch", True),
    ("control", "Confirmed", False),
    ("control", "Removal", False),
    ("network", "NetworkWanted", True),
    ("network", "NetworkGiven", False),
    ("network", "NetworkNotWanted", True),
    ("compute-1", "Placed", True),
    ("compute-1", "NetworkWanted", False),
    ("compute-1", "NetworkNotWanted", False),
    ("compute-1", "ReportBatch", False),
    ("compute-1", "Removal", True),
]


@pytest.mark.parametrize(("role", "kind", "arriving"), DEATHS)
async def test_the_process_dies_with_the_message_in_its_hand(cloud_of: CloudOf, role: str, kind: str, arriving: bool) -> None:
    cloud = await cloud_of(hosts=2)
    cloud.steps.at("before", "report_running", fail)
    cloud.messages.strike(kind, lambda: cloud.die_here(role), on_arrival=arriving)
    await built(cloud, server_id := await cloud.build())
    await deleted(cloud, server_id)
    assert (cloud.messages.struck[kind], cloud.deaths) == (1, 1)
