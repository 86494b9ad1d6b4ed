"""Who waits for an answer that is no step of a saga: a node for control's word, control for a node's or the broker's, a client.

Every wait there is in the code has its case here or in test_killed_waits.py, or the last test says so.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kilonova.nodes.control import WHO_NOTES
from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.chaos.waits import backward, forward, in_the_code
from tests.cloud.books import OnPostgres, up
from tests.cloud.running import Cloud, Machine, remembered, running, wait_for
from tests.ledger.postgres import postgres

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.timeout(300),
    pytest.mark.family("the other party dies at a wait", sample=3),
]
LONG = pytest.mark.family("the other party is away for longer than the wait", sample=2)
LIMIT_S = 100
NODES = ("compute", "network", "volume")
WHENS = ("before", "after")
REPORTS = [*(report.__name__ for report in WHO_NOTES), "VolumeWorkDone"]
BYTES = ("control.write.begin.before", "control.write.end.before", "control.write.end.after")
"""Control takes the bytes of an image in."""
BROKER = {
    "an order": "control.relay.before",
    "the news": "control.relay.after",
    "a queue made anew": "control.write.ControlNode.greet.after",
}
"""What control waits for the broker with, and the point right before."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("killed-answers"), hosts=1, faults="file", build_limit_s=LIMIT_S) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()
        assert cloud.holds() == {}


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("report", REPORTS)
def test_control_is_killed_while_a_node_waits_for_its_word(cloud: Cloud, proof: Proof, report: str, when: str) -> None:
    _reporting(cloud, proof, report, when, lambda: cloud.kill("control") and None)


@LONG
@pytest.mark.parametrize("report", REPORTS)
def test_control_is_away_while_a_node_waits_for_its_word(cloud: Cloud, proof: Proof, report: str) -> None:
    def away() -> None:
        with _away(cloud, "control"):
            time.sleep(7)  # longer than a reporter waits

    _reporting(cloud, proof, report, "before", away)


@pytest.mark.parametrize("when", WHENS)
@pytest.mark.parametrize("node", NODES)
def test_control_is_killed_while_a_node_waits_to_be_welcomed(cloud: Cloud, proof: Proof, node: str, when: str) -> None:
    acts.empty(cloud)
    point = f"control.write.ControlNode.greet.{when}"
    cloud.want_fault(f"{point}=hang:60")
    cloud.kill(node)
    _hangs(cloud, proof, point)
    cloud.kill("control")
    _still_builds(cloud, proof)


@LONG
@pytest.mark.parametrize("node", NODES)
def test_control_is_away_while_a_node_waits_to_be_welcomed(cloud: Cloud, proof: Proof, node: str) -> None:
    acts.empty(cloud)
    cloud.want_fault("control.write.ControlNode.greet.before=hang:60")
    cloud.kill(node)
    _hangs(cloud, proof, "control.write.ControlNode.greet.before")
    with _away(cloud, "control"):
        wait_for(lambda: '"hello_again"' in cloud.log(node), 60, "the node to give up waiting")
    _still_builds(cloud, proof)


@pytest.mark.parametrize("node", NODES)
def test_a_node_is_killed_while_control_waits_for_its_inventory(cloud: Cloud, proof: Proof, node: str) -> None:
    acts.empty(cloud)
    point = f"{node}.send.NodeInventory.before"
    cloud.want_fault(f"{point}=hang:60")
    with _asked(lambda: cloud.api.once("GET", "/internal/audit")) as answer:
        _hangs(cloud, proof, point)
        cloud.kill(node)
        status, report = answer.result(30)
    assert status == 200
    assert all(node in str(finding) for finding in report["findings"]), "it finds that one is silent, and nothing else"
    _still_builds(cloud, proof)


