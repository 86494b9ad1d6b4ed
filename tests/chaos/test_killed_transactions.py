"""Control dies within each of its transactions, just before the commit, and after it, before anybody has heard of it.

Which transactions there are is read off the program; one that is new here needs a scenario in which it comes about. What was
promised before is kept; a client whose request was cut off asks again, and gets one server, not two.
"""

import ast
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kilonova.build import CARRY_OUT
from kilonova.build.report import BuildProgress, ServerGone, ServerNotBuilt, ServerRuns
from tests.chaos.killing import (
    LIMIT_S,
    Clouds,
    around,
    broker_loses_all,
    builds,
    built,
    delete,
    is_active_and_goes,
    is_gone,
    on_both,
    patiently,
    removes,
    strikes,
)
from tests.chaos.proof import GONE, Proof
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300)]

KILONOVA = Path(__file__).parents[2] / "kilonova"
SHORT_S = 8
"""`build_limit_s` where a test waits for its end."""
NOT_HERE = {
    "Sweeper.fail_snapshot": "an image whose server is gone: tests/chaos/test_killed_actions.py kills at each step of a snapshot",
    "Sweeper.prune": "every ten minutes, and only traces that are too old",
    "Sweeper.end_volume": "a status without an order, looked for once a minute: one transaction, and looked for again",
    "Sweeper.end_volume_snapshot": "the same",
    "Sweeper.confirm_resize": "after a window that is off unless set; what it orders is an action like any other",
}

BUILD_DEATHS = around(
    "control.write.Desk.order", "control.relay", "control.write.Relay.relay_a_batch", "control.send.News",
    f"control.{BuildProgress.__name__}", f"control.{ServerRuns.__name__}", "control.write.ControlNode.take_reports",
)  # fmt: skip
REMOVAL_DEATHS = around(
    "control.write.Desk.delete", "control.relay", "control.write.Relay.relay_a_batch", "control.send.News",
    f"control.{ServerGone.__name__}", "control.write.ControlNode.take_reports",
)  # fmt: skip
FAILURE_DEATHS = around(f"control.{ServerNotBuilt.__name__}", f"control.send.{CARRY_OUT.takes.__name__}")


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with Clouds(tmp_path_factory.mktemp("killed-transactions")) as clouds:
        yield clouds


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """Clouds in which what is not done within a few seconds is over."""
    with Clouds(tmp_path_factory.mktemp("overdue"), build_limit_s=SHORT_S) as clouds:
        yield clouds


