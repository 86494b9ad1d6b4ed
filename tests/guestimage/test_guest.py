"""The image as a guest: what a cloud may expect of it, in real machines."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.guestimage.machine import SSH, Machine, config_drive, metadata_service

pytestmark = [pytest.mark.qemu, pytest.mark.guest, pytest.mark.timeout(400)]

FIRST, SECOND = "5d4a5ad6-7bb1-4d4f-8c46-2f2f4b3a9d01", "0b0e4f2c-9c0a-4a43-8d0e-1d5f6a7b8c02"


def test_guest_from_a_config_drive(machine: Callable[..., Machine], tmp_path: Path) -> None:
    guest = machine()
    keys = {"mine": guest.public_key + "\n", "other": "ssh-rsa AAAA/B+C== someone's \u00fc key"}
    metadata = {"availability_zone": "nova", "public_keys": keys, "hostname": "web-1.novalocal", "uuid": FIRST}
    script = "#!/bin/sh\necho hello from $(hostname)\necho run >>/root/runs\nexit 3\n"
    guest.start(config_drive(tmp_path / "first.iso", metadata, script))
    assert guest.wait_ready() == (FIRST, "10.0.2.15")
    assert guest.wait_for("^kilonova-guest: user-data ran rc=(.*)$") == ["3"]
    assert "\nhello from web-1\n" in guest.console()
    told = guest.ssh("id -un; hostname; cat /root/.ssh/authorized_keys").splitlines()
    assert told == ["root", "web-1", guest.public_key, keys["other"]]
    size = int(guest.ssh("df -m / | tail -n 1 | awk '{ print $2 }'"))
    assert size > 400, "the root file system did not grow with its disk of 512 MiB"
    disks = [line.split() for line in guest.ssh("lsblk -lb --nodeps").splitlines()]
    assert disks[0][5] == "TYPE"
    assert ["vda", str(512 << 20), "disk"] in [[line[0], line[3], line[5]] for line in disks[1:]]

    guest.ssh("reboot")
    assert guest.wait_ready(times=2) == (FIRST, "10.0.2.15")
    assert guest.ssh("cat /root/runs") == "run\n", "user-data ran again for the same instance"
    first_key = guest.wait_for("ssh host key (.*)")[-1]
    guest.power_off()

    # The same disk wakes up as another instance: another server's keys and user-data must not count any more.
    guest.start(config_drive(tmp_path / "second.iso", {**metadata, "uuid": SECOND}, script))
    assert guest.wait_ready() == (SECOND, "10.0.2.15")
    assert guest.ssh("cat /root/runs") == "run\nrun\n"
    assert guest.wait_for("ssh host key (.*)") != [first_key]
    assert guest.power_off() < 60


def test_guest_alone_then_with_a_network(machine: Callable[..., Machine], tmp_path: Path) -> None:
    guest = machine(kind="q35", memory=96, network=False)
    guest.start()
    assert guest.wait_ready() == ("none", "none")

    config = "#cloud-config\nhostname: late\npackages: [vim]\nruncmd:\n  - echo one from $(hostname)\n  - [echo, 'two words']\n"
    metadata = {"uuid": FIRST, "name": "x", "public_keys": {"a": guest.public_key}}
    service = metadata_service(tmp_path, metadata, config)
    arguments = {"net": "169.254.0.0/16", "restrict": True, "hostfwd": [{"str": f"tcp:{guest.address}:{SSH}-:22"}]}
    forward = [{"str": f"tcp:169.254.169.254:80-cmd:{service}"}]
    guest.qmp("netdev_add", type="user", id="net", guestfwd=forward, **arguments)
    guest.qmp("device_add", driver="virtio-net-pci", netdev="net", id="nic", bus="spare", romfile="")
    assert guest.wait_ready(times=2) == (FIRST, "169.254.2.15")
    assert guest.wait_for("^kilonova-guest: user-data ran rc=(.*)$") == ["0"]
    assert "\none from late\ntwo words\n" in guest.console()
    assert "#cloud-config packages is not understood here" in guest.console()
    assert guest.ssh("hostname") == "late\n"
    guest.power_off()