@pytest.mark.parametrize(
    ("message", "question", "key"),
    [
        ("ConsoleText", ("POST", "action", {"os-getConsoleOutput": {"length": 5}}), "output"),
        ("DiagnosticsTold", ("GET", "diagnostics", None), "memory"),
    ],
    ids=["console", "diagnostics"],
)
def test_a_node_is_killed_while_a_client_waits_for_what_a_guest_says(
    cloud: Cloud, proof: Proof, message: str, question: tuple[str, str, Any], key: str
) -> None:
    acts.empty(cloud)
    method, path, body = question
    server_id = acts.prepared(cloud, "stop", f"asked-{os.urandom(3).hex()}")
    cloud.want_fault(f"compute.send.{message}.before=hang:60")
    where = f"{acts.SERVERS}/{server_id}/{path}"
    with _asked(lambda: cloud.api.once(method, where, body)) as answer:
        _hangs(cloud, proof, f"compute.send.{message}.before")
        cloud.kill("compute")
        status, said = answer.result(30)
    assert status == 200 or (status in (409, 503) and str(said)), (status, said)
    assert any(key in name for name in cloud.api.send(method, where, body)), "and when it is back it is told"
    proof.promise(cloud, {server_id: ("ACTIVE",)})
    proof.nothing_stays(cloud, [server_id])


@pytest.mark.parametrize("node", NODES)
def test_a_node_is_killed_while_a_repair_waits_for_it(cloud: Cloud, proof: Proof, node: str) -> None:
    acts.empty(cloud)
    _plant(cloud, node)
    wait_for(lambda: cloud.api.audit()["findings"], 60, "the audit to find it", every_s=0.3)
    point = f"{node}.send.Tidied.before"
    cloud.want_fault(f"{point}=hang:60")
    with _asked(lambda: cloud.api.once("POST", "/internal/audit/repair?unknown=yes")) as answer:
        _hangs(cloud, proof, point)
        cloud.kill(node)
        until = time.monotonic() + 90
        while not answer.done() and time.monotonic() < until:
            time.sleep(0.2)
    assert cloud.api.send("POST", "/internal/audit/repair?unknown=yes")["after"]["findings"] == []
    _still_builds(cloud, proof)


@pytest.mark.parametrize("long", [False, True], ids=["soon", "late"])
@pytest.mark.parametrize("what", BROKER)
def test_the_broker_is_killed_while_control_waits_for_it(cloud: Cloud, proof: Proof, what: str, long: bool) -> None:
    acts.empty(cloud)
    cloud.api.image()
    cloud.want_fault(f"{BROKER[what]}=hang:1")
    if "queue" in what:
        cloud.kill("compute")
    server_id = cloud.api.build(f"broker-{os.urandom(3).hex()}")
    wait_for(lambda: cloud.fired(BROKER[what]), 60, BROKER[what], every_s=0.02)
    os.kill(cloud.pid("nats"), signal.SIGSTOP)  # it is there, and does not answer
    time.sleep(2)
    proof.fired(f"nats, when control waits for it with {what}")
    cloud.kill("nats")
    if long:
        with _stopped(cloud.pid("nats")):
            time.sleep(7)  # longer than control waits
    proof.promise(cloud, {server_id: ("ACTIVE",)})
    proof.nothing_stays(cloud, [server_id])


def test_the_broker_is_killed_while_control_starts(cloud: Cloud, proof: Proof) -> None:
    acts.empty(cloud)
    os.kill(cloud.pid("nats"), signal.SIGSTOP)
    cloud.kill("control")
    time.sleep(2)
    proof.fired("nats, when a new control waits for it")
    cloud.kill("nats")
    _still_builds(cloud, proof)


@pytest.mark.parametrize("long", [False, True], ids=["soon", "late"])
@pytest.mark.parametrize("when", WHENS)
def test_the_network_is_killed_while_control_waits_for_routers(cloud: Cloud, proof: Proof, when: str, long: bool) -> None:
    acts.empty(cloud)
    point = f"network.make_fabric.{when}"
    cloud.want_fault(f"{point}=hang:60")
    router_id = cloud.api.send("POST", "/network/v2.0/routers", {"router": {"name": "r"}})["router"]["id"]
    _hangs(cloud, proof, point)
    cloud.kill("network")
    if long:
        with _stopped(cloud.pid("network")):
            time.sleep(12)  # it is asked again, and again
    wait_for(lambda: router_id in _known(cloud), acts.WITHIN_S, "the router on the network node")
    proof.recovered()
    assert cloud.api.surely("DELETE", f"/network/v2.0/routers/{router_id}")[0] == 204
    wait_for(lambda: router_id not in _known(cloud), acts.WITHIN_S, "no router on the network node")
    proof.promise(cloud, {})