@pytest.mark.parametrize(("books", "point"), on_both("control killed during a build", BUILD_DEATHS, sample=2))
def test_control_dies_during_a_build(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    builds(clouds[books], proof, f"killed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "point"), on_both("control killed during a delete", REMOVAL_DEATHS))
def test_control_dies_during_a_removal(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    removes(clouds[books], proof, f"removed-{point}", point, f"{point}=kill")


@pytest.mark.parametrize(("books", "point"), on_both("control killed as a build has failed", FAILURE_DEATHS))
def test_control_dies_as_a_build_has_failed(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    """It is tried on the other host, once."""
    fails = f"compute.{CARRY_OUT.steps[-1].name}.before"
    builds(clouds[books], proof, f"failed-{point}", point, f"{fails}=raise", f"{point}=kill")
    assert clouds[books].fired(fails)


def _as_compute_comes_back(cloud: Cloud, proof: Proof, point: str) -> None:
    builds(cloud, proof, f"greet-{point}", point, "compute.assemble_disks.after=kill", f"{point}=kill")


def _as_control_comes_back(cloud: Cloud, proof: Proof, point: str) -> None:
    builds(cloud, proof, f"start-{point}", point, "control.relay.after=kill", f"{point}=kill")


def _as_the_broker_comes_back_empty(cloud: Cloud, proof: Proof, point: str) -> None:
    hangs = "compute.assemble_disks.before"
    cloud.want_fault(f"{hangs}=hang:0.7", f"{point}=kill")
    server_id = cloud.api.build(f"empty-{point}")
    strikes(cloud, Proof("", ""), hangs)
    broker_loses_all(cloud)
    strikes(cloud, proof, point)
    is_active_and_goes(cloud, proof, server_id)


def _as_a_rule_changes(cloud: Cloud, proof: Proof, point: str) -> None:
    server_id = built(cloud, f"rule-{point}")
    (group,) = cloud.api.send("GET", "/network/v2.0/security-groups?name=default")["security_groups"]
    cloud.want_fault(f"{point}=kill")
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": 80}
    rule["port_range_max"] = 80 + len(group["security_group_rules"])
    status, answer = patiently(cloud, "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule})
    assert status in (201, 409), answer
    strikes(cloud, proof, point)
    wait_for(lambda: not cloud.rows("SELECT id FROM fabric WHERE NOT settled"), LIMIT_S, "the group as it should be")
    is_active_and_goes(cloud, proof, server_id)


def _as_an_action_is_asked_for(cloud: Cloud, proof: Proof, point: str) -> None:
    server_id = built(cloud, f"act-{point}")
    cloud.want_fault(f"{point}=kill")
    status, answer = patiently(cloud, "POST", f"/compute/v2.1/servers/{server_id}/action", {"os-stop": None})
    assert status in (202, 409), answer
    strikes(cloud, proof, point)
    proof.promise(cloud, {server_id: ("SHUTOFF",)}, LIMIT_S)
    proof.nothing_stays(cloud, [server_id])


def _as_a_volume_is_made(cloud: Cloud, proof: Proof, point: str) -> None:
    cloud.want_fault(f"{point}=kill")
    volume = cloud.api.send("POST", "/volume/v3/volumes", {"volume": {"size": 1, "name": point}})["volume"]["id"]
    where = f"/volume/v3/volumes/{volume}"
    strikes(cloud, proof, point)
    wait_for(lambda: cloud.api.send("GET", where)["volume"]["status"] == "available", LIMIT_S, "the volume")
    proof.recovered()
    assert patiently(cloud, "DELETE", where)[0] in (202, 404)
    wait_for(lambda: patiently(cloud, "GET", where)[0] == 404, LIMIT_S, "the volume gone")
    cloud.assert_nothing_held()


def _as_nobody_answers(cloud: Cloud, proof: Proof, point: str) -> None:
    """Half a minute long; then the order goes out again."""
    cloud.want_fault(f"{point}=kill")
    os.kill(cloud.pid("compute"), signal.SIGSTOP)
    try:
        server_id = cloud.api.build(f"silent-{point}")
        strikes(cloud, proof, point)
    finally:
        os.kill(cloud.pid("compute"), signal.SIGCONT)
    is_active_and_goes(cloud, proof, server_id)


SCENARIOS: Mapping[str, Callable[[Cloud, Proof, str], None]] = {
    "ControlNode.greet": _as_compute_comes_back,
    "ControlNode.run": _as_control_comes_back,
    "ControlNode.send_all_again": _as_the_broker_comes_back_empty,
    "ControlNode.take_volume_reports": _as_a_volume_is_made,
    "Desk.act": _as_an_action_is_asked_for,
    "FabricKeeper.send": _as_a_rule_changes,
    "Sweeper.send_again": _as_nobody_answers,
    "furnish": _as_control_comes_back,
}


Promised = dict[str, tuple[str, ...]]


def _overdue_build(cloud: Cloud, proof: Proof, point: str) -> Promised:
    return _ends(cloud, proof, point, cloud.api.build(f"overdue-{point}"), "ERROR")


def _overdue_action(cloud: Cloud, proof: Proof, point: str) -> Promised:
    server_id = str(cloud.api.send("GET", "/compute/v2.1/servers")["servers"][0]["id"])
    assert patiently(cloud, "POST", f"/compute/v2.1/servers/{server_id}/action", {"os-stop": None})[0] == 202
    return _ends(cloud, proof, point, server_id, "ERROR")


def _overdue_removal(cloud: Cloud, proof: Proof, point: str) -> Promised:
    server_id = str(cloud.api.send("GET", "/compute/v2.1/servers")["servers"][0]["id"])
    delete(cloud, server_id)
    return _ends(cloud, proof, point, server_id, GONE)


def _overdue_volume(cloud: Cloud, proof: Proof, point: str) -> Promised:
    volume = cloud.api.send("POST", "/volume/v3/volumes", {"volume": {"size": 1}})["volume"]["id"]
    strikes(cloud, proof, point)
    wait_for(lambda: cloud.api.send("GET", f"/volume/v3/volumes/{volume}")["volume"]["status"] == "error", LIMIT_S, "an error")
    proof.recovered()
    return {}


def _ends(cloud: Cloud, proof: Proof, point: str, server_id: str, status: str) -> Promised:
    """What it is by now it must also be once its host is heard of again."""
    strikes(cloud, proof, point)

    def now() -> str:
        code, answer = patiently(cloud, "GET", f"/compute/v2.1/servers/{server_id}")
        return GONE if code == 404 else str(answer["server"]["status"])

    wait_for(lambda: now() == status, LIMIT_S, f"{server_id} {status}")
    proof.recovered()
    return {server_id: (status,)}


OVERDUE: Mapping[str, tuple[str, Callable[[Cloud, Proof, str], Promised]]] = {
    "Sweeper.end": ("compute", _overdue_build),
    "Sweeper.end_task": ("compute", _overdue_action),
    "Sweeper.end_volume_work": ("volume", _overdue_volume),
    "Sweeper.let_go": ("compute", _overdue_removal),
}


@pytest.mark.parametrize(
    ("books", "point"), on_both("control killed in another transaction", around(*(f"control.write.{name}" for name in SCENARIOS)))
)
def test_control_dies_in_another_transaction(clouds: Clouds, books: str, proof: Proof, point: str) -> None:
    SCENARIOS[_name(point)](clouds[books], proof, point)


@pytest.mark.parametrize(
    ("books", "point"), on_both("control killed as a time is over", around(*(f"control.write.{name}" for name in OVERDUE)))
)
def test_control_dies_as_it_ends_what_is_overdue(hasty: Clouds, books: str, proof: Proof, point: str) -> None:
    """Whoever should have done it is frozen."""
    cloud = hasty[books]
    role, scenario = OVERDUE[_name(point)]
    built(cloud, f"there-{point}")
    cloud.want_fault(f"{point}=kill")
    os.kill(cloud.pid(role), signal.SIGSTOP)
    try:
        promised = scenario(cloud, proof, point)
    finally:
        os.kill(cloud.pid(role), signal.SIGCONT)
    proof.promise(cloud, promised, LIMIT_S)
    for volume in cloud.api.send("GET", "/volume/v3/volumes")["volumes"]:
        wait_for(partial(_goes, cloud, f"/volume/v3/volumes/{volume['id']}"), LIMIT_S, "the volume gone")
    servers = cloud.api.send("GET", "/compute/v2.1/servers")["servers"]
    proof.nothing_stays(cloud, [server["id"] for server in servers])


@pytest.mark.parametrize(("books", "what"), on_both("broker killed before anybody takes an order", ["build", "removal"]))
def test_the_broker_loses_an_order_that_nobody_has_taken(clouds: Clouds, books: str, proof: Proof, what: str) -> None:
    """Only the ledger still has it, and sends it again as soon as the broker is there."""
    cloud = clouds[books]
    cloud.want_fault()
    removed = built(cloud, f"lost-{what}") if what == "removal" else ""
    os.kill(cloud.pid("compute"), signal.SIGSTOP)
    if removed:
        delete(cloud, removed)
    server_id = removed or cloud.api.build(f"lost-{what}")
    wait_for(lambda: cloud.rows("SELECT id FROM orders WHERE published_at IS NOT NULL"), 20, "the order published")
    cloud.kill("compute")  # with what the broker may have handed over to its socket
    proof.fired("an order that lay in its queue")
    broker_loses_all(cloud)
    if removed:
        is_gone(cloud, proof, removed)
    else:
        is_active_and_goes(cloud, proof, server_id)


def test_no_transaction_of_control_is_left_out() -> None:
    here = {_name(point) for point in (*BUILD_DEATHS, *REMOVAL_DEATHS) if point.startswith("control.write.")}
    found = {name for folder in ("nodes", "app") for file in (KILONOVA / folder).glob("*.py") for name in _transactions(file)}
    assert len(found) > 12
    assert found == here | set(SCENARIOS) | set(OVERDUE) | set(NOT_HERE)


def _goes(cloud: Cloud, where: str) -> bool:
    """Whether it is gone; asked for again and again, since its deletion is short of time too."""
    return patiently(cloud, "DELETE", where)[0] == 404


def _name(point: str) -> str:
    return point.removeprefix("control.write.").rpartition(".")[0]


def _transactions(file: Path) -> set[str]:
    """The names, as points have them, of what is written into the ledger in this file."""
    tree = ast.parse(file.read_text())
    found: set[str] = set()
    for scope in tree.body:
        for function in scope.body if isinstance(scope, ast.ClassDef) else [scope]:
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _writes(call):
                    prefix = f"{scope.name}." if isinstance(scope, ast.ClassDef) else ""
                    found.add(f"{prefix}{_named(call.args[-1], function)}")
    return found - {"StruckLedger.write"}


def _writes(call: ast.Call) -> bool:
    said = ast.unparse(call.func)
    return said.endswith("ledger.write") or said == "write_each"


def _named(change: ast.expr, function: Any) -> str:
    """That of the function itself, or of what `partial` is given."""
    if isinstance(change, ast.Call) and isinstance(change.args[0], ast.Attribute):
        return change.args[0].attr.lstrip("_")
    return str(function.name).lstrip("_")
