"""Two control processes on one database, one last slot on one host: exactly one server gets it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kilonova.settings import PREFIX
from tests.chaos.killing import LIMIT_S
from tests.chaos.proof import Proof
from tests.chaos.test_races import ROUNDS, SERVERS, family, race, request, statuses, wish
from tests.cloud.books import POSTGRESQL, running_on
from tests.cloud.fleet import role_environment, role_process
from tests.cloud.running import READY_WITHIN_S, Api, Cloud, free_port, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300)]

HOST_RAM_MB = 262_144


class Second(Cloud):
    """The same cloud, by way of its other control process."""

    def __init__(self, cloud: Cloud) -> None:
        self.data, self.listen, self.rows = cloud.data, f"127.0.0.1:{free_port()}", cloud.rows  # type: ignore[method-assign]
        self.api = Api(self)

    def answers(self) -> bool:
        try:
            return self.api.once("GET", SERVERS)[0] == 200
        except OSError:
            return False


@contextmanager
def two_controls(folder: Path) -> Iterator[tuple[Cloud, Cloud]]:
    with running_on(POSTGRESQL, folder, hosts=1) as cloud:
        second = Second(cloud)
        environment = {**os.environ, **role_environment(cloud), f"{PREFIX}LISTEN": second.listen}
        with role_process(cloud, "control", environment):
            wait_for(second.answers, READY_WITHIN_S, "the second control", every_s=0.2)
            yield cloud, second


@pytest.fixture(scope="module")
def controls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Cloud]]:
    with two_controls(tmp_path_factory.mktemp("two-schedulers")) as both:
        yield both


@family("two schedulers, one last slot")
@pytest.mark.parametrize("number", ROUNDS)
def test_two_schedulers_and_one_last_slot(controls: tuple[Cloud, Cloud], proof: Proof, number: int) -> None:
    one, two = controls
    flavor_id = f"whole-host-{number}"
    flavor = {"name": flavor_id, "id": flavor_id, "ram": HOST_RAM_MB, "vcpus": 1, "disk": 1}
    one.api.send("POST", "/compute/v2.1/flavors", {"flavor": flavor})
    project = one.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0]
    one.api.send("PUT", f"/compute/v2.1/os-quota-sets/{project}", {"quota_set": {"ram": -1}})
    image = {"imageRef": one.api.image(), "flavorRef": flavor_id}
    asks = [request(cloud, "POST", SERVERS, wish(one, f"last-slot-{number}", **image)) for cloud in (one, two) for _ in range(4)]
    said = race(proof, *asks)
    assert statuses(said) == [202] * len(asks)
    servers = [answer.body["server"]["id"] for answer in said]
    proof.promise(one, dict.fromkeys(servers, ("ACTIVE", "ERROR")), LIMIT_S)
    found = [two.api.server(server_id) for server_id in servers]
    assert sorted(server["status"] for server in found) == ["ACTIVE"] + ["ERROR"] * (len(asks) - 1)
    for server in found:
        if server["status"] == "ERROR":
            assert "No valid host was found. 1 host: not enough memory." in server["fault"]["message"]
            assert server["fault"]["details"] == "sim-0001: not enough memory"
    assert one.rows("SELECT servers, ram_mb_used FROM hosts") == [(1, HOST_RAM_MB)]
    proof.nothing_stays(one, servers)