@pytest.mark.parametrize("when", WHENS)
def test_the_database_is_killed_while_a_client_waits(tmp_path: Path, proof: Proof, when: str) -> None:
    """Before the commit, or after it and before the client has heard of it; who asks again gets one server."""
    point = f"control.write.Desk.order.{when}"
    with postgres() as server, up(OnPostgres(tmp_path, server, hosts=1, faults="file", build_limit_s=LIMIT_S)) as cloud:
        cloud.api.image()
        cloud.want_fault(f"{point}=hang:4")
        with _asked(lambda: cloud.api.build("asked-once")) as answer:
            _hangs(cloud, proof, point)
            server.stop()
            server.start()
            server_id = answer.result(60)
        proof.promise(cloud, {server_id: ("ACTIVE",)})
        assert len(cloud.rows("SELECT id FROM servers")) == 1
        proof.nothing_stays(cloud, [server_id])


@pytest.mark.parametrize("point", BYTES)
def test_control_is_killed_while_a_host_sends_a_snapshot(cloud: Cloud, proof: Proof, point: str) -> None:
    acts.empty(cloud)
    server_id = acts.prepared(cloud, "image", f"sends-{os.urandom(3).hex()}")
    cloud.want_fault(f"{point}=hang:60")
    acts.ask(cloud, server_id, acts.request(cloud, server_id, "image"))
    _hangs(cloud, proof, point)
    cloud.kill("control")
    acts.ended(cloud, server_id)
    proof.promise(cloud, {server_id: ("ACTIVE",)})
    images = cloud.api.send("GET", "/image/v2/images?name=snapshot")["images"]
    told = acts.history(cloud, server_id, "image")[0]["message"]
    assert [image["status"] for image in images] == ["active"] or (told and not images), (told, images)
    for image in images:
        cloud.api.send("DELETE", f"/image/v2/images/{image['id']}")
    proof.nothing_stays(cloud, [server_id])


@pytest.mark.parametrize("point", BYTES)
def test_control_is_killed_while_a_volume_node_sends_an_image(cloud: Cloud, proof: Proof, point: str) -> None:
    acts.empty(cloud)
    volume_id = acts.blank_volume(cloud)
    cloud.want_fault(f"{point}=hang:60")
    acts.VOLUME_ACTS["upload"].ask(cloud, volume_id)
    _hangs(cloud, proof, point)
    cloud.kill("control")
    acts.ended(cloud, volume_id)
    assert acts.status(cloud, volume_id) == "available"
    images = cloud.api.send("GET", "/image/v2/images?name=of%20a%20volume")["images"]
    assert [image["status"] for image in images] == ["active"] or (acts.told(cloud, volume_id) and not images), images
    for image in images:
        cloud.api.send("DELETE", f"/image/v2/images/{image['id']}")
    proof.promise(cloud, {})
    acts.rid_of_volumes(cloud)


CASES: Mapping[str, str] = {
    "build/connect.py:ask_for_network": "NetworkWanted",
    "build/connect.py:release_network": "NetworkNotWanted",
    "build/export.py:open_export": "ExportWanted",
    "build/export.py:close_exports": "ExportNotWanted",
    "lifecycle/interfaces.py:_tell_network": "NetworkWanted",
    "lifecycle/remove.py:leave_network": "NetworkNotWanted",
    "nodes/hands.py:_ask": "NetworkWanted",
    "nodes/reporter.py:_send_what_there_is": "test_control_is_killed_while_a_node_waits_for_its_word",
    "nodes/greeting.py:compute_says_hello": "test_control_is_killed_while_a_node_waits_to_be_welcomed",
    "nodes/greeting.py:network_says_hello": "test_control_is_killed_while_a_node_waits_to_be_welcomed",
    "nodes/volume_greeting.py:_say_hello": "test_control_is_killed_while_a_node_waits_to_be_welcomed",
    "nodes/audit.py:_ask": "test_a_node_is_killed_while_control_waits_for_its_inventory",
    "nodes/repair/repair.py:_send": "test_a_node_is_killed_while_a_repair_waits_for_it",
    "nodes/desk.py:console_output": "test_a_node_is_killed_while_a_client_waits_for_what_a_guest_says",
    "nodes/desk.py:diagnostics": "test_a_node_is_killed_while_a_client_waits_for_what_a_guest_says",
    "nodes/relay.py:_publish": "test_the_broker_is_killed_while_control_waits_for_it",
    "nodes/relay.py:_announce": "test_the_broker_is_killed_while_control_waits_for_it",
    "nodes/control.py:_open_queues": "test_the_broker_is_killed_while_control_waits_for_it",
    "nodes/control.py:_ensure_known_queues": "test_the_broker_is_killed_while_control_starts",
    "nodes/control.py:run": "test_the_broker_is_killed_while_control_starts",
    "nodes/fabric.py:send": "test_the_network_is_killed_while_control_waits_for_routers",
    "drivers/disks/http_send.py:_status": "test_control_is_killed_while_a_host_sends_a_snapshot",
    "drivers/disks/http_fetch.py:_download": "tests/chaos/test_killed_download.py",
}
"""Every wait, and the test that has its other party killed, or the message of a saga's step that waits."""
ELSEWHERE = {
    "drivers/imagestore/web.py:_open": "the other party is the open internet: tests/drivers/imagestore/test_web.py",
    "nodes/repair/repair.py:_queue": "the broker is asked for its queues right before",
}


