"""A network node that falls silent and wakes up later: builds end with a reason, and what it wired too late is taken away."""

import os
import signal
from pathlib import Path

import pytest

from tests.chaos.proof import GONE, Proof
from tests.cloud.running import Cloud, remembered, running, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire, pytest.mark.timeout(300), pytest.mark.family("network silent", sample=1)]


def test_what_is_wired_too_late_does_not_stay(tmp_path: Path, proof: Proof) -> None:
    with running(tmp_path, hosts=2, network_limit_s=2) as cloud:
        cloud.api.image()
        os.kill(cloud.pid("network"), signal.SIGSTOP)
        server_id = cloud.api.build("waits-in-vain")
        proof.fired("network, before it was asked")
        server = cloud.api.settled(server_id, 60)
        assert server["status"] == "ERROR"
        assert "The network node did not answer in time" in server["fault"]["message"]
        proof.recovered()
        assert set(cloud.holds()) == {"servers"}
        os.kill(cloud.pid("network"), signal.SIGCONT)
        wait_for(lambda: server_id in _ever_wired(cloud), 30, "the order that lay in its queue")
        wait_for(lambda: set(cloud.holds()) == {"servers"}, 60, "it unwired again")
        proof.promise(cloud, {server_id: ("ERROR",)})
        proof.nothing_stays(cloud, [server_id])


def test_deleted_while_the_network_node_is_silent_it_goes_as_soon_as_it_is_back(tmp_path: Path, proof: Proof) -> None:
    with running(tmp_path, hosts=1, network_limit_s=2) as cloud:
        server_id = cloud.api.build("deleted-meanwhile")
        assert cloud.api.settled(server_id, 30)["status"] == "ACTIVE"
        os.kill(cloud.pid("network"), signal.SIGSTOP)
        status, _ = cloud.api.once("DELETE", f"/compute/v2.1/servers/{server_id}")
        assert status == 204
        wait_for(lambda: _guest_gone(cloud), 20, "the guest gone")
        assert cloud.rows("SELECT id FROM ports"), "its address is not free while it is wired"
        proof.fired("network, before it was asked to unwire")
        os.kill(cloud.pid("network"), signal.SIGCONT)
        proof.promise(cloud, {server_id: (GONE,)})
        cloud.assert_nothing_held()


def _ever_wired(cloud: Cloud) -> str:
    return "".join(memory.read_text() for memory in cloud.data.glob("nodes/*/network") if memory.is_file())


def _guest_gone(cloud: Cloud) -> bool:
    return not any(remembered(memory) for memory in cloud.data.glob("nodes/*/sim-*.guests"))
