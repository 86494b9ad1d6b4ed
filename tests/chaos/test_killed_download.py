"""Control is killed while a host fetches an image for a guest of QEMU, or stands still for longer than that is waited for."""

import os
import shutil
import signal
import time
from collections.abc import Iterator

import pytest

from tests.chaos import acts
from tests.chaos.proof import Proof
from tests.cloud.running import Cloud, Machine, running, wait_for

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"),
    pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is not installed"),
]
SOON = pytest.mark.family("the other party dies at a wait", sample=3)
LONG = pytest.mark.family("the other party is away for longer than the wait", sample=2)
MIB = 1 << 20
SILENCE_S = 33
"""Longer than the silence that a fetch bears."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Real guests, which boot from nothing; user networking needs no rights."""
    folder, qemu = tmp_path_factory.mktemp("killed-download"), ("--hypervisor", "qemu")
    with running(folder, *qemu, network="user", accelerator="tcg", faults="file", build_limit_s=150) as cloud:
        yield cloud
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean()


@pytest.mark.parametrize("what", ["a server", "a volume"])
@pytest.mark.parametrize("long", [pytest.param(False, marks=SOON, id="soon"), pytest.param(True, marks=LONG, id="late")])
def test_control_goes_while_an_image_is_fetched(cloud: Cloud, proof: Proof, what: str, long: bool) -> None:
    cloud.want_fault()
    image_id = _image(cloud)
    point = "compute.assemble_disks.before" if what == "a server" else "volume.make_volume.before"
    cloud.want_fault(f"{point}=hang:1")
    made = _server(cloud, image_id) if what == "a server" else acts.new_volume(cloud, imageRef=image_id)
    wait_for(lambda: cloud.fired(point), acts.WITHIN_S, point, every_s=0.02)
    frozen = cloud.pid("control")
    os.kill(frozen, signal.SIGSTOP)  # it has a socket still, and says nothing
    time.sleep(SILENCE_S if long else 2)
    proof.fired(f"control, while {what} waits for its image")
    cloud.kill("control")
    if what == "a server":
        proof.promise(cloud, {made: ("ACTIVE",)})
        proof.nothing_stays(cloud, [made])
    else:
        acts.becomes(cloud, made, "available")
        proof.promise(cloud, {})
        acts.rid_of(cloud, made)


def _image(cloud: Cloud) -> str:
    """One that no host has seen yet."""
    about = {"name": "fetched", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image_id = str(cloud.api.send("POST", "/image/v2/images", about)["id"])
    cloud.api.send("PUT", f"/image/v2/images/{image_id}/file", os.urandom(512) + bytes(8 * MIB))
    return image_id


def _server(cloud: Cloud, image_id: str) -> str:
    return cloud.api.build(f"fetches-{os.urandom(3).hex()}", imageRef=image_id)