def test_every_wait_has_its_case() -> None:
    messages = {wait.message for wait in (*forward(), *backward())}
    assert in_the_code() == {*CASES, *ELSEWHERE}
    assert {case for case in CASES.values() if "/" not in case} <= {*globals(), *messages}


def _reporting(cloud: Cloud, proof: Proof, report: str, when: str, strike: Callable[[], object]) -> None:
    """A node says this, and control hangs before it has answered."""
    acts.empty(cloud)
    label, point = f"{report}-{when}-{os.urandom(3).hex()}", f"control.{report}.{when}"
    server_id = acts.prepared(cloud, "stop", label) if report in ("ServerGone", "TaskDone", "TaskFailed") else ""
    fails = {"ServerNotBuilt": "compute.take_order.after=raise", "TaskFailed": "compute.shut_down_guest.before=raise"}
    cloud.want_fault(f"{point}=hang:60", *filter(None, [fails.get(report)]))
    if report == "VolumeWorkDone":
        volume_id = acts.new_volume(cloud)
    elif report == "ServerGone":
        assert cloud.api.surely("DELETE", f"{acts.SERVERS}/{server_id}")[0] == 204
    elif server_id:
        acts.ask(cloud, server_id, acts.request(cloud, server_id, "stop"))
    else:
        server_id = cloud.api.build(label)
    _hangs(cloud, proof, point)
    strike()
    ends = {"ServerGone": "GONE", "TaskDone": "SHUTOFF", "ServerNotBuilt": "ERROR"}.get(report, "ACTIVE")
    if report == "VolumeWorkDone":
        acts.becomes(cloud, volume_id, "available")
    proof.promise(cloud, {server_id: (ends,)} if server_id else {})
    proof.nothing_stays(cloud, [server_id] if server_id else [])
    acts.rid_of_volumes(cloud)


def _hangs(cloud: Cloud, proof: Proof, point: str) -> None:
    wait_for(lambda: cloud.fired(point), acts.WITHIN_S, point, every_s=0.02)
    proof.fired(f"{point.partition('.')[0]} at {point}")


def _still_builds(cloud: Cloud, proof: Proof) -> None:
    server_id = cloud.api.build(f"afterwards-{os.urandom(3).hex()}")
    proof.promise(cloud, {server_id: ("ACTIVE",)})
    proof.nothing_stays(cloud, [server_id])


@contextmanager
def _asked(question: Callable[[], Any]) -> Iterator[Future[Any]]:
    """What a client waits for, while the test goes on."""
    with ThreadPoolExecutor(1) as client:
        yield client.submit(question)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def _away(cloud: Cloud, role: str) -> Iterator[None]:
    """Killed, and what the supervisor starts in its place stands still."""
    cloud.kill(role)
    with _stopped(cloud.pid(role)):
        yield


def _plant(cloud: Cloud, node: str) -> None:
    """Something on the node that is nobody's, as it knows from its start."""
    memory, word = {
        "compute": ("simulated/sim-0001.guests", f"running@{time.time()}"),
        "network": ("network-simulated/network", "1"),
        "volume": ("volume-simulated/volumes.exports", "an-attachment"),
    }[node]
    with (cloud.data / "nodes" / memory).open("a") as file:
        file.write(f"00000000-0000-4000-8000-{os.urandom(6).hex()} {word}\n")
    cloud.kill(node)


def _known(cloud: Cloud) -> str:
    """What the network node has, with what it has no more left out."""
    return " ".join(one for memory in cloud.data.glob("nodes/*/network.fabric*") for one in remembered(memory))
