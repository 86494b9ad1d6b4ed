"""Compute, network or the broker die before and after each durable effect of a build, of its undoing and of a removal.

The cases are made from the sagas, the journal's writes and the messages, so a new step has its cases from its first day. A
build whose process was killed ends ACTIVE with one guest; what is removed goes; and nothing stays. One cloud stands for all
cases on one database.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from kilonova.build import CARRY_OUT
from kilonova.build.connect import NetworkGiven, NetworkNotWanted, NetworkWanted, unwire_ports, wire_ports
from kilonova.build.report import ReportBatch
from kilonova.lifecycle.remove import REMOVE
from kilonova.nodes import attempts
from kilonova.saga import Saga, journal
from tests.chaos.killing import (
    Clouds,
    around,
    broker_loses_all,
    builds,
    built,
    delete,
    is_active_and_goes,
    is_gone,
    on_both,
    removes,
    strikes,
)
from tests.chaos.proof import Proof
from tests.cloud.running import Cloud

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300)]

ON_THE_WAY = ("begin", "advance", "finish", "drop_reports")
ON_THE_WAY_BACK = ("turn_back", "drop")
"""The journal's writes, by when they happen."""
LAST = CARRY_OUT.steps[-1].name
UNDONE = [step.name for step in CARRY_OUT.steps if step.undo is not None]


def _deaths(saga: Saga[Any, Any, Any], asks: type) -> list[str]:
    """Of the compute role while it carries this saga out; `asks` is what it asks the network node."""
    return [
        *around(f"compute.ack.{saga.takes.__name__}"),
        *around(*(f"compute.{step.name}" for step in saga.steps)),
        *around(*(f"compute.journal.{write}" for write in ON_THE_WAY)),
        *around(f"compute.send.{asks.__name__}"),
        f"compute.send.{ReportBatch.__name__}.before",
    ]


def _network_deaths(handles: str, message: type, write: str) -> list[str]:
    return [
        *around(f"network.{handles}", f"network.attempts.{write}", f"network.ack.{message.__name__}"),
        f"network.send.{NetworkGiven.__name__}.before",
    ]


BUILD_DEATHS = _deaths(CARRY_OUT, NetworkWanted)
REMOVAL_DEATHS = _deaths(REMOVE, NetworkNotWanted)
WIRING_DEATHS = _network_deaths(wire_ports.__name__, NetworkWanted, "note_wanted")
UNWIRING_DEATHS = _network_deaths(unwire_ports.__name__, NetworkNotWanted, "note_over")
UNDO_DEATHS = [
    *((f"compute.{step}.after", f"compute.{step}.undone") for step in UNDONE),
    *((f"compute.{LAST}.before", f"compute.{step}.undone") for step in UNDONE if step != UNDONE[-1]),
    *((f"compute.{LAST}.before", point) for point in around("compute.journal.turn_back", "compute.journal.finish")),
    *((f"compute.{LAST}.before", point) for point in around(f"compute.send.{NetworkNotWanted.__name__}")),
    *((f"compute.{LAST}.before", point) for point in _network_deaths(unwire_ports.__name__, NetworkNotWanted, "note_over")),
]
STOPPED = [f"compute.{step.name}.before" for step in CARRY_OUT.steps if step.name in UNDONE or step.name == LAST]
STOP_DEATHS = [(step, point) for step in STOPPED for point in around("compute.journal.drop")]
BROKER_DEATHS = [
    (point, lost)
    for point in [*(f"compute.{step.name}.before" for step in CARRY_OUT.steps), *around(f"network.{wire_ports.__name__}")]
    for lost in ("killed", "killed and emptied")
]
BROKER_REMOVAL_DEATHS = [
    (point, lost)
    for point in [*(f"compute.{step.name}.before" for step in REMOVE.steps), *around(f"network.{unwire_ports.__name__}")]
    for lost in ("killed", "killed and emptied")
]


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with Clouds(tmp_path_factory.mktemp("killed-build")) as clouds:
        yield clouds


def test_every_write_of_a_node_has_its_deaths() -> None:
    assert {*ON_THE_WAY, *ON_THE_WAY_BACK} == set(journal.WRITES)
    assert set(attempts.WRITES) == {"note_wanted", "note_over"}
    assert len(BUILD_DEATHS) > 20 and len(REMOVAL_DEATHS) > 12


@pytest.mark.parametrize(("books", "point"), on_both("compute killed during a build", BUILD_DEATHS))
def test_compute_dies_during_a_build(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    builds(clouds[books], proof, f"killed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "point"), on_both("compute killed during a delete", REMOVAL_DEATHS))
def test_compute_dies_during_a_removal(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    removes(clouds[books], proof, f"removed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "points"), on_both("killed while a build is undone", UNDO_DEATHS))
def test_a_node_dies_while_a_failed_build_is_undone(clouds: Clouds, books: str, proof: Proof, points: tuple[str, str]) -> None:
    """It goes on with undoing, and the build begins anew on the other host."""
    fails, dies = points
    builds(clouds[books], proof, f"undone-{fails}-{dies}", dies, f"{fails}=raise", f"{dies}=kill")
    assert clouds[books].fired(fails)


@pytest.mark.parametrize(("books", "points"), on_both("compute killed as a build is stopped", STOP_DEATHS))
def test_compute_dies_while_a_build_is_stopped(clouds: Clouds, books: str, proof: Proof, points: tuple[str, str]) -> None:
    cloud, (hangs, dies) = clouds[books], points
    cloud.want_fault(f"{hangs}=hang:20", f"{dies}=kill")
    server_id = cloud.api.build(f"stopped-{hangs}-{dies}")
    strikes(cloud, Proof("", ""), hangs)
    delete(cloud, server_id)
    strikes(cloud, proof, dies)
    is_gone(cloud, proof, server_id)


@pytest.mark.parametrize(("books", "point"), on_both("network killed during a build", WIRING_DEATHS))
def test_network_dies_during_a_build(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    builds(clouds[books], proof, f"killed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "point"), on_both("network killed during a delete", UNWIRING_DEATHS))
def test_network_dies_during_a_removal(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    removes(clouds[books], proof, f"removed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "death"), on_both("broker killed during a build", BROKER_DEATHS))
def test_the_broker_dies_during_a_build(clouds: Clouds, books: str, proof: Proof, death: tuple[str, str]) -> None:
    cloud, (point, lost) = clouds[books], death
    cloud.want_fault(f"{point}=hang:0.7")
    server_id = cloud.api.build(f"broker-{lost}-{point}".replace(" ", "-"))
    _broker_dies(cloud, proof, point, lost)
    is_active_and_goes(cloud, proof, server_id)


@pytest.mark.parametrize(("books", "death"), on_both("broker killed during a delete", BROKER_REMOVAL_DEATHS))
def test_the_broker_dies_during_a_removal(clouds: Clouds, books: str, proof: Proof, death: tuple[str, str]) -> None:
    cloud, (point, lost) = clouds[books], death
    server_id = built(cloud, f"broker-removal-{lost}-{point}".replace(" ", "-"))
    cloud.want_fault(f"{point}=hang:0.7")
    delete(cloud, server_id)
    _broker_dies(cloud, proof, point, lost)
    is_gone(cloud, proof, server_id)


def _broker_dies(cloud: Cloud, proof: Proof, point: str, lost: str) -> None:
    """While a role hangs at this point; with all it had on disk, if so wished."""
    strikes(cloud, Proof("", ""), point)
    proof.fired(f"{lost} at {point}")
    if lost == "killed and emptied":
        broker_loses_all(cloud)
    else:
        cloud.kill("nats")
