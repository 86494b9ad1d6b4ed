"""Volumes in real guests: what one writes another reads, whatever ends in between; and a server that boots from one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kilonova import guestimage
from tests.cloud.running import Cloud, Machine, running, wait_for

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.wire,
    pytest.mark.qemu,
    pytest.mark.guest,
    pytest.mark.root,
    pytest.mark.timeout(400),
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces and taps need root"),
    pytest.mark.skipif(shutil.which("qemu-storage-daemon") is None, reason="qemu-storage-daemon is not installed"),
    pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed"),
]
BOOT_S = 180.0


class Guests:
    """A cloud with our own image, and a key to its guests."""

    def __init__(self, cloud: Cloud, key: Path, image: str) -> None:
        self.cloud, self.key, self.image = cloud, key, image
        self.project = str(cloud.rows("SELECT id FROM identity_projects WHERE name = 'admin'")[0][0])

    def server(self, name: str, **more: Any) -> str:
        """It runs, and its ssh answers."""
        body = {"flavorRef": "84", "imageRef": self.image, "key_name": "k", **more}
        server_id = self.cloud.api.build(name, **body)
        server = self.cloud.api.settled(server_id, BOOT_S)
        assert server["status"] == "ACTIVE", server
        wait_for(lambda: self.run(name, "true") is not None, BOOT_S, f"ssh to {name}", every_s=1.0)
        return server_id

    def run(self, name: str, command: str) -> str | None:
        """What it printed; None when it failed."""
        done = self.cloud.verb("ssh", "-i", str(self.key), name, command, check=False)
        return done.stdout if done.returncode == 0 else None

    def volume(self, **more: Any) -> str:
        made = self.cloud.api.send("POST", f"/volume/v3/{self.project}/volumes", {"volume": {"size": 1, **more}})
        volume_id = str(made["volume"]["id"])
        self.becomes(volume_id, "available")
        return volume_id

    def becomes(self, volume_id: str, wanted: str) -> None:
        """``404`` when it is to be gone."""

        def status() -> str:
            code, answer = self.cloud.api.once("GET", f"/volume/v3/{self.project}/volumes/{volume_id}")
            return str(code) if code != 200 else str(answer["volume"]["status"])

        wait_for(lambda: status() == wanted, 90, f"the volume to be {wanted}", every_s=0.2)

    def attach(self, server_id: str, volume_id: str) -> None:
        body = {"volumeAttachment": {"volumeId": volume_id}}
        self.cloud.api.send("POST", f"/compute/v2.1/servers/{server_id}/os-volume_attachments", body)
        self.becomes(volume_id, "in-use")

    def detach(self, server_id: str, volume_id: str) -> None:
        status, answer = self.cloud.api.once("DELETE", f"/compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}")
        assert status == 202, answer
        self.becomes(volume_id, "available")

    def device(self, name: str, volume_id: str) -> str | None:
        """How the guest calls it: by the serial number, the beginning of the volume's id."""
        found = self.run(name, f"grep -l ^{volume_id[:20]} /sys/block/vd*/serial")
        return found.split("/")[3] if found else None


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guests]:
    folder = tmp_path_factory.mktemp("volumes")
    cache = Path(os.environ.get("KILONOVA_CACHE") or Path(__file__).parents[2] / ".cache") / "guestimage"
    image = guestimage.build(cache / "kilonova-guest.qcow2", cache, print)
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    with running(folder, "--hypervisor", "qemu", "--image", str(image), network="linux") as cloud:
        public = key.with_suffix(".pub").read_text()
        cloud.api.send("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": public}})
        found = cloud.api.send("GET", f"/image/v2/images?name={image.stem}")["images"][0]["id"]
        yield Guests(cloud, key, found)
        assert cloud.api.audit()["findings"] == []
        assert cloud.down() == 0
        Machine(cloud.data).assert_clean(within_s=5)


def daemons(cloud: Cloud) -> list[int]:
    """The processes that serve volumes of this cloud."""
    mark = str(cloud.data).encode()
    found = []
    for folder in (cloud.data / "nodes").glob("volume-*/exports/*"):
        assert mark in str(folder).encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"qemu-storage-daemon" in line.split(b"\0")[0] and folder.name.encode() in line:
                    found.append(int(entry.name))
    return found


def test_what_one_guest_writes_another_reads(guests: Guests) -> None:
    cloud = guests.cloud
    volume_id, first = guests.volume(), guests.server("first")
    guests.attach(first, volume_id)
    wait_for(lambda: guests.device("first", volume_id) is not None, 30, "the volume in the guest")
    device = guests.device("first", volume_id)
    assert guests.run("first", f"echo written-by-the-first | dd of=/dev/{device} bs=512 count=1 conv=sync && sync") is not None
    (pid,) = daemons(cloud)
    cloud.kill("volume")
    cloud.kill("compute")
    assert daemons(cloud) == [pid], "it outlives the role"
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemons(cloud) not in ([], [pid]), 30, "another process that serves it")
    again = f"echo 3 > /proc/sys/vm/drop_caches; head -c 20 /dev/{device}"
    wait_for(lambda: guests.run("first", again) == "written-by-the-first", 60, "the guest to reach it again")
    guests.detach(first, volume_id)
    assert guests.device("first", volume_id) is None
    assert daemons(cloud) == []
    second = guests.server("second")
    guests.attach(second, volume_id)
    wait_for(lambda: guests.device("second", volume_id) is not None, 30, "the volume in the other guest")
    assert guests.run("second", f"head -c 20 /dev/{guests.device('second', volume_id)}") == "written-by-the-first"
    for server_id in (first, second):
        cloud.api.delete(server_id)
    guests.becomes(volume_id, "available")
    assert daemons(cloud) == []
    cloud.api.once("DELETE", f"/volume/v3/{guests.project}/volumes/{volume_id}")
    guests.becomes(volume_id, "404")
    assert cloud.api.audit()["findings"] == []


def test_a_server_boots_from_a_volume_and_takes_it_along(guests: Guests) -> None:
    cloud = guests.cloud
    root = {"source_type": "image", "destination_type": "volume", "uuid": guests.image, "volume_size": 1, "boot_index": 0}
    server_id = guests.server("from-volume", imageRef="", block_device_mapping_v2=[{**root, "delete_on_termination": True}])
    (link,) = cloud.api.send("GET", f"/compute/v2.1/servers/{server_id}/os-volume_attachments")["volumeAttachments"]
    assert guests.device("from-volume", link["volumeId"]) == "vda"
    assert guests.run("from-volume", "echo kept > /root/kept && sync") is not None
    for action in ("os-stop", "os-start"):
        cloud.api.send("POST", f"/compute/v2.1/servers/{server_id}/action", {action: None})
        wanted = "SHUTOFF" if action == "os-stop" else "ACTIVE"
        wait_for(lambda wanted=wanted: cloud.api.server(server_id)["status"] == wanted, 120, wanted)  # type: ignore[misc]
    wait_for(lambda: guests.run("from-volume", "cat /root/kept") == "kept\n", BOOT_S, "what it has written", every_s=1.0)
    cloud.api.delete(server_id)
    guests.becomes(link["volumeId"], "404")
    assert cloud.api.audit()["findings"] == []
