"""Control, the network role and the broker die while a server is built or deleted: all ends well, and nothing stays."""

import os
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from kilonova.build.connect import unwire_ports, wire_ports
from tests.cloud.running import Cloud, running, wait_for

pytestmark = [pytest.mark.cloud, pytest.mark.wire]

LIMIT_S = 100
"""Longer than the half minute after which an order that nobody answered is sent again."""
WIRING = [f"network.{wire_ports.__name__}.{when}" for when in ("before", "after")]
UNWIRING = [f"network.{unwire_ports.__name__}.{when}" for when in ("before", "after")]
RELAY = [f"control.relay.{when}" for when in ("before", "after")]
BUILD_REPORTS = [f"control.{report}.{when}" for report in ("BuildProgress", "ServerRuns") for when in ("before", "after")]
GONE_REPORTS = [f"control.ServerGone.{when}" for when in ("before", "after")]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(tmp_path_factory.mktemp("others-die"), hosts=2, faults="file", build_limit_s=LIMIT_S) as cloud:
        cloud.api.image()
        yield cloud
        assert cloud.down() == 0
        assert cloud.holds() == {}


@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("point", [*WIRING, *RELAY, *BUILD_REPORTS])
def test_it_strikes_during_a_build(cloud: Cloud, point: str, action: str) -> None:
    cloud.want_fault(f"{point}={action}")
    server_id = cloud.api.build(f"{action}-{point}")
    _ends_active_and_is_deleted(cloud, server_id)
    assert cloud.fired(point)


@pytest.mark.parametrize("action", ["kill", "raise"])
@pytest.mark.parametrize("point", [*UNWIRING, *GONE_REPORTS, *RELAY])
def test_it_strikes_during_a_removal(cloud: Cloud, point: str, action: str) -> None:
    cloud.want_fault()
    server_id = cloud.api.build(f"removal-{action}-{point}")
    assert cloud.api.settled(server_id, LIMIT_S)["status"] == "ACTIVE"
    cloud.want_fault(f"{point}={action}")
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()
    assert cloud.fired(point)


@pytest.mark.parametrize("when", ["during the disks", "during the wait for the network"])
@pytest.mark.parametrize("role", ["nats", "control", "compute", "network"])
def test_killed_from_outside_during_a_build(cloud: Cloud, role: str, when: str) -> None:
    point = "compute.assemble_disks.before" if when == "during the disks" else "network.wire_ports.before"
    server_id = _in_the_middle(cloud, f"outside-{role}-{when}".replace(" ", "-"), point)
    cloud.kill(role)
    _ends_active_and_is_deleted(cloud, server_id)


@pytest.mark.parametrize("point", ["compute.assemble_disks.before", "network.wire_ports.before"])
def test_the_broker_is_killed_and_its_data_deleted_during_a_build(cloud: Cloud, point: str) -> None:
    server_id = _in_the_middle(cloud, f"no-store-{point}", point)
    _lose_the_broker(cloud)
    _ends_active_and_is_deleted(cloud, server_id)


def test_the_broker_loses_an_order_that_nobody_has_taken_yet(cloud: Cloud) -> None:
    """Only the ledger still has it, and sends it again when nobody has answered for half a minute."""
    cloud.want_fault()
    os.kill(cloud.pid("compute"), signal.SIGSTOP)
    server_id = cloud.api.build("lost-in-the-queue")
    wait_for(lambda: cloud.rows("SELECT id FROM orders WHERE published_at IS NOT NULL"), 20, "the order published")
    cloud.kill("compute")  # with what the broker may have handed over to its socket
    _lose_the_broker(cloud)
    _ends_active_and_is_deleted(cloud, server_id)


def _in_the_middle(cloud: Cloud, name: str, point: str) -> str:
    """A server whose build hangs at this point for a moment."""
    cloud.want_fault(f"{point}=hang:1.5")
    server_id = cloud.api.build(name)
    wait_for(lambda: cloud.fired(point), 20, point, every_s=0.02)
    assert cloud.api.server(server_id)["status"] == "BUILD"
    return server_id


def _lose_the_broker(cloud: Cloud) -> None:
    """Killed, and all it had on disk is gone before it comes back."""
    shutil.rmtree(cloud.data / "nats" / "data")
    cloud.kill("nats")


def _ends_active_and_is_deleted(cloud: Cloud, server_id: str) -> None:
    server = cloud.api.settled(server_id, LIMIT_S)
    assert server["status"] == "ACTIVE", server
    began = time.monotonic()
    cloud.api.delete(server_id)
    cloud.assert_nothing_held()
    print(f"deleted within {time.monotonic() - began:.1f} s")
