"""Two who want what only one can have, or what only one of can stay: on real processes, through the API, at the same moment.

There is no fault here: what a case has to see is that both were under way at once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from msgspec import Struct

from kilonova.build import CARRY_OUT
from kilonova.build.connect import wire_ports
from kilonova.lifecycle.actions import SERVER_ACTIONS
from tests.chaos import acts
from tests.chaos.killing import LIMIT_S, Clouds, around, built, delete, is_active_and_goes, is_gone, strikes
from tests.chaos.proof import GONE, Proof
from tests.cloud.books import BOOKS, SQLITE
from tests.cloud.running import Cloud, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300)]

HANG_S = 30
ROUNDS = range(5)
CROWD, QUOTA, AT_ONCE = 1000, 100, 50
SERVERS = "/compute/v2.1/servers"
BOTH = "both were under way"
WRITES = "control.write.create_address_scopes.before"
"""A transaction that none of these races has to do with."""

BUILD_POINTS = [*around(*(f"compute.{step.name}" for step in CARRY_OUT.steps)), *around(f"network.{wire_ports.__name__}")]
ACTION_POINTS = [
    (name, f"compute.{step.name}.{when}")
    for name, action in SERVER_ACTIONS.items()
    for step in action.saga.steps
    for when in ("before", "after")
]


class Said(Struct, frozen=True):
    """An answer, and when it was asked for and came."""

    status: int
    body: Any
    began: float
    ended: float


def family(name: str, sample: int = 1) -> pytest.MarkDecorator:
    return pytest.mark.family(f"race: {name}", sample=sample)


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    with Clouds(tmp_path_factory.mktemp("races")) as clouds:
        yield clouds


@pytest.fixture
def cloud(clouds: Clouds) -> Cloud:
    """On SQLite, with nothing in it, and nothing strikes."""
    acts.empty(clouds[SQLITE])
    return clouds[SQLITE]


def request(cloud: Cloud, method: str, path: str, body: Any = None, **head: str) -> Callable[[], tuple[int, Any]]:
    """For `race`."""
    known = {"OpenStack_API_Version": acts.VERSION, **head}
    return lambda: cloud.api.once(method, path, body, **known)


def race(proof: Proof, *asks: Callable[[], tuple[int, Any]], at_once: int = 0) -> list[Said]:
    """All of them, begun together; the answers in the same order. At least two were on their way at the same time."""
    barrier = Barrier(at_once or len(asks))

    def go(number: int) -> Said:
        if number < barrier.parties:
            barrier.wait(30)
        began = time.monotonic()
        status, body = asks[number]()
        return Said(status, body, began, time.monotonic())

    with ThreadPoolExecutor(barrier.parties) as threads:
        said = list(threads.map(go, range(len(asks))))
    begins, ends = sorted(one.began for one in said), sorted(one.ended for one in said)
    if begins[1] < ends[0]:
        proof.fired(BOTH)
    return said


def statuses(said: Sequence[Said]) -> list[int]:
    return [one.status for one in said]


def wish(cloud: Cloud, name: str, **more: Any) -> dict[str, Any]:
    return {"server": {"name": name, "flavorRef": "1", "imageRef": cloud.api.image(), "networks": "auto", **more}}


def goes(cloud: Cloud, server_id: str) -> Callable[[], tuple[int, Any]]:
    """A deletion, for `race`."""
    return request(cloud, "DELETE", f"{SERVERS}/{server_id}")


# Delete against whatever is under way


@family("delete against a build", sample=2)
@pytest.mark.parametrize("point", BUILD_POINTS)
def test_a_delete_at_each_point_of_a_build(cloud: Cloud, proof: Proof, point: str) -> None:
    cloud.want_fault(f"{point}=hang:{HANG_S if point.startswith('compute') else 3}")
    server_id = cloud.api.build(f"deleted-at-{point}")
    strikes(cloud, proof, point)
    assert cloud.api.server(server_id)["status"] == "BUILD", "the build is still under way"
    delete(cloud, server_id)
    is_gone(cloud, proof, server_id)


@family("delete against an action", sample=2)
@pytest.mark.parametrize(("name", "point"), ACTION_POINTS)
def test_a_delete_at_each_point_of_an_action(cloud: Cloud, proof: Proof, name: str, point: str) -> None:
    server_id = acts.prepared(cloud, name, f"{name}-deleted-at-{point}")
    asked = acts.request(cloud, server_id, name)
    cloud.want_fault(f"{point}=hang:{HANG_S}")
    acts.ask(cloud, server_id, asked)
    strikes(cloud, proof, point)
    assert cloud.rows(f"SELECT id FROM orders WHERE server_id = '{server_id}' AND kind = 'task'"), "it is still under way"
    delete(cloud, server_id)
    proof.promise(cloud, {server_id: (GONE,)}, LIMIT_S)
    acts.rid_of_volumes(cloud)
    cloud.assert_nothing_held()


@family("delete against an action that is just asked for")
@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("name", ["resize", "attach_volume", "detach_volume", "stop", "image"])
def test_a_delete_and_an_action_at_once(cloud: Cloud, proof: Proof, name: str, number: int) -> None:
    server_id = acts.prepared(cloud, name, f"{name}-or-deleted-{number}")
    asked = acts.request(cloud, server_id, name)
    said = race(proof, goes(cloud, server_id), request(cloud, asked.method, asked.path, asked.body))
    assert said[0].status == 204
    assert said[1].status in (200, 202, 404, 409), said[1]
    proof.promise(cloud, {server_id: (GONE,)}, LIMIT_S)
    acts.rid_of_volumes(cloud)
    cloud.assert_nothing_held()


# The same thing twice


@family("one token, twenty requests")
@pytest.mark.parametrize("books", BOOKS)
@pytest.mark.parametrize("number", ROUNDS)
def test_one_idempotency_token_is_one_server(clouds: Clouds, proof: Proof, books: str, number: int) -> None:
    cloud = clouds[books]
    cloud.want_fault()
    token = {"Idempotency_Key": f"one-server-{books}-{number}"}
    said = race(proof, *[request(cloud, "POST", SERVERS, wish(cloud, f"once-{number}"), **token)] * 20)
    assert statuses(said) == [202] * 20
    answers = {(one.body["server"]["id"], str(one.body["server"].get("links"))) for one in said}
    assert len(answers) == 1, answers
    assert cloud.rows(f"SELECT count(*) FROM servers WHERE name = 'once-{number}'") == [(1,)]
    is_active_and_goes(cloud, proof, said[0].body["server"]["id"])


@family("confirm against revert")
@pytest.mark.parametrize("number", ROUNDS)
def test_confirm_and_revert_at_once(cloud: Cloud, proof: Proof, number: int) -> None:
    server_id = acts.prepared(cloud, "confirm_resize", f"confirmed-or-reverted-{number}")
    path = f"{SERVERS}/{server_id}/action"
    said = race(
        proof, request(cloud, "POST", path, {"confirmResize": None}), request(cloud, "POST", path, {"revertResize": None})
    )
    assert sorted(statuses(said)) in ([202, 409], [204, 409]), said
    acts.ended(cloud, server_id)
    proof.promise(cloud, {server_id: ("ACTIVE",)}, LIMIT_S)
    assert cloud.api.server(server_id)["flavor"]["vcpus"] == 1
    ram = cloud.api.server(server_id)["flavor"]["ram"]
    assert ram == (2048 if said[0].status != 409 else 512)
    assert cloud.rows("SELECT sum(ram_mb_used) FROM hosts") == [(ram,)]
    proof.nothing_stays(cloud, [server_id])


@family("two attaches of one volume")
@pytest.mark.parametrize("number", ROUNDS)
def test_two_servers_want_one_volume(cloud: Cloud, proof: Proof, number: int) -> None:
    servers = [built(cloud, f"wants-it-{number}-{which}") for which in "ab"]
    volume_id = acts.blank_volume(cloud)
    body = {"volumeAttachment": {"volumeId": volume_id}}
    said = race(proof, *(request(cloud, "POST", f"{SERVERS}/{one}/os-volume_attachments", body) for one in servers))
    assert sorted(statuses(said)) in ([200, 400], [200, 409]), said
    acts.becomes(cloud, volume_id, "in-use")
    has, has_not = servers if said[0].status == 200 else reversed(servers)
    assert (acts.links(cloud, has), acts.links(cloud, has_not)) == ([volume_id], [])
    assert acts.served(cloud) == [volume_id]
    proof.promise(cloud, dict.fromkeys(servers, ("ACTIVE",)), LIMIT_S)
    for server_id in servers:
        cloud.api.delete(server_id, LIMIT_S)
    acts.becomes(cloud, volume_id, "available")
    acts.rid_of_volumes(cloud)
    cloud.assert_nothing_held()


# What a build needs is taken away


@family("image delete against a create")
@pytest.mark.parametrize("point", ["at once", *around("compute.take_order", "compute.assemble_disks")])
def test_an_image_is_deleted_under_a_build(cloud: Cloud, proof: Proof, point: str) -> None:
    made = {"name": "goes", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = cloud.api.send("POST", "/image/v2/images", made)["id"]
    cloud.api.send("PUT", f"/image/v2/images/{image_id}/file", b"\1" * 65536)
    wanted = wish(cloud, f"image-goes-{point}", imageRef=image_id)
    deletion = request(cloud, "DELETE", f"/image/v2/images/{image_id}")
    if point == "at once":
        created, deleted = race(proof, request(cloud, "POST", SERVERS, wanted), deletion)
    else:
        cloud.want_fault(f"{point}=hang:2")
        created = Said(*request(cloud, "POST", SERVERS, wanted)(), 0.0, 0.0)
        strikes(cloud, proof, point)
        deleted = Said(*deletion(), 0.0, 0.0)
    assert deleted.status == 204
    assert created.status in (202, 400), created
    if created.status == 202:
        server_id = created.body["server"]["id"]
        proof.promise(cloud, {server_id: ("ACTIVE", "ERROR")}, LIMIT_S)
        proof.nothing_stays(cloud, [server_id])


@family("network or port delete against a create")
@pytest.mark.parametrize("number", ROUNDS)
@pytest.mark.parametrize("what", ["network", "port"])
def test_a_network_or_port_is_deleted_under_a_build(cloud: Cloud, proof: Proof, what: str, number: int) -> None:
    path = f"/network/v2.0/{what}s"
    network_id = _network(cloud, number)
    thing, nics = network_id, [{"uuid": network_id}]
    if what == "port":
        thing = cloud.api.send("POST", path, {"port": {"network_id": network_id}})["port"]["id"]
        nics = [{"port": thing}]
    asked = request(cloud, "POST", SERVERS, wish(cloud, f"without-{what}-{number}", networks=nics))
    with _writer_held(cloud):
        created, deleted = race(proof, asked, request(cloud, "DELETE", f"{path}/{thing}"))
    assert created.status in (202, 400, 404, 409), created
    assert deleted.status in (204, 409), deleted
    if created.status == 202:
        server_id = created.body["server"]["id"]
        proof.promise(cloud, {server_id: ("ACTIVE", "ERROR")}, LIMIT_S)
        assert what == "port" or deleted.status == 409, "a network went that has a server on it"
        cloud.api.delete(server_id, LIMIT_S)
    else:
        assert deleted.status == 204
    cloud.api.surely("DELETE", f"/network/v2.0/networks/{network_id}" if what == "network" else f"{path}/{thing}")
    cloud.api.surely("DELETE", f"/network/v2.0/networks/{network_id}")
    cloud.assert_nothing_held()


# The last place


@family("a thousand creates, a quota of a hundred")
@pytest.mark.parametrize("books", BOOKS)
def test_a_crowd_gets_what_the_quota_allows(clouds: Clouds, proof: Proof, books: str) -> None:
    cloud = clouds[books]
    cloud.want_fault()
    project = cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0]
    quota = f"/compute/v2.1/os-quota-sets/{project}"
    cloud.api.send("PUT", quota, {"quota_set": {"instances": QUOTA, "cores": -1, "ram": -1}})
    asks = [request(cloud, "POST", SERVERS, wish(cloud, f"crowd-{number}")) for number in range(CROWD)]
    said = race(proof, *asks, at_once=AT_ONCE)
    assert Counter(statuses(said)) == {202: QUOTA, 403: CROWD - QUOTA}
    assert {one.body["forbidden"]["code"] for one in said if one.status == 403} == {403}
    assert _used(cloud, quota) == {"instances": QUOTA, "cores": QUOTA, "ram": QUOTA * 512}
    servers = [one.body["server"]["id"] for one in said if one.status == 202]
    proof.promise(cloud, dict.fromkeys(servers, ("ACTIVE",)), LIMIT_S)
    for server_id in servers:
        delete(cloud, server_id)
    proof.nothing_stays(cloud, servers)
    assert _used(cloud, quota) == {"instances": 0, "cores": 0, "ram": 0}
    cloud.api.send("DELETE", quota)


@contextmanager
def _writer_held(cloud: Cloud) -> Iterator[None]:
    """Another transaction is about to commit, and takes its time: what is asked meanwhile is under way until it has."""
    scopes = "/network/v2.0/address-scopes"
    cloud.want_fault(f"{WRITES}=hang:2")
    with ThreadPoolExecutor(1) as somebody:
        made = somebody.submit(request(cloud, "POST", scopes, {"address_scope": {"name": "slow", "ip_version": 4}}))
        wait_for(lambda: cloud.fired(WRITES), LIMIT_S, WRITES, every_s=0.02)
        yield
        status, answer = made.result(LIMIT_S)
    assert status == 201, answer
    cloud.api.send("DELETE", f"{scopes}/{answer['address_scope']['id']}")


def _used(cloud: Cloud, quota: str) -> dict[str, int]:
    found = cloud.api.send("GET", f"{quota}/detail")["quota_set"]
    assert all(found[name]["reserved"] == 0 for name in ("instances", "cores", "ram"))
    return {name: found[name]["in_use"] for name in ("instances", "cores", "ram")}


def _network(cloud: Cloud, number: int) -> str:
    network = cloud.api.send("POST", "/network/v2.0/networks", {"network": {"name": f"goes-{number}"}})["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": f"10.77.{number}.0/24"}
    cloud.api.send("POST", "/network/v2.0/subnets", {"subnet": subnet})
    return str(network)
